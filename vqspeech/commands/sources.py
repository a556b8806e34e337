"""The recordings a command works on: files, folders, standard input, or the utterances of a data directory (not a
verb)."""

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vqspeech.commands.arguments import STREAM, positive_int
from vqspeech.data.corpora.layout import list_recordings, list_unusable
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import AudioError
from vqspeech.files import temporary_folder
from vqspeech.jobs import Skipped


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--src`, `--data` and `--limit`."""
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "--src",
        nargs="+",
        metavar="PATH",
        help="sound files; folders of them, with all below; - for standard input; or @LIST, a file with one a line",
    )
    given.add_argument("--data", metavar="DATA", help="data directory")
    parser.add_argument(
        "--limit", type=positive_int, metavar="N", help="only N utterances, spread evenly over the data"
    )


@contextmanager
def open_sources(args: argparse.Namespace, skipped: Skipped) -> Iterator[list[Utterance]]:
    """Give the utterances that `args` name, whose files are there for as long as the block lasts.

    The id of a file is its name without ending, that of a file in a folder its path there; where that is the id of
    another one too, with the ending. Speakers are not known (empty). What looks like a recording in a folder and is not
    read goes to `skipped`.

    Raises:
        AudioError: Two files would have one id, a list or standard input cannot be read, or a folder holds none.
    """
    with ExitStack() as stack:
        if args.data:
            found = list(DataDir.read(args.data))
        else:
            paths = [path for given in args.src for path in _listed(given)]
            if paths.count(STREAM) > 1:
                raise AudioError("standard input (-) is named twice; name it once")
            named = [pair for path in paths for pair in _named(path, stack, skipped)]
            found = [Utterance(name, "", path) for name, path in _told_apart(named)]
        if args.limit and args.limit < len(found):
            found = [found[i * len(found) // args.limit] for i in range(args.limit)]
        yield found


def is_single_recording(args: argparse.Namespace, found: list[Utterance]) -> bool:
    """Return whether `found` is one recording that was named itself, not a folder or data directory that holds one."""
    return len(found) == 1 and not args.data and not any(os.path.isdir(path) for path in args.src)


def _named(path: str, stack: ExitStack, skipped: Skipped) -> list[tuple[str, str]]:
    """(id, path) of what `path` names."""
    if path == STREAM:
        folder = stack.enter_context(temporary_folder(Path(tempfile.gettempdir()) / "vqspeech-input"))
        return [("stdin", _spool_input(folder / "standard-input"))]
    if not os.path.isdir(path):
        return [(Path(path).stem, path)]
    inside = [(file.relative_to(path).with_suffix("").as_posix(), str(file)) for file in list_recordings(Path(path))]
    for other, reason in list_unusable(Path(path)):
        skipped.add(str(other), reason)
    if not inside:
        raise AudioError(f"{path}: no sound files in this folder; give the folder of the recordings")
    return inside


def _told_apart(named: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The same, with its ending behind an id that is not the only one of its kind."""
    counts = Counter(name for name, _ in named)
    full = [(name if counts[name] == 1 else name + Path(path).suffix, path) for name, path in named]
    counts = Counter(name for name, _ in full)
    for (given, _), (name, path) in zip(named, full, strict=True):
        if counts[name] > 1:
            raise AudioError(f"several files are named {given}; give a folder that holds both, as one --src, instead")
        yield name, path


def _spool_input(path: Path) -> str:
    """Keeps standard input in a file: sound is read more than once, and not from its beginning to its end."""
    if sys.stdin is None or sys.stdin.isatty():
        raise AudioError("standard input (-) is a terminal; send a WAV or FLAC file to it: ... < FILE")
    with open(path, "wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
    return str(path)


def _listed(given: str) -> list[str]:
    if not given.startswith("@"):
        return [given]
    try:
        # Paths are bytes; those that are no text are kept as they are.
        text = Path(given[1:]).read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise AudioError(f"{given[1:]}: no list of files that can be read ({error})") from None
    if "\0" in text:
        raise AudioError(f"{given[1:]}: no list of files, it holds zeros; save it as UTF-8 text, a path on each line")
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    paths = [line if os.path.lexists(line) else line.strip() for line in lines if line.strip()]
    if not paths:
        raise AudioError(f"{given[1:]}: an empty list; write the path of a sound file on each line")
    return paths
