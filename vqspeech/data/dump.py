"""Shards: normalised audio and, optionally, WORLD frames of a data directory, memory-mapped, which training reads.

    SHARDS/index.json        version, rate, numbers of utterances and samples, known genders of the speakers, the files
                             of each shard (relative, or absolute where one is elsewhere), hash of all samples
    SHARDS/utterances.safetensors    utterance, speaker, shard, first sample, samples, in columns (`dump_index`)
    SHARDS/audio.000.s16     samples (int16, little-endian) of `loudness.normalise`, utterances one after the other,
                             each padded with silence to whole 10 ms frames
    SHARDS/world.000.f16     WORLD frames (frames, channels), frame i of an utterance at its first sample / FRAME + i

The index is written last, so that an interrupted dump is recognised. Dumps of version 2, whose rows are lines of
utterances.tsv, are read as well.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from vqspeech import audio, loudness, world
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.dump_index import (
    TABLE,
    TEXT_TABLE,
    Categories,
    Maps,
    Names,
    Table,
    join_tables,
    make_table,
    read_table,
    write_table,
)
from vqspeech.errors import ConfigError, ShardError
from vqspeech.files import hash_file_sample, link_file, replace_file, write_text
from vqspeech.jobs import Skipped, run_jobs
from vqspeech.schema import Length, Options, Range
from vqspeech.storage import fetch_folder, sort_by_place

VERSION = 3
_READABLE = (2, VERSION)
_SAMPLE = np.dtype("<i2")
SHARD_SAMPLES = 1 << 29
"""Largest number of samples in a shard (about 9 hours), unless one utterance has more."""


@dataclass(frozen=True)
class Shards:
    """A memory-mapped dump: utterance `i` has `samples(i)`, and `world(i)` if the dump has WORLD frames.

    Attributes:
        path: The folder.
        utterances: Ids.
        speakers: Speaker of each utterance.
        shard: int64 `(utterances,)`, number of its shard.
        first: int64 `(utterances,)`, its first sample there.
        length: int64 `(utterances,)`, its samples.
        audio_maps: int16 `(samples,)` of each shard.
        world_maps: float16 `(frames, channels)` of each shard; empty without WORLD frames.
        genders: Gender by speaker, as far as known.
        sha256: Hash of all samples and frames; empty in older dumps.
    """

    path: Path
    utterances: Sequence[str]
    speakers: Sequence[str]
    shard: np.ndarray
    first: np.ndarray
    length: np.ndarray
    audio_maps: Sequence[np.ndarray]
    world_maps: Sequence[np.ndarray]
    genders: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.utterances)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that training sees of a dump: utterances, speakers, lengths, samples and frames."""
        digest = hashlib.sha256()
        between = ""
        for part in _batch([self.utterances, [""], self.speakers]):
            digest.update((between + "\n".join(part)).encode())
            between = "\n"
        digest.update(self.length.tobytes())
        if self.sha256:
            digest.update(self.sha256.encode())
        else:  # an older dump
            for one in (*self.audio_maps, *self.world_maps):
                file = getattr(one, "filename", None)
                digest.update(hash_file_sample(file).encode() if file else one.tobytes())
        return digest.hexdigest()

    @property
    def seconds(self) -> float:
        """Total length of the utterances."""
        return float(self.length.sum()) / audio.RATE

    def samples(self, i: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return normalised samples `start` to `stop` of utterance `i`: int16 `(samples,)`."""
        stop = int(self.length[i]) if stop is None else min(stop, int(self.length[i]))
        return self.audio_maps[self.shard[i]][self.first[i] + start : self.first[i] + stop]

    def world(self, i: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return WORLD frames `start` to `stop` of utterance `i`: float16 `(frames, channels)`."""
        first, frames = int(self.first[i]) // world.FRAME, world.count_frames(int(self.length[i]))
        return self.world_maps[self.shard[i]][first + start : first + (frames if stop is None else min(stop, frames))]


@dataclass(frozen=True)
class _Files:
    audio: str
    world: str = ""


@dataclass(frozen=True)
class _Index:
    shards: Annotated[Sequence[Annotated[Mapping[str, str], Options(_Files, allow_unknown=True)]], Length(1, 1_000_000)]
    utterances: Annotated[int, Range(1, 1 << 62)] = 1
    samples: Annotated[int, Range(1, 1 << 62)] = 1
    genders: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""


_INDEX = Options(_Index, allow_unknown=True)


def read_shards(path: str | Path) -> Shards:
    """Return the dump in a folder; of a URL, that of its copy in the cache.

    Raises:
        ShardError: It is missing, incomplete, damaged, or of another version.
        StorageError: The URL cannot be read.
    """
    path = fetch_folder(path)
    try:
        index = json.loads((path / "index.json").read_text(encoding="utf-8"))
        version = index["version"]
        if index["format"] != "vqspeech-shards" or version not in _READABLE:
            raise ShardError(f"{path}: a dump of version {version}, not {VERSION}; run `vqspeech dump` again")
        index = _INDEX.check("index.json", index)
        table = read_table(path, version)
        files = index["shards"]
        audio_maps = Maps([path / file["audio"] for file in files], _SAMPLE)
        world_files = [path / file["world"] for file in files if "world" in file]
        world_maps = Maps(world_files, np.dtype(np.float16), world.CHANNELS)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ShardError(
            f"{path}: no complete dump here ({Path(error.filename).name} is missing); run `vqspeech dump` (again)"
        ) from None
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError, ConfigError) as error:
        raise ShardError(f"{path}: the dump is damaged ({error}); run `vqspeech dump` again") from None
    names, speakers, shard, first, length = table
    counted, samples = index.get("utterances", len(names)), index.get("samples", length.sum())
    if not len(names) or len(names) != counted or length.sum() != samples:
        raise ShardError(f"{path}: its table of utterances is truncated or changed; run `vqspeech dump` again")
    if shard.min() < 0 or shard.max() >= len(files) or first.min() < 0 or length.min() < 1:
        raise ShardError(f"{path}: its table names samples that no shard has; run `vqspeech dump` again")
    if world_maps and len(world_maps) != len(files):
        raise ShardError(f"{path}: only some of its shards have WORLD frames; run `vqspeech dump` again")
    ends = np.zeros(len(files), dtype=np.int64)
    np.maximum.at(ends, shard, first + length)
    for i, (file, last) in enumerate(zip(files, ends.tolist(), strict=True)):
        if last > audio_maps.lengths[i]:
            raise ShardError(f"{path}: {file['audio']} is shorter than its index; run `vqspeech dump` again")
        if world_maps and world.count_frames(last) > world_maps.lengths[i]:
            raise ShardError(f"{path}: the WORLD frames of {file['audio']} are incomplete; run `vqspeech dump` again")
    genders, sha256 = index.get("genders", {}), index.get("sha256", "")
    return Shards(path, names, speakers, shard, first, length, audio_maps, world_maps, genders, sha256)


