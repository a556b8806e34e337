"""Uploads of outputs to a file system of fsspec, each whole or not at all.

    s3://bucket/dump/vqspeech-upload.json         of a folder: its kind, its files with size and SHA-256, "complete"
    s3://bucket/units.txt.vqspeech-upload.json    of a file and of those that belong to it

Files that are to change are deleted first, then the manifest is written with "complete": false, then what is missing is
put there, and the manifest is written as complete last. So a reader sees from the manifest and the sizes whether an
output is whole, at every moment; and a second upload sees which files are there with the contents that it has: those
that the manifest describes in the same way. Storage has no locks: of two processes that write the same output at once,
one may spoil that of the other, which readers then refuse.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from vqspeech.errors import OutputError, StorageError
from vqspeech.files import hash_file

MANIFEST = "vqspeech-upload.json"
"""Name of the manifest of a folder, and the end of that of a file."""
_FORMAT, _VERSION = "vqspeech-upload", 1
_TOLERATED = re.compile(r"\..*|README\.md")
"""Files of others that may be in a folder: a repository of the Hub has them."""


class Target(NamedTuple):
    """An output on a file system.

    Attributes:
        system: The file system.
        folder: The folder of its files: the output itself, or that of a file.
        name: Name of the file; empty where the output is a folder.
        url: The output, for messages.
    """

    system: Any
    folder: str
    name: str
    url: str

    @property
    def manifest(self) -> str:
        """Path of its manifest."""
        return f"{self.folder}/{self.name}{'.' * bool(self.name)}{MANIFEST}"


@dataclass(frozen=True)
class Upload:
    """What a manifest states.

    Attributes:
        kind: What the output is, such as a dump.
        files: Size and SHA-256 of each file, by its path below the folder.
        complete: Whether all of them are there.
    """

    kind: str
    files: Mapping[str, tuple[int, str]]
    complete: bool = True


def read_upload(target: Target) -> Upload | None:
    """Return the manifest of an output; None where it has none, as what other programs have written.

    Raises:
        StorageError: It is damaged.
    """
    target.system.invalidate_cache()
    try:
        content = json.loads(target.system.cat_file(target.manifest))
        if (content.pop("format"), content.pop("version")) != (_FORMAT, _VERSION):
            raise ValueError("of another version")
        files = {_require_inside(name): (int(size), str(sha256)) for name, (size, sha256) in content["files"].items()}
        return Upload(str(content["kind"]), files, content["complete"] is True)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        fix = "delete this output, and write it again"
        raise StorageError(f"{target.url}: its manifest {target.manifest} is damaged ({error}); {fix}") from None


def require_whole(target: Target, upload: Upload) -> None:
    """Check that an output is there as its manifest states.

    Raises:
        StorageError: Its upload has not ended, or a file is missing or of another size.
    """
    again = "run the command that writes it (again)"
    if not upload.complete:
        raise StorageError(f"{target.url}: its upload has not ended, or was killed; {again}")
    sizes = _list_sizes(target, upload.files)
    for name, (size, _) in upload.files.items():
        if sizes.get(name) != size:
            raise StorageError(f"{target.url}: {name} is missing, or not as it was written; {again}")


def check_target(target: Target, kind: str) -> None:
    """Check that an output can take the place of what is there.

    Raises:
        OutputError: There is an output of another kind, or a folder holds files of others.
        StorageError: The manifest there is damaged.
    """
    before = read_upload(target)
    if before and before.kind != kind:
        raise OutputError(f"{target.url}: is a {before.kind}, which a {kind} would replace; choose another --out")
    if target.name:
        return
    known = {MANIFEST, *(before.files if before else ())}
    strange = [name for name in _list_sizes(target) if name not in known and not _TOLERATED.fullmatch(name)]
    if strange:
        names = ", ".join(strange[:5])
        raise OutputError(f"{target.url}: holds {names}, which no upload has put there; choose another --out")


def upload_files(target: Target, folder: Path, names: Iterable[str], kind: str) -> int:
    """Upload files, except those that are there already; return the number of those that were sent.

    Args:
        target: The output.
        folder: The folder with the files.
        names: Their paths in it.
        kind: See `Upload`.
    """
    before = read_upload(target)
    known = before.files if before else {}
    files = {name: ((folder / name).stat().st_size, hash_file(folder / name)) for name in sorted(names)}
    there = _list_sizes(target, {**known, **files})
    kept = {name for name in there if name in files and known.get(name) == files[name] == (there[name], files[name][1])}
    if kept == files.keys() and there.keys() == kept and before == Upload(kind, files):
        return 0
    for name in sorted(there.keys() - kept):
        if name in known or name in files:
            target.system.rm_file(f"{target.folder}/{name}")
    missing = [name for name in files if name not in kept]
    _write_manifest(target, Upload(kind, files, complete=False))
    for name in missing:
        _put_file(target, folder / name, f"{target.folder}/{name}")
    _write_manifest(target, Upload(kind, files))
    return len(missing)


def _require_inside(name: str) -> str:
    """Return a path below a folder; raise `ValueError` where it is elsewhere."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise ValueError(f"{name!r} is not a path below it")
    return name


def _list_sizes(target: Target, names: Iterable[str] | None = None) -> dict[str, int]:
    """Return the sizes of the files that are there, of a file output of those of these names."""
    target.system.invalidate_cache()
    if not target.name:
        found = target.system.find(target.folder, detail=True)
        start = len(target.folder) + 1
        sizes = {path[start:]: one["size"] for path, one in found.items() if path.startswith(f"{target.folder}/")}
        return sizes if names is None else {name: size for name, size in sizes.items() if name in names}
    sizes: dict[str, int] = {}
    for name in names or ():
        try:
            sizes[name] = target.system.info(f"{target.folder}/{name}")["size"]
        except FileNotFoundError:
            continue
    return sizes


def _write_manifest(target: Target, upload: Upload) -> None:
    content = {"format": _FORMAT, "version": _VERSION, **asdict(upload)}
    _make_parent(target, target.manifest)
    target.system.pipe_file(target.manifest, json.dumps(content, indent=1).encode() + b"\n")


def _put_file(target: Target, file: Path, place: str) -> None:
    _make_parent(target, place)
    target.system.put_file(str(file), place)


def _make_parent(target: Target, place: str) -> None:
    # Object stores, which are asynchronous, have no folders; one of them would make a bucket here.
    if not target.system.async_impl:
        target.system.makedirs(place.rpartition("/")[0], exist_ok=True)
