"""Options of configurations: their names, types and limits.

An option is declared once, in the signature of the class or function that takes it, its limits as an annotation:

    def __init__(self, latents: int, channels: Width = 256, window: Annotated[int, Range(1, 999, odd=True)] = 5): ...

`Options` and `Kinds` read such signatures and check the values of a configuration against them. A class can check
options against each other by a static method `check_options(where, options)`, which raises `ConfigError`. Parameters
without a known annotation are not checked.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from vqspeech import deprecation
from vqspeech.errors import ConfigError

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Range:
    """Limits of a finite number: `low` to `high`, without `low` if `above`, without `high` if `below`, odd if `odd`."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    odd: bool = False

    def holds(self, number: float) -> bool:
        """Return whether a number is within the limits."""
        low = number > self.low if self.above else number >= self.low
        high = number < self.high if self.below else number <= self.high
        return low and high and abs(number) != math.inf and (not self.odd or number % 2 == 1)

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.above else f"of at least {self.low:g}"
        high = f"below {self.high:g}" if self.below else f"of at most {self.high:,}"
        finite = math.isfinite(self.low), math.isfinite(self.high)
        if finite == (True, True) and not self.above:
            return f"from {self.low:g} to {'below ' * self.below}{self.high:,}"
        return " and ".join(text for text, is_limited in zip((low, high), finite, strict=True) if is_limited)


@dataclass(frozen=True)
class Length:
    """Limits of the number of items of a list."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low} items" if self.low == self.high else f"{self.low} to {self.high} items"


class Marker(NamedTuple):
    """A property of an option besides its limits."""

    name: str


Count = Annotated[int, Range(1, 1_000_000_000)]
"""A number of things: steps, windows, samples."""
Width = Annotated[int, Range(1, 65_536)]
"""Channels, dimensions, units of a network."""
Depth = Annotated[int, Range(1, 1_000)]
"""Layers of a network."""
Codes = Annotated[int, Range(1, 1 << 24)]
"""Size of a codebook."""
Share = Annotated[float, Range(0, 1)]
Dropout = Annotated[float, Range(0, 1, below=True)]
"""A share that is left out: not all of it."""
Positive = Annotated[float, Range(0, above=True)]
NonNegative = Annotated[float, Range(0)]


class Field(NamedTuple):
    """An option: its annotation, and its default (`inspect.Parameter.empty` where there is none)."""

    kind: Any
    default: Any


@dataclass(frozen=True)
class Options:
    """The options in the signature of a class or function.

    Attributes:
        kind: The class or function.
        given: Parameters that the program gives, which are no options.
        extra: More options, annotations by name.
        allow_unknown: Whether unknown options are let through.
    """

    kind: Callable[..., Any]
    given: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    allow_unknown: bool = False

    @property
    def fields(self) -> dict[str, Field]:
        """The options by name, including those of the signatures that a parameter `**options` is annotated with."""
        found = {name: Field(kind, inspect.Parameter.empty) for name, kind in self.extra.items()}
        for name, parameter in inspect.signature(self.kind, eval_str=True).parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                for rest in _limits(parameter.annotation, Options):
                    found |= {key: one for key, one in rest.fields.items() if key not in found}
            elif name not in self.given:
                found[name] = Field(parameter.annotation, parameter.default)
        return found

    def names_with(self, marker: Marker) -> list[str]:
        """Return the names of the options whose annotation has a marker."""
        return [name for name, one in self.fields.items() if marker in _limits(one.kind, Marker)]

    def check(self, where: str, values: Any) -> dict[str, Any]:
        """Check the values of a configuration.

        Args:
            where: Prefix of their keys, such as `decoder`.
            values: The options by name; old names (see `deprecation`) are replaced.

        Returns:
            The same options; a whole number written with a decimal point or an exponent is an int.

        Raises:
            ConfigError: An option is unknown, missing or invalid, or options contradict each other.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"{where}={_shown(values)}: give a group of options")
        values, fields = deprecation.rename_keys(values, where), self.fields
        unknown = [name for name in values if name not in fields]
        if unknown and not self.allow_unknown:
            raise ConfigError(f"{where}.{unknown[0]}: no such option; there are {', '.join(fields) or 'none'}")
        empty = inspect.Parameter.empty
        missing = [name for name, one in fields.items() if one.default is empty and name not in values]
        if missing:
            raise ConfigError(f"{where}.{missing[0]} is missing; give {describe_kind(fields[missing[0]].kind)}")
        found = {
            name: _checked(f"{where}.{name}", value, fields[name].kind) if name in fields else value
            for name, value in values.items()
        }
        check_together = getattr(self.kind, "check_options", None)
        if check_together:
            defaults = {name: one.default for name, one in fields.items() if one.default is not empty}
            check_together(where, defaults | found)
        return found


