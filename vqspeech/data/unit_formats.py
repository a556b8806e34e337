"""How codes of utterances are written to a file: as lines, as JSON lines, or as Parquet, by the ending of its name.

units.txt (any other ending)    a-1 7 7 3                         what fairseq and textless tools read
units.jsonl                     {"id": "a-1", "codes": [7, 7, 3]}
units.parquet                   columns id (string), codes (list of unsigned integers); needs the extra `parquet`
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vqspeech.errors import UnitsError
from vqspeech.extras import import_extra

Codes = Mapping[str, np.ndarray]
"""Codes by utterance id."""


class Row(NamedTuple):
    """An utterance in a file: where it is, for messages, its id, and its codes, which are not checked yet."""

    where: str
    id: str
    codes: Sequence[int] | np.ndarray


class Format(NamedTuple):
    """A way to write codes: `write` gives a function that adds those of some utterances to a new file."""

    write: Callable[[Path], AbstractContextManager[Callable[[Codes], Any]]]
    read: Callable[[Path], Iterator[Row]]


def find_format(path: str | os.PathLike[str]) -> Format:
    """Return the format of a file by its name.

    Raises:
        MissingExtra: It is Parquet, and pyarrow is not installed.
    """
    ending = Path(path).suffix.lower()
    if ending == ".parquet":
        import_extra("pyarrow", "parquet")
        return Format(_write_parquet, _read_parquet)
    return Format(_write_json, _read_json) if ending == ".jsonl" else Format(_write_lines, _read_lines)


def format_line(name: str, codes: np.ndarray) -> str:
    """Return an utterance as a line, with its end."""
    return f"{name} {' '.join(map(str, codes.tolist()))}\n"


@contextmanager
def _write_lines(path: Path) -> Iterator[Callable[[Codes], Any]]:
    with open(path, "wb") as file:
        yield lambda part: file.writelines(format_line(name, codes).encode() for name, codes in part.items())


def _read_lines(path: Path) -> Iterator[Row]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnitsError(f"{path}: not text; give the file that vqspeech encode wrote") from None
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        name, *fields = line.split() or [""]
        if not name and number == len(lines):
            return
        if not name:
            raise UnitsError(f"{path}:{number}: empty line; delete it")
        try:
            yield Row(f"{path}:{number}", name, [int(field) for field in fields])
        except ValueError:
            raise UnitsError(f"{path}:{number}: '{name}' has codes that are not integers; encode it again") from None


@contextmanager
def _write_json(path: Path) -> Iterator[Callable[[Codes], Any]]:
    with open(path, "wb") as file:
        yield lambda part: file.writelines(
            f"{json.dumps({'id': name, 'codes': codes.tolist()}, ensure_ascii=False)}\n".encode()
            for name, codes in part.items()
        )


def _read_json(path: Path) -> Iterator[Row]:
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                name, codes = row["id"], row["codes"]
            except (ValueError, KeyError, TypeError, RecursionError):
                fix = "write lines as vqspeech encode does"
                raise UnitsError(f'{path}:{number}: not {{"id": …, "codes": […]}}; {fix}') from None
            if not isinstance(name, str) or not isinstance(codes, list) or {*map(type, codes)} - {int}:
                raise UnitsError(f"{path}:{number}: {name!r} has codes that are not integers; encode it again")
            yield Row(f"{path}:{number}", name, codes)


@contextmanager
def _write_parquet(path: Path) -> Iterator[Callable[[Codes], Any]]:
    arrow, parquet = import_extra("pyarrow", "parquet"), import_extra("pyarrow.parquet", "parquet")
    schema = arrow.schema([("id", arrow.string()), ("codes", arrow.list_(arrow.uint32()))])
    with parquet.ParquetWriter(path, schema) as writer:

        def write(part: Codes) -> None:
            ends = np.cumsum([0, *map(len, part.values())])
            flat = np.concatenate(list(part.values())).astype(np.uint32)
            codes = arrow.LargeListArray.from_arrays(ends, flat).cast(schema.field("codes").type)
            writer.write_table(arrow.table([arrow.array(list(part), arrow.string()), codes], schema=schema))

        yield write


def _read_parquet(path: Path) -> Iterator[Row]:
    arrow, parquet = import_extra("pyarrow", "parquet"), import_extra("pyarrow.parquet", "parquet")
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["id", "codes"]):
                names, lists = batch.column("id"), batch.column("codes")
                if not (arrow.types.is_list(lists.type) and arrow.types.is_integer(lists.type.value_type)):
                    raise UnitsError(f"{path}: the column codes is {lists.type}, not lists of integers; encode again")
                for name, codes in zip(names.to_pylist(), lists, strict=True):
                    number += 1
                    found = np.zeros(0, int) if codes.values is None else codes.values.to_numpy(zero_copy_only=False)
                    yield Row(f"{path}: row {number}", str(name), found)
    except (arrow.ArrowException, OSError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UnitsError(f"{path}: cannot be read as Parquet with columns id and codes ({reason})") from None
