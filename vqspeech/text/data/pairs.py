"""Sentence pairs: two text files, plain or gzip, whose lines of the same number translate each other."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqspeech.errors import CorpusError


@dataclass(frozen=True)
class SentencePairs:
    """Sentences and their translations, in order.

    Attributes:
        source: The sentences.
        target: The translation of each.
        dropped: How many pairs were left out, by reason.
    """

    source: Sequence[str]
    target: Sequence[str]
    dropped: dict[str, int]

    def __len__(self) -> int:
        return len(self.source)

    @property
    def fingerprint(self) -> str:
        """Hash of all lines."""
        digest = hashlib.sha256()
        for pair in zip(self.source, self.target, strict=True):
            digest.update("\t".join(pair).encode() + b"\n")
        return digest.hexdigest()


def decode_line(line: bytes) -> str | None:
    """Return the text of a line without its end (LF or CR LF) and without spaces around it; None if not UTF-8."""
    try:
        return line.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None


def read_lines(path: str | Path) -> list[str | None]:
    """Return the lines of a text file, plain or gzip, as `decode_line` does; only LF separates lines.

    Raises:
        CorpusError: It cannot be read.
    """
    try:
        data = Path(path).read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"{path}: cannot be read ({error}); name a text file, plain or gzip") from None
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [decode_line(line) for line in (lines[:-1] if not lines[-1] else lines)]


def read_pairs(files: Iterable[tuple[str | Path, str | Path]]) -> SentencePairs:
    """Read pairs of files. Pairs with a line that is empty or not UTF-8 are left out and counted.

    Raises:
        CorpusError: A file cannot be read, two files differ in their number of lines, or no pair is left.
    """
    source: list[str] = []
    target: list[str] = []
    dropped = {"empty": 0, "not UTF-8": 0}
    names = []
    for first, second in files:
        sides = read_lines(first), read_lines(second)
        if len(sides[0]) != len(sides[1]):
            raise CorpusError(
                f"{first} has {len(sides[0])} lines, {second} {len(sides[1])}; lines of the same number translate each "
                "other, so give two files of one length"
            )
        names.append(f"{first}, {second}")
        for one, other in zip(*sides, strict=True):
            if one is None or other is None:
                dropped["not UTF-8"] += 1
            elif not one or not other:
                dropped["empty"] += 1
            else:
                source.append(one)
                target.append(other)
    if not source:
        raise CorpusError(f"{'; '.join(names)}: no pair of lines with text; give text in UTF-8, a sentence a line")
    return SentencePairs(source, target, dropped)
