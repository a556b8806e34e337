"""Outputs of verbs: a file or folder of this machine or, at a URL, an upload that is there whole or not at all.

An output at a URL is written to the cache, and uploaded once it is whole; see `vqspeech.uploads`. It is not locked.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from vqspeech.errors import OutputError, StorageError
from vqspeech.files import check_folder, replace_folder, temporary_folder
from vqspeech.progress import report
from vqspeech.storage import call_file_system, copy_file, find_cache_top, is_remote, read_hashes
from vqspeech.uploads import Target, check_target, upload_files

DATA, DUMP, UNITS, COPY, SPEECH, SHARD = "data directory", "dump", "units", "copy", "folder of speech", "shard"
"""Kinds of outputs."""
FILES = (UNITS,)
"""Kinds of outputs that are files, each with those whose names begin with its own; the others are folders."""
_Result = TypeVar("_Result")


def check_output(url: str, kind: str) -> None:
    """Check that an output can be uploaded to a URL, as far as this can be seen; see `publish`.

    Raises:
        OutputError: Something else is there, or the URL has no name.
        StorageError: It cannot be reached.
    """
    check_folder(find_cache_top())
    _call_target(url, kind, lambda target: check_target(target, kind))


@contextmanager
def publish(path: str | os.PathLike[str], kind: str) -> Iterator[Path]:
    """Write an output: yield where, `path` itself or, for a URL, a path in the cache, which is uploaded at the end.

    Nothing is uploaded when the block raises. Where the upload fails, the output stays in the cache.

    Args:
        path: The output, a file of `FILES`, else a folder.
        kind: What it is, such as a dump. An output of another kind is not replaced.

    Raises:
        OutputError: Something else is at the URL.
        StorageError: It cannot be written to.
    """
    if not is_remote(path):
        yield Path(path)
        return
    url = os.fspath(path).rstrip("/")
    check_output(url, kind)
    top = find_cache_top()
    with temporary_folder(top / f"output-{uuid.uuid4().hex}") as folder:
        out = folder / url.rpartition("/")[2]
        yield out
        report(f"{url}: upload")
        inside = folder if kind in FILES else out
        found = folder.iterdir() if kind in FILES else out.rglob("*")
        names = [one.relative_to(inside).as_posix() for one in found if one.is_file()]
        try:
            _call_target(url, kind, lambda target: upload_files(target, inside, names, kind))
        except StorageError as error:
            kept = top / f"unsent-{uuid.uuid4().hex}"
            os.replace(folder, kept)
            raise StorageError(
                f"{error}; the output is in {kept}, and running the command again writes it anew"
            ) from None


@contextmanager
def publish_folder(path: str | os.PathLike[str], kind: str) -> Iterator[Path]:
    """Write a folder in one piece: yield a new one, which replaces `path` at the end, or is uploaded to its URL."""
    if not is_remote(path):
        with replace_folder(path) as folder:
            yield folder
        return
    with publish(path, kind) as folder:
        folder.mkdir()
        yield folder


def copy_output(url: str, folder: Path) -> None:
    """Copy all files of a folder that `publish` has uploaded to a new folder of this machine.

    Raises:
        StorageError: It is not whole, a file is not what was written, or the URL cannot be read.
    """

    def copy(system: Any, inside: str) -> None:
        hashes = read_hashes(Target(system, inside, "", url))
        if not hashes:
            raise StorageError(f"{url}: no upload of this toolkit; run the command that writes it")
        for name, sha256 in hashes.items():
            copy_file(system, f"{inside}/{name}", folder / name, sha256)

    call_file_system(url, copy)


def _call_target(url: str, kind: str, function: Callable[[Target], _Result]) -> _Result:
    """Return what a function returns for an output at a URL."""
    url = url.rstrip("/")
    above, _, name = url.rpartition("/")
    where, name = (above, name) if kind in FILES else (url, "")
    if not (is_remote(where) and is_remote(url)):
        raise OutputError(f"{url}: has no name; add that of a {'file' if kind in FILES else 'folder'}")
    return call_file_system(where, lambda system, inside: function(Target(system, inside, name, url)), "written")
