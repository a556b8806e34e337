"""Shards of a work: a share of its utterances each, made by a process of its own, and joined once all are there.

    OUT.shards/3-of-8/manifest.json    what the shard holds: utterances, seconds, what was skipped and why, hashes
    OUT.shards/3-of-8/OUT              the output of the verb for these utterances

The utterances, in the order of their ids, are divided into runs of about as many seconds. A shard takes its name when
it is whole. Two processes that make the same shard at once do the work twice, and one of the two shards stays. OUT may
be a URL, to which shards are uploaded.
"""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import ShardError, StorageError
from vqspeech.files import hash_file, temporary_folder, write_text
from vqspeech.jobs import Skipped
from vqspeech.publishing import copy_output
from vqspeech.storage import find_cache_top, find_file, is_remote, list_folders, read_file, require_uploaded

MANIFEST = "manifest.json"
"""Name of the file that states what a shard holds."""
OBSERVED = "observed.jsonl"
"""Name of the file of a shard of a score: what was read of each utterance."""
_FORMAT, _VERSION = "vqspeech-shard", 1
_HASHED = 1 << 26
"""Bytes up to which a file of a shard is hashed; of a larger one, a dump with a hash of its own, the size is noted."""
_OWN_HASH = "manifest_sha256"
_NAME = re.compile(r"(\d+)-of-(\d+)")


