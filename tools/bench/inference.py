"""Encoding and dumping: seconds they take."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from speech import recordings, speech
from training import model_of

from vqspeech import audio
from vqspeech.data.dump import write_shards
from vqspeech.models.coder import Coder
from vqspeech.pretrained import list_models


def dump(seconds: float, rate: int, ending: str, with_world: bool, repeats: int) -> list[float]:
    """Return the seconds that each of several dumps of `seconds` of speech took, on one core."""
    torch.set_num_threads(1)
    times = []
    with tempfile.TemporaryDirectory() as folder:
        data = recordings(folder, seconds, rate, ending)
        write_shards(data.subset(per_speaker=1), Path(folder) / "shards", with_world)  # imports, file cache
        for _ in range(repeats):
            started = time.perf_counter()
            write_shards(data, Path(folder) / "shards", with_world)
            times.append(time.perf_counter() - started)
    return times


def _minutes(minutes: int) -> Iterator[np.ndarray]:
    one = speech(60.0, audio.RATE)
    for _ in range(minutes):
        yield one


def encode(name: str, minutes: int, threads: int, repeats: int) -> list[float]:
    """Return the seconds that encoding so many minutes took, each time.

    The model is the shipped one of that name, else that configuration with random weights.
    """
    torch.set_num_threads(threads)
    model: Coder = Coder.from_pretrained(name) if name in list_models() else model_of(name).eval()
    times = []
    if repeats > 1:
        model.encode(speech(20.0, audio.RATE))
    for _ in range(repeats):
        started = time.perf_counter()
        model.encode_blocks(_minutes(minutes))
        times.append(time.perf_counter() - started)
    return times
