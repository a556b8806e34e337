"""Files in parts, for a machine that hands back files of limited size."""

from pathlib import Path


def split_file(file: Path, size: int) -> None:
    """Write a file as FILE.000, FILE.001 … of at most `size` bytes, and remove it: cat FILE.* puts it together."""
    data = file.read_bytes()
    for number, first in enumerate(range(0, len(data), size)):
        Path(f"{file}.{number:03d}").write_bytes(data[first : first + size])
    file.unlink()