@dataclass(frozen=True)
class Kinds:
    """A group of a configuration whose option `name` selects the class that it describes.

    Attributes:
        group: Name of the group.
        kinds: Classes or functions by name.
        given: See `Options`.
        extra: See `Options`.
        default: Name that is selected where there is none.
        label: What they are called in messages; None: as the group.
    """

    group: str
    kinds: Mapping[str, Callable[..., Any]]
    given: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    default: str | None = None
    label: str | None = None

    def check(self, values: Any) -> dict[str, Any]:
        """Check the values of the group; see `Options.check`."""
        if not isinstance(values, Mapping):
            raise ConfigError(f"{self.group}={_shown(values)}: give a group of options")
        name = values.get("name", self.default)
        if not isinstance(name, str) or name not in self.kinds:
            raise ConfigError(f"no {self.label or self.group} '{name}'; there are {', '.join(self.kinds)}")
        rest = {key: value for key, value in values.items() if key != "name"}
        named = {"name": name} if "name" in values else {}
        return named | Options(self.kinds[name], self.given, self.extra).check(self.group, rest)

    def make(self, values: Any, **given: Any) -> Any:
        """Make the object that the group describes.

        Args:
            values: Values of the group.
            **given: What the program gives.

        Raises:
            ConfigError: See `Options.check`.
        """
        options = self.check(values)
        made = self.kinds[options.pop("name", self.default)]
        return made(**given, **{name: value for name, value in options.items() if name not in self.extra})


def check_groups(
    config: Any, groups: Mapping[str, Options | Kinds], optional: Sequence[str] = (), exclusive: bool = False
) -> dict[str, Any]:
    """Check the groups of a configuration.

    Args:
        config: Groups of options by name.
        groups: The known groups.
        optional: Groups that may be missing.
        exclusive: Whether unknown groups are refused.

    Returns:
        The configuration, each group as its `check` returns it.

    Raises:
        ConfigError: See `Options.check`; or a group is missing or, with `exclusive`, unknown.
    """
    if not isinstance(config, Mapping):
        raise ConfigError(f"{_shown(config)} is not a configuration; give groups of options")
    unknown = [name for name in config if name not in groups] if exclusive else []
    if unknown:
        raise ConfigError(f"{unknown[0]}: no such group of options; there are {', '.join(groups)}")
    missing = [name for name in groups if name not in config and name not in optional]
    if missing:
        raise ConfigError(f"the configuration has no group {missing[0]}; it needs {', '.join(groups)}")
    found = dict(config)
    for name, group in groups.items():
        if name in config:
            value = config[name]
            found[name] = group.check(value) if isinstance(group, Kinds) else group.check(name, value)
    return found


def find_class(config: Any, classes: Mapping[str, type[Kind]], what: str) -> type[Kind]:
    """Return the class that the group `model` of a configuration names.

    Args:
        config: The configuration, checked or not.
        classes: Classes by name.
        what: What they are, for the message: "that translates".

    Raises:
        ConfigError: The configuration names none of them.
    """
    model = config.get("model") if isinstance(config, Mapping) else None
    name = model.get("name") if isinstance(model, Mapping) else None
    if not isinstance(name, str) or name not in classes:
        raise ConfigError(f"the configuration is of no model {what} ({name}); there are {', '.join(classes)}")
    return classes[name]


