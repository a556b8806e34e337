"""The state that a training resumes from, `last.safetensors`: only with the same model, data and settings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vqspeech.errors import ConfigError, VqspeechError
from vqspeech.models import checkpoint
from vqspeech.training.task import CHANGEABLE, Task

_FIX = "--restart trains from the start; or choose another --out"


class State(NamedTuple):
    """A training at a step: its tensors by the names of a checkpoint, and the header."""

    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any]


def describe_run(task: Task, processes: int, precision: str) -> dict[str, Any]:
    """Return the description of a run in a header: settings, hashes of the data, and where it runs."""
    return {
        **task.model.metadata,
        "training": dict(task.options),
        "sources": dict(task.sources),
        "processes": processes,
        "precision": precision,
        "torch": torch.__version__,
    }


def read_state(path: Path, run: Mapping[str, Any], task: Task) -> State:
    """Read the state that a training resumes from.

    Args:
        path: The checkpoint.
        run: Description of this run, as `describe_run` returns it.
        task: The task.

    Raises:
        CheckpointError: The file is damaged.
        ConfigError: It is of another model, other data or other settings, or past the last step.
    """
    tensors, about = checkpoint.read(path)
    for key, value in task.model.metadata.items():
        different = _difference(about.get(key), value, "" if key == "config" else key)
        if different:
            raise ConfigError(f"{path}: is of another model, {different}; {_FIX}")
    for name, value in about.get("sources", {}).items():
        if run["sources"].get(name, value) != value:
            raise ConfigError(f"{path}: has learned from other data, {name} is not what it was; {_FIX}")
    fixed = task.training.fields.keys() - set(task.training.names_with(CHANGEABLE)) - {"batch", "accumulate"}
    old, new = about.get("training", {}), run["training"]
    for name in sorted(fixed & old.keys() & new.keys()):
        different = _difference(old[name], new[name], f"training.{name}")
        if different:
            raise ConfigError(f"{path}: was trained with other settings, {different}; {_FIX}")
    _compare_updates(path, old, new, about.get("processes", run["processes"]), run["processes"])
    step, planned, steps = about["step"], old.get("steps", about["step"]), new["steps"]
    if steps < step or (steps == step and planned != steps):
        raise ConfigError(
            f"{path}: has come to step {step} of {planned}, which is not the end of training.steps={steps}; give more "
            f"than {step} steps to go on; {_FIX}"
        )
    return State(tensors, about)


def share_state(read: Callable[[], State | None]) -> State | None:
    """Return the state that the first process reads, in all processes, which may be on other machines.

    Args:
        read: Reads the state; called by the first process alone.

    Raises:
        VqspeechError: What `read` raised, in all processes.
    """
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        return read()
    found: list[State | VqspeechError | None] = [None]
    if torch.distributed.get_rank() == 0:
        try:
            found = [read()]
        except VqspeechError as error:
            found = [error]
    torch.distributed.broadcast_object_list(found)
    [state] = found
    if isinstance(state, VqspeechError):
        raise state
    return state


def list_changes(old: Mapping[str, Any], run: Mapping[str, Any]) -> list[str]:
    """Return in words what differs in a resumed training and changes its losses in their last digits."""
    names = {"precision": "precision", "processes": "number of processes", "torch": "version of torch"}
    return [
        f"{what} was {old[key]}, is {run[key]}"
        for key, what in names.items()
        if key in old and str(old[key]) != str(run[key])
    ]


def _compare_updates(path: Path, old: Mapping[str, Any], new: Mapping[str, Any], before: int, now: int) -> None:
    """Raise `ConfigError` where an update has more or fewer items than before, over all processes."""
    if not {"batch", "accumulate"} <= old.keys() & new.keys():
        return
    items, wanted = (one["batch"] * one["accumulate"] * n for one, n in ((new, now), (old, before)))
    if items != wanted:
        a_part = new["batch"] * now
        advice = "" if wanted % a_part else f"give training.accumulate={wanted // a_part}; or "
        raise ConfigError(
            f"{path}: was trained with {wanted} items an update (training.batch={old['batch']}, "
            f"training.accumulate={old['accumulate']}, {before} process(es)), not {items}; {advice}{_FIX}"
        )


def _difference(old: Any, new: Any, where: str) -> str:
    """Return the first key whose values differ, in words; empty where there is none."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = dict.fromkeys([*new, *old])
        found = (_difference(old.get(key), new.get(key), f"{where}.{key}".lstrip(".")) for key in keys)
        return next((one for one in found if one), "")
    if old == new:
        return ""
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)) and len(str(new)) > 60:
        return f"{where} has {len(new)} entries, had {len(old)}" if len(old) != len(new) else f"{where} has others"
    return f"{where} was {_shown(old)}, is {_shown(new)}"


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)
