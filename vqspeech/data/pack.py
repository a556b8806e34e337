"""A pack: speech, speakers and F0 in two small files, for training on a machine without the corpora.

    PACK/audio.ogg    recordings, each a whole Ogg Opus file of 16 kHz mono, one after the other
    PACK/index.npz    for each utterance: id, speaker, set, bytes and samples; F0 in cents, delta coded

The bytes of a recording that is 16 kHz mono Opus already are copied, so that nothing is coded twice.
"""

import io
import multiprocessing
import os
import random
import zipfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from vqspeech import audio, loudness, world
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import ShardError
from vqspeech.files import replace_file
from vqspeech.jobs import Skipped, run_jobs
from vqspeech.storage import read_file

STEP = 640
"""Samples; utterances are padded with silence to whole multiples."""
_COMPRESSION = 0.93  # of libsndfile's Opus: about 23 kbit/s
_AUDIO, _INDEX = "audio.ogg", "index.npz"
_PEAK = 0.7  # the level at which F0 is tracked


@dataclass(frozen=True)
class Pack:
    """A pack, decoded.

    Attributes:
        utterances: Ids.
        speakers: Speaker of each utterance.
        sets: Set of each utterance ("train" or "dev").
        samples: int16 `(time,)`, all utterances as `loudness.normalise` gives them, one after the other.
        f0: float32 `(time / world.FRAME,)` in Hz, 0 where unvoiced.
        starts: First sample of each utterance, a multiple of `STEP`.
        lengths: Samples of each utterance, without padding.
    """

    utterances: list[str]
    speakers: list[str]
    sets: list[str]
    samples: np.ndarray
    f0: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def seconds(self) -> float:
        """Total length of the utterances, without padding."""
        return float(self.lengths.sum()) / audio.RATE

    def wave(self, i: int) -> np.ndarray:
        """Return the waveform of utterance `i`: float32 `(samples,)` in [-1, 1]."""
        return self.samples[self.starts[i] :][: self.lengths[i]].astype(np.float32) / 32768

    def pitch(self, i: int) -> np.ndarray:
        """Return F0 of utterance `i` in Hz, 0 where unvoiced: float32 `(frames,)`."""
        return self.f0[self.starts[i] // world.FRAME :][: world.count_frames(int(self.lengths[i]))]

    def select(self, name: str) -> np.ndarray:
        """Return the indices of the utterances of a set ("train" or "dev")."""
        return np.flatnonzero(np.array(self.sets) == name)


def write_pack(
    train: DataDir, dev: DataDir, path: str | Path, mebibytes: float = 57.0, nj: int = 1, seed: int = 0
) -> Skipped:
    """Write a pack of limited size; return the recordings that could not be used, each with the reason.

    Where not everything fits, the speakers of `train` with most speech lose utterances; those of `dev` stay.

    Args:
        train: Utterances of the set "train".
        dev: Utterances of the set "dev".
        path: The folder.
        mebibytes: Size at most.
        nj: Number of processes.
        seed: Of the choice of utterances.

    Raises:
        ShardError: No recording could be used.
    """
    items = [(utterance, name) for name, data in (("train", train), ("dev", dev)) for utterance in data]
    ready: list[_Item] = []
    skipped = Skipped()
    for (utterance, name), result, error in run_jobs(_encode, items, nj, "pack"):
        if error is None:
            ready.append(_Item(name, utterance.id, utterance.speaker, *result))
        else:
            skipped.add(utterance.id, error)
    if not ready:
        raise ShardError(f"{path}: no recording could be packed; the reasons are above")
    _write(Path(path), _choose_items(ready, mebibytes, seed))
    return skipped


def shrink_pack(pack: str | Path, path: str | Path, mebibytes: float, seed: int = 0) -> None:
    """Write the part of a pack that fits into `mebibytes`, chosen as by `write_pack`.

    Raises:
        ShardError: The pack is missing or damaged.
    """
    _write(Path(path), _choose_items(_read(Path(pack)), mebibytes, seed))


class _Item(NamedTuple):
    name: str
    utterance: str
    speaker: str
    data: bytes
    samples: int
    cents: np.ndarray


def _choose_items(items: Sequence[_Item], mebibytes: float, seed: int) -> list[_Item]:
    """Return the items that fit, in order."""
    items = list(items)
    random.Random(seed).shuffle(items)
    # Rank each utterance by what its speaker has without it: speakers with little speech keep all of it.
    seconds: dict[str, float] = {}
    ranks: list[tuple[float, int]] = []
    for i, item in enumerate(items):
        before = seconds.get(item.speaker, 0.0)
        seconds[item.speaker] = before + item.samples / audio.RATE
        ranks.append((before if item.name == "train" else -1.0, i))
    room = mebibytes * 2**20
    kept: list[_Item] = []
    for _, i in sorted(ranks):
        room -= len(items[i].data) + _BYTES_A_FRAME * len(items[i].cents)
        if room < 0:
            break
        kept.append(items[i])
    return sorted(kept, key=lambda item: (item.name, item.utterance))


def _write(folder: Path, items: Sequence[_Item]) -> None:
    with replace_file(folder / _AUDIO) as temporary:
        temporary.write_bytes(b"".join(item.data for item in items))
    with replace_file(folder / _INDEX) as temporary:
        np.savez_compressed(
            temporary,
            utterances=np.array([item.utterance for item in items]),
            speakers=np.array([item.speaker for item in items]),
            sets=np.array([item.name for item in items]),
            sizes=np.array([len(item.data) for item in items]),
            lengths=np.array([item.samples for item in items]),
            cents=np.diff(np.concatenate([item.cents for item in items]), prepend=np.int16(0)),
        )


_BYTES_A_FRAME = 0.9  # of F0, delta coded and deflated, at most


def read_pack(path: str | Path, nj: int | None = None) -> Pack:
    """Return the pack in a folder, its recordings decoded by `nj` processes (None: one per core).

    Raises:
        ShardError: One of its files is missing or damaged.
    """
    items = _read(Path(path))
    lengths = np.array([item.samples for item in items])
    filled = -(-lengths // STEP) * STEP
    starts = np.concatenate([[0], np.cumsum(filled)[:-1]])
    jobs = [(item.data, item.samples) for item in items]
    samples = np.zeros(int(filled.sum()), dtype=np.int16)
    nj = nj or os.cpu_count() or 1
    with ProcessPoolExecutor(nj, mp_context=multiprocessing.get_context("spawn")) as pool:
        waves = pool.map(_decode_normalised, jobs, chunksize=16)
        for start, wave in zip(starts, waves, strict=True):
            samples[start : start + len(wave)] = wave
    f0 = np.zeros(len(samples) // world.FRAME, dtype=np.float32)
    for start, item in zip(starts, items, strict=True):
        hertz = world.LOWEST_F0 * 2 ** ((item.cents.astype(np.float32) - 1) / 1200)
        f0[start // world.FRAME :][: len(item.cents)] = np.where(item.cents > 0, hertz, 0.0)
    utterances, speakers, sets = ([getattr(item, name) for item in items] for name in ("utterance", "speaker", "name"))
    return Pack(utterances, speakers, sets, samples, f0, starts, lengths)


def _read(folder: Path) -> list[_Item]:
    try:
        with np.load(folder / _INDEX) as index:
            utterances, speakers, sets = (index[name].tolist() for name in ("utterances", "speakers", "sets"))
            sizes, lengths = index["sizes"].tolist(), index["lengths"].tolist()
            cents = np.cumsum(index["cents"], dtype=np.int16)
        data = (folder / _AUDIO).read_bytes()
    except FileNotFoundError as error:
        raise ShardError(f"{error.filename}: missing; make the pack again") from None
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ShardError(f"{folder}: the pack is damaged ({error}); make it again") from None
    ends = np.cumsum([0, *sizes])
    frames = np.cumsum([0, *(world.count_frames(length) for length in lengths)])
    if ends[-1] != len(data) or frames[-1] != len(cents):
        raise ShardError(f"{folder}: the files belong to different packs; make it again")
    parts = [data[first:last] for first, last in pairwise(ends)]
    contours = [cents[first:last] for first, last in pairwise(frames)]
    return [_Item(*one) for one in zip(sets, utterances, speakers, parts, lengths, contours, strict=True)]


def _encode(item: tuple[Utterance, str]) -> tuple[bytes, int, np.ndarray]:
    """Return Opus bytes, number of samples, and F0 in cents above `world.LOWEST_F0` plus one (0: unvoiced)."""
    utterance, _ = item
    wave = audio.read_waveform(utterance.path, utterance.start, utterance.end)
    header = audio.info(utterance.path)
    whole = utterance.start == 0 and utterance.end is None
    if whole and utterance.path.endswith(".opus") and (header.rate, header.channels) == (audio.RATE, 1):
        data = read_file(utterance.path)
    else:
        buffer = io.BytesIO()
        with soundfile.SoundFile(
            buffer, "w", audio.RATE, 1, format="OGG", subtype="OPUS", compression_level=_COMPRESSION
        ) as file:
            file.write(wave)
        data = buffer.getvalue()
        wave = _decode((data, len(wave))).astype(np.float32) / 32768
    wave = wave - wave.mean()
    f0 = np.exp(world.extract_log_f0(wave * (_PEAK / max(1e-6, np.abs(wave).max()))))
    cents = np.round(1200 * np.log2(np.maximum(f0, world.LOWEST_F0) / world.LOWEST_F0)) + 1
    return data, len(wave), np.where(f0 > 1, cents, 0).astype(np.int16)


def _decode_normalised(job: tuple[bytes, int]) -> np.ndarray:
    return loudness.normalise(_decode(job).astype(np.float32) / 32768).samples


def _decode(job: tuple[bytes, int]) -> np.ndarray:
    data, length = job
    wave = soundfile.read(io.BytesIO(data), dtype="int16")[0][:length]
    return np.pad(wave, (0, length - len(wave)))
