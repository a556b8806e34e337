"""Shards by processes of this machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vqspeech.clusters import Call
from vqspeech.jobs import run_jobs


@dataclass(frozen=True)
class Cluster:
    """Processes of this machine; a shard whose process is killed is begun once more."""

    def run(self, call: Call, numbers: Sequence[int], nj: int, logs: Path) -> Iterator[tuple[int, str]]:
        """See `vqspeech.clusters.Cluster.run`."""
        for number, _, error in run_jobs(partial(call, 1), numbers, nj, "shards"):
            if error is not None:
                yield number, str(error)