def _batch(parts: Sequence[Iterable[str]], size: int = 1 << 16) -> Iterator[list[str]]:
    """Yield all strings of several sequences in lists of `size`."""
    strings = chain.from_iterable(parts)
    while some := list(islice(strings, size)):
        yield some


def _analyse(with_world: bool, utterance: Utterance) -> tuple[np.ndarray, np.ndarray | None]:
    blocks = audio.read_audible_blocks(utterance.path, utterance.start, utterance.end)
    samples = loudness.normalise(blocks).samples
    frames = world.analyse(loudness.to_float(samples)).astype(np.float16) if with_world else None
    return np.pad(samples, (0, -len(samples) % world.FRAME)), frames


def write_shards(
    data: DataDir,
    path: str | Path,
    with_world: bool = False,
    nj: int = 1,
    shard_samples: int = SHARD_SAMPLES,
    skipped: Skipped | None = None,
) -> tuple[Shards, Skipped]:
    """Write the dump of a data directory.

    Args:
        data: The utterances.
        path: The folder.
        with_world: Analyse WORLD frames too.
        nj: Number of processes.
        shard_samples: Samples per shard.
        skipped: Where recordings that are skipped are recorded.

    Returns:
        The dump, and the recordings that were skipped, each with the reason.

    Raises:
        ShardError: No recording at all could be used.
    """
    path, skipped = Path(path), Skipped() if skipped is None else skipped
    _clear(path)
    rows: list[tuple[str, str, int, int, int]] = []
    files: list[dict[str, str]] = []
    digest = hashlib.sha256()

    def dumped() -> Iterator[tuple[Utterance, np.ndarray, np.ndarray | None]]:
        ordered = sort_by_place(data, lambda one: one.path)
        for utterance, result, error in run_jobs(partial(_analyse, with_world), ordered, nj, "dump"):
            if error is None:
                yield utterance, *result
            else:
                skipped.add(utterance.id, error)

    results = dumped()
    pending = next(results, None)
    while pending is not None:
        names = {"audio": f"audio.{len(files):03d}.s16"} | (
            {"world": f"world.{len(files):03d}.f16"} if with_world else {}
        )
        first = 0
        with replace_file(path / names["audio"]) as audio_path, open(audio_path, "wb") as audio_file:
            frame_parts: list[bytes] = []
            while pending is not None and (not first or first + len(pending[1]) <= shard_samples):
                utterance, wave, frames = pending
                audio_file.write(wave.astype(_SAMPLE).tobytes())
                digest.update(wave.astype(_SAMPLE).tobytes())
                if frames is not None:
                    frame_parts.append(frames.tobytes())
                    digest.update(frame_parts[-1])
                rows.append((utterance.id, utterance.speaker, len(files), first, len(wave)))
                first += len(wave)
                pending = next(results, None)
        if with_world:
            with replace_file(path / names["world"]) as world_path:
                world_path.write_bytes(b"".join(frame_parts))
        files.append(names)
    if not rows:
        raise ShardError(f"{path}: none of {len(data)} recordings could be dumped; see the reasons above")
    genders = {name: some[0].gender for name, some in data.by_speaker.items() if some[0].gender}
    _write_index(path, files, make_table(rows), digest.hexdigest(), genders)
    return read_shards(path), skipped


