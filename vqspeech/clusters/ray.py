"""Shards by actors of Ray, which keep a model from one shard to the next: https://docs.ray.io."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vqspeech.clusters import TRIES, Call
from vqspeech.errors import VqspeechError
from vqspeech.extras import import_extra
from vqspeech.jobs import attempt
from vqspeech.signals import keep_handlers


class _Worker:
    """An actor: makes shards, one after the other."""

    def __init__(self, call: Call):
        self.call = call

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        errors = [attempt(partial(self.call, 1), int(number))[1] for number in batch["number"]]
        return {"number": batch["number"], "reason": ["" if error is None else str(error) for error in errors]}


@dataclass(frozen=True)
class Cluster:
    """Actors on the nodes of a Ray cluster, or of this machine.

    An actor that is killed or lost with its node is started elsewhere, and its shard with it. The folder of the shards
    must be one that all nodes share.

    Attributes:
        address: Of the cluster, such as `auto` or `ray://HOST:10001`; empty: $RAY_ADDRESS, else this machine.
        actors: Actors at most; 0: as many as the cluster has cores.
        cores: Cores of an actor.
        gigabytes: Memory that is reserved for an actor.
    """

    address: str = ""
    actors: int = 0
    cores: float = 1.0
    gigabytes: float = 0.0

    def run(self, call: Call, numbers: Sequence[int], nj: int, logs: Path) -> Iterator[tuple[int, str]]:
        """See `vqspeech.clusters.Cluster.run`."""
        ray = import_extra("ray", "ray")
        data = import_extra("ray.data", "ray")
        begun = not ray.is_initialized()
        try:
            if begun:
                with keep_handlers():
                    ray.init(address=self.address or None, log_to_driver=True)
        except ConnectionError as error:
            raise VqspeechError(f"--cluster ray: no cluster at {self.address or 'this machine'} ({error})") from None
        try:
            left = list(numbers)
            for tried in range(1, TRIES + 1):
                try:
                    for number, reason in self._run(ray, data, call, left):
                        left.remove(number)
                        if reason:
                            yield number, reason
                    break
                except ray.exceptions.RayError as error:  # more was lost than Ray could begin again by itself
                    if tried == TRIES:
                        yield from ((number, str(error).strip().splitlines()[-1]) for number in left)
        finally:
            if begun:
                ray.shutdown()

    def _run(self, ray: Any, data: Any, call: Call, numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Yield each number when it is done, with the reason where it failed."""
        cores = int(ray.cluster_resources().get("CPU", 1) // self.cores)
        most = max(1, min(len(numbers), self.actors or cores))
        data.DataContext.get_current().enable_progress_bars = False
        memory = {"memory": self.gigabytes * 2**30} if self.gigabytes else {}
        rows = data.from_items([{"number": number} for number in numbers], override_num_blocks=len(numbers))
        done = rows.map_batches(
            _Worker,
            fn_constructor_args=(call,),
            batch_size=1,
            compute=data.ActorPoolStrategy(min_size=1, max_size=most, initial_size=most),
            num_cpus=self.cores,
            max_restarts=-1,
            max_task_retries=TRIES,
            **memory,
        )
        for row in done.iter_rows():
            yield int(row["number"]), row["reason"]
