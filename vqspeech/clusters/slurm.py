"""Shards by a job array of Slurm, through submitit: https://github.com/facebookincubator/submitit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqspeech.clusters import TRIES, Call
from vqspeech.errors import ConfigError
from vqspeech.extras import import_extra

_EXECUTORS = ("slurm", "local", "debug")


class _Call:
    """A call that Slurm may preempt, or stop at its time limit: it is submitted again."""

    def __init__(self, call: Call, nj: int):
        self.call, self.nj = call, nj

    def __call__(self, number: int) -> Any:
        return self.call(self.nj, number)

    def checkpoint(self, number: int) -> Any:
        """Return what is submitted in place of a job that is stopped; called by submitit."""
        return import_extra("submitit", "slurm").helpers.DelayedSubmission(self, number)


@dataclass(frozen=True)
class Cluster:
    """A job array, a job a shard, `nj` cores a job.

    Jobs that are preempted, stopped at their time limit, or lost with their node are submitted again, `TRIES` times in
    all. Shards and logs must be in a folder that all nodes share.

    Attributes:
        partition: Partition of the cluster; empty: its default.
        account: Account of the user; empty: the default.
        minutes: Time limit of a job.
        gigabytes: Memory of a job.
        parallel: Jobs that run at once.
        executor: `slurm`, or submitit's stand-ins `local` (processes of this machine) and `debug` (this process).
    """

    partition: str = ""
    account: str = ""
    minutes: int = 120
    gigabytes: int = 4
    parallel: int = 100
    executor: str = "slurm"

    def __post_init__(self) -> None:
        if self.executor not in _EXECUTORS:
            raise ConfigError(f"--cluster-option executor={self.executor}: give one of {', '.join(_EXECUTORS)}")

    def run(self, call: Call, numbers: Sequence[int], nj: int, logs: Path) -> Iterator[tuple[int, str]]:
        """See `vqspeech.clusters.Cluster.run`."""
        executor = self._make_executor(nj, logs)
        left, reasons = list(numbers), dict[int, str]()
        for _ in range(TRIES):
            jobs = executor.map_array(_Call(call, nj), left)
            reasons = {}
            for number, job in zip(left, jobs, strict=True):
                error = job.exception()
                if error is not None:
                    # The end of the traceback, without what submitit adds.
                    lines = str(error).partition("You can check full logs")[0].splitlines()
                    told = [line for line in lines if line.strip("-\t ")] or [repr(error)]
                    reasons[number] = f"{told[-1].strip()} (logs in {logs})"
            left = list(reasons)
            if not left:
                return
        yield from reasons.items()

    def _make_executor(self, nj: int, logs: Path) -> Any:
        submitit = import_extra("submitit", "slurm")
        if self.executor == "slurm" and submitit.SlurmExecutor.affinity() < 1:
            raise ConfigError(
                "--cluster slurm: no program srun here; run it on a node that submits jobs, or use --cluster local"
            )
        executor = submitit.AutoExecutor(logs, cluster=self.executor)
        executor.update_parameters(
            name="vqspeech", timeout_min=self.minutes, mem_gb=self.gigabytes, cpus_per_task=nj, tasks_per_node=1
        )
        further = {"partition": self.partition, "account": self.account}
        executor.update_parameters(
            slurm_array_parallelism=self.parallel, **{f"slurm_{key}": value for key, value in further.items() if value}
        )
        return executor