def join_dumps(paths: Sequence[Path], out: Path) -> Shards:
    """Join dumps, one after the other; all samples are read once, and compared with the hash of their dump.

    Args:
        paths: The dumps.
        out: Folder of the result, which shares its files with them where the disk can link.

    Raises:
        ShardError: A dump is damaged, or there is none.
    """
    if not paths:
        raise ShardError(f"{out}: no dumps to join; see why everything was skipped")
    _clear(out)
    files: list[dict[str, str]] = []
    tables: list[Table] = []
    offsets: list[int] = []
    genders: dict[str, str] = {}
    digest = hashlib.sha256()
    for path in paths:
        dump = read_shards(path)
        offsets.append(len(files))
        _update_digests(dump, digest)
        for i in range(len(dump.audio_maps)):
            names = {"audio": f"audio.{len(files):03d}.s16"}
            link_file(path / f"audio.{i:03d}.s16", out / names["audio"])
            if dump.world_maps:
                names["world"] = f"world.{len(files):03d}.f16"
                link_file(path / f"world.{i:03d}.f16", out / names["world"])
            files.append(names)
        names, speakers = Names.pack(dump.utterances), Categories.pack(dump.speakers)
        tables.append(Table(names, speakers, dump.shard, dump.first, dump.length))
        genders |= dump.genders
    _write_index(out, files, join_tables(tables, offsets), digest.hexdigest(), genders)
    return read_shards(out)


def _update_digests(dump: Shards, digest: Any) -> None:
    """Add samples and frames of a dump to a hash; raise `ShardError` where they are not those it was written with."""
    own = hashlib.sha256()
    for i in range(len(dump)):
        for part in (dump.samples(i), *([dump.world(i)] if dump.world_maps else [])):
            content = part.tobytes()
            own.update(content)
            digest.update(content)
    if own.hexdigest() != dump.sha256:
        raise ShardError(f"{dump.path}: its samples are not as they were written; make the shard again")


def _clear(path: Path) -> None:
    """Make the folder of a dump, and remove an older dump there and what a killed one left."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "index.json").unlink(missing_ok=True)
    (path / TABLE).unlink(missing_ok=True)
    (path / TEXT_TABLE).unlink(missing_ok=True)
    for kind in ("audio.*.u8", "audio.*.s16", "world.*.f16", "statistics.*"):
        for old in [*path.glob(kind), *path.glob(f".{kind}.*.tmp.*")]:
            old.unlink()


def _write_index(
    path: Path,
    files: Sequence[Mapping[str, str]],
    table: Table,
    sha256: str,
    genders: Mapping[str, str | None],
) -> None:
    write_table(path, table)
    index = {"format": "vqspeech-shards", "version": VERSION, "rate": audio.RATE, "shards": files}
    index |= {
        "utterances": len(table.utterances),
        "samples": int(table.length.sum()),
        "sha256": sha256,
        "genders": genders,
    }
    write_text(path / "index.json", json.dumps(index, indent=1) + "\n")


def list_speakers(dumps: Sequence[Shards]) -> list[str]:
    """Return all speakers of several dumps, sorted, each once."""
    return sorted({speaker for dump in dumps for speaker in Categories.pack(dump.speakers).names})
