"""Recordings said again by WORLD with other spectral envelopes, and how close they come to the original."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from vqspeech import audio, loudness, world
from vqspeech.data.dump import Shards
from vqspeech.data.envelopes import require_world
from vqspeech.metrics.measures.quality import pesq, stoi

SECONDS = 5.0
"""Length that the recordings chosen come close to."""


class Resynthesis(NamedTuple):
    """A recording and its WORLD copy.

    Attributes:
        name: Of the utterance.
        frames: WORLD frames, float32 `(frames, CHANNELS)`.
        recording: Its waveform as the dump holds it (8-bit µ-law), float32 `(samples,)`.
        copy: The resynthesis of its own frames, float32 `(samples,)`.
    """

    name: str
    frames: np.ndarray
    recording: np.ndarray
    copy: np.ndarray


class Quality(NamedTuple):
    """Wide-band PESQ and STOI, means over recordings, against the WORLD copies and against the recordings."""

    pesq_copy: float
    pesq_recording: float
    stoi_copy: float
    stoi_recording: float


def resynthesise_recordings(dump: Shards, number: int) -> list[Resynthesis]:
    """Return `number` recordings of a dump with their WORLD copies.

    One per speaker in turn, those nearest to `SECONDS` first.

    Raises:
        ShardError: The dump has no WORLD frames.
    """
    require_world(dump)
    off = np.abs(dump.length / audio.RATE - SECONDS)
    by_speaker = {
        name: sorted((i for i, one in enumerate(dump.speakers) if one == name), key=lambda i: off[i])
        for name in sorted(set(dump.speakers))
    }
    turns = [some[turn] for turn in range(len(dump)) for some in by_speaker.values() if turn < len(some)]
    found = []
    for i in turns[:number]:
        frames = dump.world(i).astype(np.float32)
        found.append(
            Resynthesis(dump.utterances[i], frames, loudness.to_float(dump.samples(i)), world.synthesise(frames))
        )
    return found


def measure_resynthesis(
    recordings: Sequence[Resynthesis], changed: Callable[[np.ndarray], np.ndarray] | None = None
) -> Quality:
    """Return the quality of recordings resynthesised from `changed(frames)`; without it, of their WORLD copies.

    Raises:
        AudioError: One of them has no speech.
        MissingExtra: PESQ or STOI is not installed.
    """
    found = []
    for one in recordings:
        wave = one.copy if changed is None else world.synthesise(changed(one.frames))
        found.append([measure(other, wave) for measure in (pesq, stoi) for other in (one.copy, one.recording)])
    return Quality(*(float(value) for value in np.mean(found, axis=0)))
