"""Where recordings, data directories, dumps and models may lie: a file, a member of a tar, or a URL that fsspec opens.

    /data/a.flac                      a file of this machine
    s3://bucket/a.flac                a URL: s3, gs, hf, http, memory, whatever fsspec has (https://filesystem-spec.org)
    tar://p225/a.flac::/data/0.tar    a member of a tar, which is a file or a URL, as fsspec writes it

Tars, data directories, dumps and models are copied to a cache, $VQSPEECH_CACHE (else ~/.cache/vqspeech), once for each
version of them; single recordings are copied for as long as they are open. What
`vqspeech.publishing` has uploaded is read only where it is whole.
"""

import hashlib
import os
import re
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

from vqspeech.errors import StorageError, VqspeechError, describe_error, ends_batch
from vqspeech.files import hash_file, replace_file, temporary_folder
from vqspeech.uploads import MANIFEST, Target, read_upload, require_whole

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_MEMBER = re.compile(r"tar://(?P<name>.+)::(?P<tar>.+)", re.DOTALL)
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Member(NamedTuple):
    """Where the bytes of a member of a tar are: the first, and their number."""

    offset: int
    size: int


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a URL, and not that of a member of a tar."""
    text = os.fspath(path)
    return bool(_URL.match(text)) and not text.startswith("tar://")


def join_member(name: str, tar: str | os.PathLike[str]) -> str:
    """Return the path of a member of a tar."""
    return f"tar://{name}::{os.fspath(tar)}"


def split_member(path: str | os.PathLike[str]) -> tuple[str, str] | None:
    """Return name and tar of the path of a member; None where it is another path."""
    match = _MEMBER.fullmatch(os.fspath(path))
    return (match["name"], match["tar"]) if match else None


def find_file(path: str | os.PathLike[str]) -> str:
    """Return the file that holds what a path names: the tar of a member, else the path itself."""
    parts = split_member(path)
    return parts[1] if parts else os.fspath(path)


def make_absolute(path: str | os.PathLike[str]) -> str:
    """Return a URL as it is, and a file or folder of this machine by its absolute path."""
    text = os.fspath(path)
    return text if is_remote(text) else os.path.abspath(text)


def find_size(path: str | os.PathLike[str]) -> int | None:
    """Return the size of what a path names (bytes); None where it is missing or cannot be reached."""
    text = os.fspath(path)
    parts = split_member(text)
    try:
        if parts:
            member = list_members(parts[1]).get(parts[0])
            return member and member.size
        if is_remote(text):
            return call_file_system(text, lambda system, name: system.info(name)["size"])
    except StorageError:
        return None
    return os.path.getsize(text) if os.path.isfile(text) else None


def sort_by_place(items: Iterable[_Item], name_path: Callable[[_Item], str]) -> list[_Item]:
    """Return items in an order in which tars are read without going back: members as they lie in their tar.

    Items that are in no tar come first, in their own order.

    Args:
        items: What is to be read.
        name_path: Gives the path of an item.
    """
    groups: dict[str, list[tuple[str, _Item]]] = {}
    for item in items:
        name, tar = split_member(name_path(item)) or ("", "")
        groups.setdefault(tar, []).append((name, item))
    found = [item for _, item in groups.pop("", [])]
    for tar in sorted(groups):
        try:
            members = list_members(tar)
        except VqspeechError:  # reported where it is opened
            members = {}
        nowhere = Member(0, 0)
        ordered = sorted(groups[tar], key=lambda pair: members.get(pair[0], nowhere).offset)
        found += [item for _, item in ordered]
    return found


@contextmanager
def open_local(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield a file of this machine with the contents of a recording, wherever it lies.

    Raises:
        StorageError: There is no such member, or a URL cannot be read.
    """
    text = os.fspath(path)
    parts = split_member(text)
    if parts is None and not is_remote(text):
        yield text
        return
    folder = Path(tempfile.gettempdir()) / f"vqspeech-{uuid.uuid4().hex}"
    with temporary_folder(folder) as inside:
        copy = inside / f"sound{PurePosixPath(parts[0] if parts else text).suffix}"
        if parts is None:
            call_file_system(text, lambda system, name: system.get_file(name, str(copy)))
        else:
            copy.write_bytes(read_member(*parts))
        yield str(copy)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a recording, wherever it lies.

    Raises:
        StorageError: There is no such member, or a URL cannot be read.
        OSError: There is no such file.
    """
    parts = split_member(path)
    if parts:
        return read_member(*parts)
    with open_local(path) as local:
        return Path(local).read_bytes()


def read_member(name: str, tar: str) -> bytes:
    """Return the bytes of a member of a tar.

    Raises:
        StorageError: There is none, or the tar is truncated.
    """
    path, members = _open_tar(tar)
    member = members.get(name)
    if member is None:
        raise StorageError(f"{tar}: has no member {name}; make the data directory again from the tars that are there")
    with open(path, "rb") as file:
        file.seek(member.offset)
        content = file.read(member.size)
    if len(content) < member.size:
        raise StorageError(f"{tar}: truncated within {name}; copy it again")
    return content


def list_members(tar: str) -> Mapping[str, Member]:
    """Return the files in a tar by name, in the order of the tar. Only headers are read, and nothing is unpacked.

    Raises:
        StorageError: It is missing, no tar, compressed, or truncated.
    """
    return _open_tar(tar)[1]


@lru_cache(8)
def _open_tar(tar: str) -> tuple[Path, dict[str, Member]]:
    """Return the file of a tar on this machine, and its members; a process sees one version of a URL."""
    path = fetch_file(tar)
    try:
        with tarfile.open(path, "r:") as file:
            whole = (one for one in file if one.isreg() and not one.issparse())
            return path, {one.name.removeprefix("./"): Member(one.offset_data, one.size) for one in whole}
    except FileNotFoundError:
        raise StorageError(f"{tar}: no such file; check the path") from None
    except tarfile.ReadError as error:
        fix = f"unpack its compression: gunzip {tar}" if _is_gzip(path) else "copy it again"
        raise StorageError(f"{tar}: cannot be read as a tar ({error}); {fix}") from None
    except OSError as error:
        raise StorageError(f"{tar}: cannot be read ({error.strerror or error}); check the disk") from None


def fetch_file(path: str | os.PathLike[str], *beside: str) -> Path:
    """Return a file of this machine: the path itself, or of a URL its copy in the cache, made where it is not there.

    Args:
        path: The file.
        *beside: What is added to its name in those of files that belong to it, which are copied with it.

    Raises:
        StorageError: The URL cannot be read, or holds an upload of this toolkit that is not whole.
    """
    if not is_remote(path):
        return Path(path)
    url = os.fspath(path)

    def fetch(system: Any, inside: str) -> Path:
        if system.isdir(inside):
            raise StorageError(f"{url}: is a folder; name a file in it")
        above, _, name = inside.rpartition("/")
        hashes = read_hashes(Target(system, above, name, url)) if beside else {}
        files = [inside, *(inside + end for end in beside)]
        folder = _find_cache(url, [(file, system.ukey(file)) for file in files])
        for file in files:
            last = PurePosixPath(file).name
            copy_file(system, file, folder / last, hashes.get(last, ""))
        return folder / PurePosixPath(inside).name

    return call_file_system(url, fetch)


def fetch_folder(path: str | os.PathLike[str], wanted: Callable[[str], bool] = lambda _: True) -> Path:
    """Return a folder of this machine: the path itself, or of a URL a copy of its files in the cache.

    Args:
        path: The folder.
        wanted: Which files of a URL are copied, by their names. Folders in it are not.

    Raises:
        StorageError: The URL cannot be read.
    """
    if not is_remote(path):
        return Path(path)
    url = os.fspath(path).rstrip("/")

    def fetch(system: Any, inside: str) -> Path:
        if not system.isdir(inside):
            raise StorageError(f"{url}: no such folder; check the address")
        hashes = read_hashes(Target(system, inside, "", url))
        files = sorted(one["name"] for one in _list_entries(system, inside) if wanted(PurePosixPath(one["name"]).name))
        folder = _find_cache(url, [(name, system.ukey(name)) for name in files]) / PurePosixPath(inside).name
        folder.mkdir(parents=True, exist_ok=True)
        for name in files:
            last = PurePosixPath(name).name
            copy_file(system, name, folder / last, hashes.get(last, ""))
        return folder

    return call_file_system(url, fetch)


def require_uploaded(path: str | os.PathLike[str]) -> None:
    """Check that the folder of a URL is whole, where this toolkit has uploaded it. Other paths are not looked at.

    Raises:
        StorageError: It is not, or the URL cannot be read.
    """
    if is_remote(path):
        url = os.fspath(path)
        call_file_system(url, lambda system, inside: read_hashes(Target(system, inside, "", url)))


def list_files(path: str | os.PathLike[str]) -> list[str]:
    """Return the paths of the files in a folder or in that of a URL, sorted; of a file, its own.

    Raises:
        StorageError: There is no such folder or file, or the URL cannot be read.
    """
    text = os.fspath(path)
    if is_remote(text):
        return call_file_system(text, _list_remote)
    if os.path.isdir(text):
        return sorted(entry.path for entry in os.scandir(text) if entry.is_file() and not entry.name.startswith("."))
    if not os.path.isfile(text):
        raise StorageError(f"{text}: no such file or folder; check the path")
    return [text]


def list_folders(url: str) -> list[str]:
    """Return the names of the folders in that of a URL, sorted; none where it is missing.

    Raises:
        StorageError: The URL cannot be read.
    """

    def find(system: Any, inside: str) -> list[str]:
        system.invalidate_cache()
        if not system.isdir(inside):
            return []
        found = system.ls(inside, detail=True)
        return sorted(PurePosixPath(one["name"]).name for one in found if one["type"] == "directory")

    return call_file_system(url, find)


def _list_remote(system: Any, inside: str) -> list[str]:
    if system.isfile(inside):
        return [system.unstrip_protocol(inside)]
    read_hashes(Target(system, inside, "", system.unstrip_protocol(inside)))
    return sorted(system.unstrip_protocol(one["name"]) for one in _list_entries(system, inside))


def _list_entries(system: Any, inside: str) -> list[dict[str, Any]]:
    found = [one for one in system.ls(inside, detail=True) if one["type"] == "file"]
    return [one for one in found if PurePosixPath(one["name"]).name != MANIFEST]


def read_hashes(target: Target) -> dict[str, str]:
    """Return the hashes of the files of an output that was uploaded, which must be whole; else none."""
    upload = read_upload(target)
    if upload is None:
        return {}
    require_whole(target, upload)
    return {name: sha256 for name, (_, sha256) in upload.files.items()}


def call_file_system(url: str, function: Callable[[Any, str], _Result], done: str = "read") -> _Result:
    """Return what a function of the file system and of the path in it returns for a URL.

    Args:
        url: The URL.
        function: The function.
        done: What it does there, for the message.

    Raises:
        StorageError: It fails.
    """
    from fsspec.core import url_to_fs

    try:
        return function(*url_to_fs(url))
    except VqspeechError:
        raise
    except FileNotFoundError:
        raise StorageError(f"{url}: no such file; check the address") from None
    except ImportError as error:
        raise StorageError(f"{url}: {error}; install the package that it names") from None
    except Exception as error:  # every file system has errors of its own
        if ends_batch(error):
            raise
        reason = describe_error(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        raise StorageError(f"{url}: cannot be {done} ({' '.join(reason.split())}); check address and rights") from None


def copy_file(system: Any, inside: str, copy: Path, sha256: str = "") -> None:
    """Copy a file to this machine where it is not there, and compare its hash where that is known."""
    if copy.is_file():
        return
    with replace_file(copy) as temporary:
        system.get_file(inside, str(temporary))
        if sha256 and hash_file(temporary) != sha256:
            name = system.unstrip_protocol(inside)
            raise StorageError(f"{name}: not as it was written; run the command that writes it again")


def find_cache_top() -> Path:
    """Return the folder of the cache."""
    folder = os.environ.get("VQSPEECH_CACHE")
    return Path(folder) if folder else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "vqspeech")


def _find_cache(url: str, versions: list[tuple[str, str]]) -> Path:
    """Return the folder of the cache for these versions of the files of a URL."""
    return find_cache_top() / hashlib.sha256(repr((url, versions)).encode()).hexdigest()[:32]


def _is_gzip(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"
