"""Lock an output, so that one process at a time writes to it; the lock file states which.

A lock is a file that exists or not, so that it works over a network and never waits. The lock of a process that has
ended is taken over; whether a process on another machine has ended cannot be seen.
"""

import json
import os
import platform
import re
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vqspeech.errors import OutputError
from vqspeech.files import is_running, process_identity

_OWNER = re.compile(r"[0-9a-f]{8}-\d+-\d+")
_NEW = 5.0
"""Seconds within which an empty lock may be one that is being written."""


@contextmanager
def lock_folder(path: str | os.PathLike) -> Iterator[None]:
    """Keep other processes from writing to a folder until the block ends.

    The folder is made where it is missing, and removed again where nothing was written.

    Raises:
        OutputError: Another process is writing to it (the message states which), or nothing can be written there.
    """
    with _locked(Path(path), Path(path) / ".lock"):
        yield


@contextmanager
def lock_file(path: str | os.PathLike) -> Iterator[None]:
    """Keep other processes from writing to a file until the block ends; as `lock_folder`."""
    path = Path(path)
    with _locked(path, path.with_name(f".{path.name}.lock")):
        yield


@contextmanager
def _locked(path: Path, lock: Path) -> Iterator[None]:
    own = {
        "owner": process_identity(),
        "host": platform.node(),
        "process": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }
    made = not lock.parent.exists()
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() != (lock.parent == path):
            raise OSError("it is a folder" if path.is_dir() else "it is not a folder")
        taken = _take(lock, own)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written to ({error.strerror or error}); choose another --out") from None
    if taken is not None:
        raise OutputError(_describe_holder(path, lock, taken))
    try:
        yield
    finally:
        with suppress(OSError):
            if _holder(lock) == own:
                lock.unlink()
            if made:
                lock.parent.rmdir()  # where nothing has been written


def _take(lock: Path, own: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Take the lock, also from a process that has ended; return its holder where there is one."""
    offered = lock.with_name(f"{lock.name}.{own['owner']}.tmp")
    offered.write_text(json.dumps(own), encoding="utf-8", newline="\n")
    try:
        for _ in range(3):
            try:
                os.link(offered, lock)  # all of it at once, and only where there is none
                return None
            except FileExistsError:
                pass
            except OSError:  # a file system without links
                with suppress(FileExistsError), open(lock, "x", encoding="utf-8", newline="\n") as file:
                    file.write(json.dumps(own))
                    return None
            holder = _holder(lock)
            if is_running(holder["owner"]) is not False if holder else _is_new(lock):
                return holder or {}
            _remove(lock, holder, lock.with_name(f"{lock.name}.old.{own['owner']}.tmp"))
        return _holder(lock) or {}
    finally:
        offered.unlink(missing_ok=True)


def _remove(lock: Path, holder: Mapping[str, Any] | None, aside: Path) -> None:
    """Remove the lock of a process that has ended, but not one that another process has taken since."""
    with suppress(OSError):
        os.rename(lock, aside)
        if _holder(aside) != holder:
            with suppress(OSError):
                os.link(aside, lock)
    aside.unlink(missing_ok=True)


def _holder(lock: Path) -> Mapping[str, Any] | None:
    """Return the content of a lock; None where there is none, or it cannot be read."""
    try:
        found = json.loads(lock.read_text(encoding="utf-8"))
        return found if _OWNER.fullmatch(found["owner"]) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _is_new(lock: Path) -> bool:
    with suppress(OSError):
        return lock.stat().st_mtime > time.time() - _NEW
    return False


def _describe_holder(path: Path, lock: Path, holder: Mapping[str, Any]) -> str:
    if not holder:
        return f"{path}: another process has just begun to write to it; wait for it, or choose another --out"
    who = f"process {holder.get('process')} on {holder.get('host')}, since {holder.get('since')}"
    here = holder.get("host") == platform.node()
    fix = "wait for it, end it, or choose another --out" + ("" if here else f"; if it is gone, remove {lock}")
    return f"{path}: being written to by {who}: {holder.get('command')}; {fix}"