@dataclass(frozen=True, order=True)
class Shard:
    """One of `count` shards; `number` is from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True)
class Manifest:
    """What a shard holds.

    Attributes:
        shard: Its number and the number of shards.
        run: What all shards have in common: verb, options, hash of the model, hash of the ids of all utterances.
        inputs: Hash of the utterances of this shard, and of size and age of their files.
        ids: All its utterances, in order.
        seconds: Their lengths, 0 where unknown.
        done: Those of `ids` that are in the output.
        skipped: Why others are not, by name.
        files: Size and SHA-256 of the files of the output; the hash of a large one is empty.
    """

    shard: Shard
    run: Mapping[str, Any]
    inputs: str
    ids: Sequence[str]
    seconds: Sequence[float]
    done: Sequence[str]
    skipped: Mapping[str, str]
    files: Mapping[str, Sequence[Any]]


class AlreadyDone(Exception):
    """A shard that is there and was made of the same utterances in the same way."""

    def __init__(self, manifest: Manifest):
        super().__init__(manifest)
        self.manifest = manifest


@dataclass
class Share:
    """The share of the utterances that a process works on: all of them, or those of a shard.

    Attributes:
        shard: The shard; None: all.
        folder: Folder of the shard, or its URL.
        options: What its output depends on besides the utterances.
        skipped: What was skipped and why.
        chosen: The utterances that `select` chose.
        done: Ids of those in the output.
        run: See `Manifest`.
    """

    shard: Shard | None = None
    folder: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    skipped: Skipped = field(default_factory=Skipped)
    chosen: list[Utterance] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    run: Mapping[str, Any] = field(default_factory=dict)

    def select(self, utterances: Iterable[Utterance]) -> list[Utterance]:
        """Return the utterances of this share; of a data directory, no others are made.

        Raises:
            AlreadyDone: The shard is there, with the same utterances and options.
        """
        if self.shard is None:
            return list(utterances)
        if isinstance(utterances, DataDir):
            ids, lengths, take = utterances.utterances, utterances.lengths, utterances.take
        else:
            ordered = sorted(utterances, key=lambda one: one.id)
            ids, lengths = [one.id for one in ordered], [one.seconds or 0.0 for one in ordered]
            take = lambda first, last: ordered[first:last]  # noqa: E731
        self.run = {**self.options, "utterances": len(ids), "ids": hash_ids(ids)}
        ends = divide_evenly(lengths, self.shard.count)
        self.chosen = take(ends[self.shard.number - 1], ends[self.shard.number])
        try:
            require_uploaded(self.folder)
            before = read_manifest(self.folder)
        except (ShardError, StorageError):
            return self.chosen  # missing or damaged: made (again)
        if (before.shard, before.run, before.inputs) == (self.shard, self.run, _hash_inputs(self.chosen)):
            raise AlreadyDone(before)
        return self.chosen

    def is_all_skipped(self) -> bool:
        """Return whether nothing of a shard could be used, which is no failure of the work as a whole."""
        return self.shard is not None and len(self.skipped.reasons) >= len(self.chosen)


def divide_evenly(seconds: Sequence[float] | np.ndarray, count: int) -> list[int]:
    """Divide items into consecutive runs of about as many seconds.

    Args:
        seconds: Length of each item; 0 is unknown and counts as the mean of the others, or as 1.
        count: Number of runs.

    Returns:
        `count + 1` numbers: run `i` is from the item at `i` up to the one at `i + 1`.
    """
    weights = np.asarray(seconds, dtype=np.float64)
    known = weights[weights > 0]
    weights = np.where(weights > 0, weights, known.mean() if len(known) else 1.0)
    middles = np.cumsum(weights) - weights / 2
    edges = np.arange(1, count) * (weights.sum() / count)
    return [0, *np.searchsorted(middles, edges).tolist(), len(weights)]


def hash_ids(ids: Iterable[str]) -> str:
    """Return the SHA-256 of ids, one after the other."""
    digest, rest = hashlib.sha256(), iter(ids)
    while some := list(islice(rest, 1 << 16)):
        digest.update(("\n".join(some) + "\n").encode(errors="surrogateescape"))
    return digest.hexdigest()


def name_shards(out: str | os.PathLike[str]) -> str:
    """Return the folder of the shards of an output, or its URL."""
    return f"{os.fspath(out).rstrip('/')}.shards"


def name_shard(out: str | os.PathLike[str], shard: Shard) -> str:
    """Return the folder of one shard of an output, or its URL."""
    return f"{name_shards(out)}/{shard.number}-of-{shard.count}"


def locate_shards(out: str | os.PathLike[str]) -> Path:
    """Return the folder of the shards of an output on this machine."""
    return Path(name_shards(out))


@contextmanager
def fetch_shards(out: str) -> Iterator[str]:
    """Yield an output whose shards are on this machine: `out` itself, or one in the cache, until the block ends.

    Raises:
        StorageError: A shard is not whole, or cannot be read.
        ShardError: As the block raises it, with the URL in place of the cache.
    """
    if not is_remote(out):
        yield out
        return
    top = name_shards(out)
    with temporary_folder(find_cache_top() / f"shards-{uuid.uuid4().hex}") as folder:
        local = str(folder / out.rstrip("/").rpartition("/")[2])
        for name in list_folders(top):
            if _NAME.fullmatch(name):
                copy_output(f"{top}/{name}", locate_shards(local) / name)
        try:
            yield local
        except ShardError as error:
            raise ShardError(str(error).replace(local, out.rstrip("/"))) from None


def write_manifest(folder: Path, share: Share) -> Manifest:
    """Write what the shard in `folder` holds."""
    assert share.shard is not None
    files = {
        path.relative_to(folder).as_posix(): _describe_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    chosen = share.chosen
    manifest = Manifest(
        share.shard, share.run, _hash_inputs(chosen), [one.id for one in chosen],
        [one.seconds or 0.0 for one in chosen], sorted(share.done), share.skipped.reasons, files,
    )  # fmt: skip
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        **asdict(manifest),
        "shard": [share.shard.number, share.shard.count],
    }
    text = json.dumps({**content, _OWN_HASH: _hash_content(content)}, indent=1)
    write_text(folder / MANIFEST, text + "\n")
    return manifest


def read_manifest(folder: str | os.PathLike[str]) -> Manifest:
    """Return what a shard holds; its folder may be a URL.

    Raises:
        ShardError: Its manifest is missing, damaged, or of another version.
    """
    path = f"{os.fspath(folder)}/{MANIFEST}"
    try:
        content = json.loads(read_file(path))
        sha256 = content.pop(_OWN_HASH)
        if sha256 != _hash_content(content):
            raise ValueError("not as it was written")
        if (content.pop("format"), content.pop("version")) != (_FORMAT, _VERSION):
            raise ValueError("of another version")
        found = Manifest(**content | {"shard": Shard(*map(int, content["shard"]))})
        if not set(found.done) <= set(found.ids) or len(found.seconds) != len(found.ids):
            raise ValueError("contradicts itself")
    except (FileNotFoundError, NotADirectoryError):
        raise ShardError(f"{path}: missing; make the shard again") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ShardError(f"{path}: damaged ({error}); make the shard again") from None
    return found


def list_shards(out: str | os.PathLike[str]) -> dict[Path, Manifest]:
    """Return the shards of an output, in order, after a check that they are all there, whole, and of one kind.

    Every utterance of the work must be in one shard and in no other, and the files must be those that were written.

    Raises:
        ShardError: One is missing, damaged, or was made in another way or of other utterances than the rest.
    """
    top = locate_shards(out)
    named = {path: Shard(int(match[1]), int(match[2])) for path, match in _match_names(top)}
    if not named:
        raise ShardError(f"{top}: no shards; make them with the option --shard I/N of a verb")
    counts = sorted({shard.count for shard in named.values()})
    if len(counts) > 1:
        raise ShardError(f"{top}: shards of {' and of '.join(map(str, counts))}; remove those of one")
    missing = sorted(set(range(1, counts[0] + 1)) - {shard.number for shard in named.values()})
    if missing:
        some = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        raise ShardError(
            f"{top}: {len(missing)} of {counts[0]} shards are missing ({some}); run the same command with --shard "
            f"{missing[0]}/{counts[0]}"
        )
    found = {path: read_manifest(path) for path in sorted(named, key=lambda path: named[path])}
    first = next(iter(found.values()))
    seen: list[str] = []
    for path, manifest in found.items():
        if manifest.shard != named[path]:
            raise ShardError(f"{path}: is shard {manifest.shard} by its {MANIFEST}; make it again")
        for key in {**first.run, **manifest.run}:
            if first.run.get(key) != manifest.run.get(key):
                raise ShardError(f"{path}: its {key} is not that of shard 1; make it again, or the others")
        _check_files(path, manifest)
        seen += manifest.ids
    if len(seen) != first.run["utterances"] or hash_ids(sorted(seen)) != first.run["ids"]:
        twice = len(seen) - len(set(seen))
        raise ShardError(
            f"{top}: {len(seen)} utterances, {twice} of them twice, where {first.run['utterances']} were divided; make "
            "the shards again"
        )
    return found


def _hash_content(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _match_names(top: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    for path in top.iterdir() if top.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match and path.is_dir():
            yield path, match


def _describe_file(path: Path) -> tuple[int, str]:
    size = path.stat().st_size
    return size, hash_file(path) if size <= _HASHED or path.name == OBSERVED else ""


def _check_files(folder: Path, manifest: Manifest) -> None:
    """Raise `ShardError` where a file of a shard is not what was written."""
    for name, (size, sha256) in manifest.files.items():
        path = folder / name
        try:
            same = path.stat().st_size == size and (not sha256 or hash_file(path) == sha256)
        except OSError:
            same = False
        if not same:
            raise ShardError(f"{path}: missing, or not as it was written; remove {folder} and make the shard again")


def _hash_inputs(utterances: Iterable[Utterance]) -> str:
    digest = hashlib.sha256()
    for one in utterances:
        files = [_describe_age(path) for path in (find_file(one.path), one.alignment) if path]
        digest.update(repr((one.id, one.path, one.start, one.end, one.text, one.alignment, files)).encode())
    return digest.hexdigest()


def _describe_age(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns
