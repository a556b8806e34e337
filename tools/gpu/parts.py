"""Files in parts, for a machine that takes and hands back files of limited size."""

from pathlib import Path

SUFFIX = ".safetensors"


def split_file(file: Path, size: int) -> None:
    """Write a file as FILE.000, FILE.001 … of at most `size` bytes, and remove it: cat FILE.* puts it together."""
    data = file.read_bytes()
    for old in list_parts(file):
        old.unlink()
    for number, first in enumerate(range(0, len(data), size)):
        Path(f"{file}.{number:03d}").write_bytes(data[first : first + size])
    file.unlink()


def split_models(folder: Path, size: int) -> None:
    """Write all models and checkpoints in a folder that are larger than `size` bytes in parts."""
    for file in sorted(folder.rglob(f"*{SUFFIX}")):
        if file.stat().st_size > size:
            split_file(file, size)


def join_models(folder: Path) -> None:
    """Put together what `split_models` left in a folder, so that a later sitting resumes from it."""
    for first in sorted(folder.rglob(f"*{SUFFIX}.000")):
        file = first.with_suffix("")
        parts = list_parts(file)
        file.write_bytes(b"".join(part.read_bytes() for part in parts))
        for part in parts:
            part.unlink()


def list_parts(file: Path) -> list[Path]:
    """Return the parts of a file in their order."""
    return sorted(file.parent.glob(f"{file.name}.[0-9][0-9][0-9]"))
