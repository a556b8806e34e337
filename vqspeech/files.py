"""Write files so that a kill or a full disk never leaves half of one under its final name.

An unfinished file has a hidden name in the same folder, `.NAME.HOST-PROCESS-START.tmp`, which identifies its process.
Once that process has ended, the next one that writes to the folder removes the file.
"""

import hashlib
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from vqspeech.errors import OutputError

LONGEST = 80
"""Bytes up to which a name is part of its temporary name; a longer one is replaced by a hash."""
SAMPLES, BLOCK = 256, 4096
"""Number of blocks of a large file that are hashed, and bytes of each."""
ROOM = 100_000
"""Free bytes that the disk must have for an output of unknown size."""
_TEMPORARY = re.compile(
    r"\..+\.(?P<owner>[0-9a-f]{8}-\d+-\d+)\.tmp(\.[^.]*)?"
    r"|\..+(?P<suffix>\.[^.]+)\.(?P<process>\d+)\.tmp(?P=suffix)"  # as version 0.1.0 had them
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # one slash: of a `Path`
_FORGOTTEN = 24 * 3600
"""Seconds without a change after which the files of a process on another machine count as abandoned."""


@contextmanager
def replace_file(path: str | os.PathLike) -> Iterator[Path]:
    """Write a file in one piece: yield a temporary path, which is renamed to `path` when the block succeeds.

    It is in the same folder, which is made where it is missing, and is synced first. When the block raises, the
    temporary file is removed and the old one stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    temporary = _neighbour(path, ".tmp", path.suffix if len(path.suffix) < 16 else "")
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # safetensors makes files that others cannot read
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replace_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Write a folder in one piece: yield a temporary one, which replaces `path` when the block succeeds."""
    path = Path(path)
    restore_folder(path)
    temporary, old = _neighbour(path, ".tmp"), _neighbour(path, ".old")
    with _temporary_folder(temporary, 0o777):
        yield temporary
        for written in temporary.iterdir():
            if written.is_file():
                with open(written, "rb+") as file:
                    os.fsync(file.fileno())
        if path.is_dir():
            # Aside first: a folder cannot be renamed over a full one, and must come back if the new one cannot move in.
            os.replace(path, old)
        try:
            os.replace(temporary, path)
        finally:
            if path.is_dir():
                shutil.rmtree(old, ignore_errors=True)
            elif old.is_dir():
                os.replace(old, path)


@contextmanager
def temporary_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a folder next to `path`, for this user alone, which is removed when the block ends."""
    with _temporary_folder(_neighbour(Path(path), ".tmp"), 0o700) as folder:
        yield folder


@contextmanager
def _temporary_folder(folder: Path, mode: int) -> Iterator[Path]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    r"""Write `text` (UTF-8, lines end in LF on every system) in one piece: readers see the old file or the new one.

    Bytes of a file name that are not text (`os.fsdecode`) are written as JSON writes them, `\\udce9`.
    """
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def link_file(path: Path, other: Path) -> None:
    """Make `other` the same file as `path`, or a copy where the disk has no links; its folder is made."""
    other.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        if other.exists():
            other.unlink()
        os.link(path, other)
        return
    with replace_file(other) as temporary:
        shutil.copyfile(path, temporary)


def hash_file(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def hash_file_sample(path: str | os.PathLike) -> str:
    """Return a SHA-256 of the size of a file and of `SAMPLES` blocks spread evenly over it.

    For files that are too large to be read whole, and that differ by more than a byte.
    """
    size = os.path.getsize(path)
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        for i in range(SAMPLES):
            file.seek(max(0, size - BLOCK) * i // (SAMPLES - 1))
            digest.update(file.read(BLOCK))
    return digest.hexdigest()


def check_file(path: str | os.PathLike, room: int = ROOM) -> None:
    """Check that a file can be written at `path`.

    Args:
        path: The file.
        room: Bytes that it needs.

    Raises:
        OutputError: It cannot, or something other than a file is there.
    """
    _require_local(path)
    path = Path(path)
    _check_place(path, room)
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: is a device or a pipe, no file; choose another name")


def check_folder(path: str | os.PathLike, room: int = ROOM) -> None:
    """Check that a folder can be made at `path`, or that files can be written to the one that is there.

    Args:
        path: The folder.
        room: Bytes that its files need.

    Raises:
        OutputError: It cannot.
    """
    _require_local(path)
    path = Path(path)
    if os.path.exists(path) and not os.path.isdir(path):
        raise OutputError(f"{path}: is a file, not a folder; choose another name")
    _check_place(path / "x" if os.path.isdir(path) else path, room)


def _require_local(path: str | os.PathLike) -> None:
    """Raise `OutputError` where a path is a URL, which would name folders here."""
    if _URL.match(os.fspath(path)):
        raise OutputError(
            f"{path}: is a URL, and this output must be on this machine; name a place here, and upload it afterwards "
            "(see docs/storage.md for the verbs that write to URLs)"
        )


def _check_place(path: Path, room: int) -> None:
    """Check the folders above `path`.

    Raises:
        OutputError: Nothing can be written there.
    """
    try:
        above, names = path.parent, [path.name]
        while not above.exists():
            names.append(above.name)
            above = above.parent
        if not above.is_dir():
            raise OutputError(f"{path}: {above} is a file, not a folder; choose another name")
        longest = os.pathconf(above, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
        if any(len(os.fsencode(name)) > longest for name in names):
            raise OutputError(f"{path}: a name of more than {longest} bytes; choose a shorter one")
        if not os.access(above, os.W_OK | os.X_OK):
            raise OutputError(
                f"{path}: {above} may not be written to; choose another folder, or change its permissions"
            )
        free = shutil.disk_usage(above).free
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another name") from None
    if free < room:
        raise OutputError(
            f"{path}: takes {room / 1e6:.1f} MB, and the disk has {free / 1e6:.1f} MB left; delete something there, or "
            "choose another one"
        )


def ignores_case(path: str | os.PathLike) -> bool:
    """Return whether names that differ in case only are one file at `path`, which need not exist yet."""
    above = Path(path).absolute()
    while not above.is_dir():
        above = above.parent
    probe = _neighbour(above / "case", ".tmp")
    probe.touch()
    try:
        return probe.with_name(probe.name.upper()).exists()
    finally:
        probe.unlink(missing_ok=True)


def restore_folder(path: str | os.PathLike) -> None:
    """Restore a folder that `replace_folder` had moved aside when its process was killed."""
    path = Path(path)
    aside = re.compile(re.escape(f".{_shortened(path.name)}.") + r"([0-9a-f]{8}-\d+-\d+|\d+)\.old")
    if not path.parent.is_dir():
        return
    found = {old: match[1] for old in path.parent.iterdir() if (match := aside.fullmatch(old.name))}
    with suppress(FileNotFoundError):  # another process brings it back just now
        for old in sorted(found, key=lambda old: old.stat().st_mtime, reverse=True):
            if _is_owned(old, found[old]):
                continue
            if path.exists():
                shutil.rmtree(old, ignore_errors=True)
            else:
                os.replace(old, path)


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Remove the temporary files and folders in `folder` whose process has ended; once per folder and process."""
    _remove_leftovers(os.path.abspath(folder))


@lru_cache
def _remove_leftovers(folder: str) -> None:
    try:
        names = [name for name in os.listdir(folder) if name.startswith(".") and ".tmp" in name]
    except OSError:
        return
    for name in names:
        match, path = _TEMPORARY.fullmatch(name), Path(folder, name)
        with suppress(OSError):  # somebody else's, or removed by another process just now
            if match is None or _is_owned(path, match["owner"] or match["process"]):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _neighbour(path: Path, kind: str, suffix: str = "") -> Path:
    return path.with_name(f".{_shortened(path.name)}.{process_identity()}{kind}{suffix}")


def _shortened(name: str) -> str:
    given = os.fsencode(name)
    return name if len(given) <= LONGEST else hashlib.sha256(given).hexdigest()[:32]


def _is_owned(path: Path, owner: str) -> bool:
    """Return whether the process that made a temporary file or folder may still be working on it."""
    running = is_running(owner)
    if running is None:
        inside = [path, *path.iterdir()] if path.is_dir() else [path]
        return max((one.lstat().st_mtime for one in inside), default=0.0) > time.time() - _FORGOTTEN
    return running


def process_identity() -> str:
    """Return what identifies this process among all others, on this machine and elsewhere: HOST-PROCESS-START."""
    return f"{_host()}-{os.getpid()}-{_start(os.getpid())}"


def is_running(owner: str) -> bool | None:
    """Return whether a process is running, given its `process_identity` or its number.

    None: it is one of another machine, where this cannot be seen.
    """
    host, _, process = owner.rpartition("-")[0].rpartition("-") if "-" in owner else (_host(), "", owner)
    if host != _host():
        return None
    started = _start(int(process))
    return started is not None and ("-" not in owner or started in (0, int(owner.rpartition("-")[2])))


@lru_cache
def _host() -> str:
    """Return eight digits for this machine or container: process numbers are valid within it only."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]


def _start(process: int) -> int | None:
    """Return when a process started, in clock ticks; 0 where this is unknown, None where there is no such process."""
    if sys.platform == "win32":
        return _ask_psutil(process)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return 0
    try:
        fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return None if fields[0] in (b"Z", b"X") else int(fields[19])  # a zombie does not work any more


def _ask_psutil(process: int) -> int | None:
    """Return what `_start` does, on Windows, where `os.kill` would end the process."""
    import psutil

    try:
        return int(100 * psutil.Process(process).create_time())
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        return 0