def require_multiple(where: str, options: Mapping[str, Any], name: str, divisor: str) -> None:
    """Check that one option is a multiple of another.

    Raises:
        ConfigError: It is not.
    """
    if options[name] % options[divisor]:
        raise ConfigError(f"{where}.{name}={options[name]} is not a multiple of {where}.{divisor}={options[divisor]}")


def _checked(path: str, value: Any, kind: Any, allowed: str | None = None) -> Any:
    """Return a value that matches an annotation; raise `ConfigError` with what is `allowed` where it does not."""
    for nested in _limits(kind, Options):
        return nested.check(path, value)
    base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    origin, inner = get_origin(base) or base, get_args(base)
    if origin in (Union, UnionType):
        none = value is None and NoneType in inner
        return None if none else _checked(path, value, _without_none(kind), describe_kind(kind))
    if origin is Literal:
        found, right = value, isinstance(value, str) and value in inner
    elif origin is bool or origin is str:
        found, right = value, isinstance(value, origin)
    elif origin is int or origin is float:
        found, right = _number(value, origin)
        right = right and all(limit.holds(found) for limit in _limits(kind, Range))
    elif inspect.isclass(origin) and issubclass(origin, Sequence):
        found, right = value, isinstance(value, (list, tuple))
        right = right and all(limit.low <= len(value) <= limit.high for limit in _limits(kind, Length))
        if right and origin is tuple:
            right = len(value) == len(inner)
        if right and inner:
            kinds = inner if origin is tuple else inner * len(value)
            found = [_checked(f"{path}[{i}]", one, of) for i, (one, of) in enumerate(zip(value, kinds, strict=True))]
    elif inspect.isclass(origin) and issubclass(origin, Mapping):
        found, right = value, isinstance(value, Mapping)
    else:  # an annotation that says nothing here
        return value
    if not right:
        raise ConfigError(f"{path}={_shown(value)}: give {allowed or describe_kind(kind)}")
    return found


def _number(value: Any, kind: type) -> tuple[Any, bool]:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:  # noqa: PLR0124 -- NaN; math.isnan fails on large ints
        return value, False
    if kind is int and isinstance(value, float):
        return (int(value), True) if value.is_integer() else (value, False)
    return value, True


def _limits(kind: Any, of: type) -> list[Any]:
    """Return the metadata of a type in an annotation."""
    if get_origin(kind) in (Union, UnionType):
        return []
    return [one for one in getattr(kind, "__metadata__", ()) if isinstance(one, of)]


def _without_none(kind: Any) -> Any:
    base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return Union[tuple(one for one in get_args(base) if one is not NoneType)]  # noqa: UP007


def describe_kind(kind: Any) -> str:
    """Return the values that an annotation allows, in words."""
    base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    origin, inner = get_origin(base) or base, get_args(base)
    if origin in (Union, UnionType):
        return f"{describe_kind(_without_none(kind))}, or null"
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin is int or origin is float:
        limits = _limits(kind, Range)
        article = "an odd" if any(limit.odd for limit in limits) else "a"
        words = [article, *["whole"] * (origin is int), "number", *map(str, limits)]
        return " ".join(word for word in words if word)
    if inspect.isclass(origin) and issubclass(origin, Sequence) and origin is not str:
        if origin is tuple:
            return f"[{', '.join(map(describe_kind, inner))}]"
        lengths = "".join(f" of {limit}" for limit in _limits(kind, Length))
        return f"a list{lengths}" + (f", each {describe_kind(inner[0])}" if inner else "")
    texts: dict[Any, str] = {bool: "true or false", str: "a text", Mapping: "values by name"}
    return texts.get(origin, "a value")


def _shown(value: Any) -> str:
    text = {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))
    return text if len(text) <= 60 else text[:57] + "..."
