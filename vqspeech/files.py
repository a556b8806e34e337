"""Writing files so that a kill or a full disk never leaves half of one under its final name."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path`, in a folder that exists; it is synced and renamed to `path` when the block
    ends well, and removed when it raises."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
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
def replaced_folder(path: str | os.PathLike) -> Iterator[Path]:
    """A new temporary folder beside `path`; it is synced and takes the place of `path` when the block ends well."""
    path = Path(path)
    temporary, old = (path.with_name(f".{path.name}.{os.getpid()}.{kind}") for kind in ("tmp", "old"))
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
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
        except OSError:
            if old.is_dir():
                os.replace(old, path)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if path.is_dir():
            shutil.rmtree(old, ignore_errors=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` (UTF-8) in one piece: readers see the old file or the new one."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
