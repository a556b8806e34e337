"""Engines that run the shards of a work: processes of this machine, Slurm, Ray.

Each is a module with a class `Cluster`, made from its settings, whose `run` calls a function with numbers, wherever it
likes, and tells which calls failed. A shard that is there is not made again, so an engine may call twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from vqspeech.errors import ConfigError

CLUSTERS = ("local", "slurm", "ray")
"""The registry: each is the module `vqspeech.clusters.NAME`."""
Call = Callable[[int, int], Any]
"""Makes, by so many processes, the shard of a number."""
TRIES = 3
"""How often a shard is begun whose process or machine is lost."""


class Cluster(Protocol):
    """An engine."""

    def run(self, call: Call, numbers: Sequence[int], nj: int, logs: Path) -> Iterator[tuple[int, str]]:
        """Call a function with each number, and yield (number, reason) for those that failed.

        Args:
            call: The function; it pickles.
            numbers: The numbers.
            nj: Cores to use at once, or cores of a job.
            logs: Folder for what the processes print, where the engine keeps it.

        Raises:
            VqspeechError: The engine cannot be reached.
            MissingExtra: Its package is not installed.
        """
        ...


def load_cluster(name: str, options: Mapping[str, str]) -> Cluster:
    """Return an engine with its settings.

    Args:
        name: One of `CLUSTERS`.
        options: Values of settings, as text.

    Raises:
        ConfigError: A setting is unknown, or its value is of another type.
    """
    made = import_module(f"vqspeech.clusters.{name}").Cluster
    kinds = {field.name: field.type for field in fields(made)}
    unknown = sorted(options.keys() - kinds.keys())
    if unknown:
        known = f"has {', '.join(kinds)}" if kinds else "has no settings"
        raise ConfigError(f"--cluster-option {unknown[0]}: {name} {known}")
    values: dict[str, Any] = {}
    for key, text in options.items():
        try:
            values[key] = kinds[key](text)  # pyright: ignore[reportCallIssue]
        except ValueError:
            raise ConfigError(f"--cluster-option {key}={text}: give a number") from None
    return made(**values)
