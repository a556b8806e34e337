"""Options as signatures declare them: what is let through, and what is said of the rest."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vqspeech.errors import ConfigError
from vqspeech.schema import Count, Dropout, Kinds, Length, Marker, Options, Positive, Range, check_groups

MARK = Marker("marked")


@dataclass
class Inner:
    depth: Annotated[int, Range(1, 9, odd=True)]
    rest: Any = None


class Part:
    def __init__(
        self,
        inputs: int,
        size: Annotated[Count, MARK],
        rate: Positive = 1.0,
        drop: Dropout = 0.0,
        floor: float = 0.0,
        kind: Literal["a", "b"] = "a",
        flag: bool = False,
        path: str | None = None,
        layers: Annotated[Sequence[Annotated[Sequence[Count], Length(2, 2)]], Length(1, 3)] = ((1, 1),),
        inner: Annotated[Mapping[str, Any], Options(Inner)] = {},
        **more: Annotated[Any, Options(Inner)],
    ):
        self.values = {key: value for key, value in locals().items() if key != "self"}

    @staticmethod
    def check_options(where, options):
        if options["size"] < options["rate"]:
            raise ConfigError(f"{where}.size is below {where}.rate={options['rate']}")


PART = Options(Part, given=("inputs",))
RIGHT: dict[str, Any] = {"size": 3, "depth": 1}


def test_what_is_right_is_returned_as_it_was_but_for_whole_numbers_with_a_point():
    values = {"size": 2e0, "rate": 1, "drop": 0.5, "floor": -math.inf, "kind": "b", "flag": True, "path": None}
    values |= {"layers": [[1, 2.0], [3, 4]], "inner": {"depth": 9, "rest": object()}, "depth": 3, "rest": "x"}
    found = PART.check("part", values)
    assert found == values and isinstance(found["size"], int) and isinstance(found["layers"][0][1], int)
    assert PART.check("part", RIGHT) == RIGHT, "defaults are not filled in"
    assert PART.names_with(MARK) == ["size"]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("size", 0, "give a whole number from 1 to 1,000,000,000"),
        ("size", 2.5, "give a whole number from 1"),
        ("size", True, "give a whole number from 1"),
        ("size", "2", "give a whole number from 1"),
        ("size", None, "give a whole number from 1"),
        ("size", 10**400, "give a whole number from 1"),
        ("rate", 0, "give a number above 0"),
        ("rate", math.inf, "give a number above 0"),
        ("rate", math.nan, "give a number above 0"),
        ("rate", "abc", "give a number above 0"),
        ("drop", 1.0, "give a number from 0 to below 1"),
        ("floor", math.nan, "give a number"),
        ("kind", "c", "give one of a, b"),
        ("kind", 1, "give one of a, b"),
        ("flag", 1, "give true or false"),
        ("path", 3, "give a text, or null"),
        ("layers", [], "give a list of 1 to 3 items, each a list of 2 items, each a whole number"),
        ("layers", "ab", "give a list of 1 to 3 items"),
        ("layers", {1: 2}, "give a list of 1 to 3 items"),
        ("layers[1]", [[1, 1], [1]], "give a list of 2 items, each a whole number"),
        ("layers[0][1]", [[1, 0]], "give a whole number from 1"),
        ("inner", 3, "give a group of options"),
        ("inner.depth", {"depth": 4}, "give an odd whole number from 1 to 9"),
        ("depth", 11, "give an odd whole number from 1 to 9"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(name, value, allowed):
    key = name.split("[")[0].split(".")[0]
    with pytest.raises(ConfigError) as raised:
        PART.check("part", RIGHT | {key: value})
    message = str(raised.value)
    assert message.startswith(f"part.{name}=") and f": {allowed}" in message and len(message) < 250


def test_unknown_missing_and_contradicting_options():
    for values, message in [
        ({"size": 3}, r"part.depth is missing; give an odd whole number from 1 to 9"),
        (RIGHT | {"foo": 1}, "part.foo: no such option; there are size, rate, drop"),
        (RIGHT | {"inputs": 1}, "part.inputs: no such option"),
        (RIGHT | {"rate": 4}, "part.size is below part.rate=4"),
        ([1], r"part=\[1\]: give a group of options"),
    ]:
        with pytest.raises(ConfigError, match=message):
            PART.check("part", values)


def test_kinds_by_name():
    kinds = Kinds("part", {"big": Part, "inner": Inner}, given=("inputs",), extra={"share": Dropout}, default="inner")
    made = kinds.make({"name": "big", "share": 0.5, **RIGHT}, inputs=7)
    assert made.values["inputs"] == 7 and made.values["size"] == 3, "what is told beside is left to who asks for it"
    assert kinds.make({"depth": 3, "share": 0.1}) == Inner(3)
    assert kinds.check({"depth": 3, "share": 0.1}) == {"depth": 3, "share": 0.1}, "as it was"
    for values, message in [
        ({"name": "small"}, "no part 'small'; there are big, inner"),
        ({"name": ["big"]}, "no part"),
        ({"name": "inner", "depth": 3}, "part.share is missing; give a number from 0 to below 1"),
        ("big", "part=big: give a group of options"),
    ]:
        with pytest.raises(ConfigError, match=message):
            kinds.check(values)


def test_groups():
    groups = {"part": PART, "kind": Kinds("kind", {"inner": Inner})}
    config = {"part": RIGHT, "kind": {"name": "inner", "depth": 1.0}, "other": 3}
    assert check_groups(config, groups) == config
    for wrong, options, message in [
        ({"part": RIGHT}, {}, "the configuration has no group kind; it needs part, kind"),
        (config, {"exclusive": True}, "other: no such group of options; there are part, kind"),
        (None, {}, "null is not a configuration"),
    ]:
        with pytest.raises(ConfigError, match=message):
            check_groups(wrong, groups, **options)  # pyright: ignore[reportArgumentType]
    assert check_groups({"part": RIGHT}, groups, optional=("kind",)) == {"part": RIGHT}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["depth", "rest", "x"]), inner),
    max_leaves=6,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*PART.fields, "x"]), JSON))
def test_whatever_json_holds_is_taken_or_refused_by_name(values):
    try:
        found = PART.check("part", values)
    except ConfigError:
        return
    Part(inputs=1, **found)
