"""Old names of configuration keys, verbs and options, which keep working for one release with a warning.

To rename one, add a row to its table; the rest follows. A configuration key stands for the same option in every
configuration that has it. Checkpoints keep the keys they were written with and are read without a warning.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from vqspeech.errors import ConfigError

CONFIG_KEYS: dict[str, str] = {
    "prior.withheld": "prior.condition_dropout",
    "video.withheld": "video.condition_dropout",
}
"""Keys of configurations, from the group on: `"training.say_every": "training.log_every"`. The group stays."""
VERBS: dict[str, str] = {}
"""Verbs of the command line, with those before them: `"vision sample-video": "vision sample video"`."""
OPTIONS: dict[str, str] = {
    "vision sample-video --given": "--context",
    "vision score video --given": "--context",
    "vision score video --far": "--rollout-frames",
    "vision score video --far-clips": "--rollout-clips",
    "vision score video --apart": "--compare-actions",
}
"""Options of the command line, after their (new) verb: `"train --say-every": "--log-every"`."""

_OVERRIDE = re.compile(r"(?P<sign>\+\+|\+|~)?(?P<key>[^=]+)(?P<value>=.*)?", re.DOTALL)
_warned: set[str] = set()


def warn_renamed(old: str, new: str) -> None:
    """Warn of an old name, once in a process, in words that name the new one."""
    if old not in _warned:
        _warned.add(old)
        warnings.warn(f"'{old}' is now '{new}'; the old name will go in the next release", FutureWarning, stacklevel=3)


def rename_keys(values: Mapping[str, Any], where: str = "", warn: bool = True) -> dict[str, Any]:
    """Return a configuration, or the group `where` of one, under the new keys.

    Raises:
        ConfigError: It has an option under both names.
    """
    prefix = where and f"{where}."
    found = dict(values)
    for old, new in CONFIG_KEYS.items():
        if not old.startswith(prefix):
            continue
        head, _, key = old.removeprefix(prefix).rpartition(".")
        groups = [found]
        for name in filter(None, head.split(".")):
            inner = groups[-1].get(name)
            if not isinstance(inner, Mapping):
                break
            groups.append(dict(inner))
            groups[-2][name] = groups[-1]
        else:
            _rename(groups[-1], key, new.rpartition(".")[2], old, new, warn)
    return found


def _rename(group: dict[str, Any], old_key: str, new_key: str, old: str, new: str, warn: bool) -> None:
    if old_key not in group:
        return
    if new_key in group:
        raise _given_twice(old, new)
    if warn:
        warn_renamed(old, new)
    items = [(new_key if key == old_key else key, value) for key, value in group.items()]
    group.clear()
    group.update(items)


def rename_overrides(overrides: Sequence[str]) -> list[str]:
    """Return overrides of a configuration, such as `decoder.layers=20`, under the new keys.

    Raises:
        ConfigError: An option is given under both names.
    """
    matches = [match for match in map(_OVERRIDE.fullmatch, overrides) if match]
    given = {match["key"] for match in matches}
    renamed = []
    for text in overrides:
        match = _OVERRIDE.fullmatch(text)
        new = CONFIG_KEYS.get(match["key"]) if match else None
        if match is None or new is None:
            renamed.append(text)
            continue
        if new in given:
            raise _given_twice(match["key"], new)
        warn_renamed(match["key"], new)
        renamed.append(f"{match['sign'] or ''}{new}{match['value'] or ''}")
    return renamed


def rename_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of the command line, verbs and options under their new names."""
    renamed = [*arguments]
    for old, new in VERBS.items():
        words = old.split()
        if renamed[: len(words)] == words:
            warn_renamed(f"vqspeech {old}", f"vqspeech {new}")
            renamed[: len(words)] = new.split()
    for row, new in OPTIONS.items():
        *verbs, old = row.split()
        if renamed[: len(verbs)] != verbs:
            continue
        end = renamed.index("--") if "--" in renamed else len(renamed)
        for i in range(len(verbs), end):
            option, equals, value = renamed[i].partition("=")
            if option == old:
                warn_renamed(old, new)
                renamed[i] = f"{new}{equals}{value}"
    return renamed


def _given_twice(old: str, new: str) -> ConfigError:
    return ConfigError(f"'{old}' is the old name of '{new}', and both are given; give '{new}' alone")
