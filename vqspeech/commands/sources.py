"""Sources of commands: files, folders, standard input, or the utterances of a data directory (not a verb)."""

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vqspeech.commands.arguments import STREAM, positive_int
from vqspeech.data.corpora.layout import list_recordings, list_unusable
from vqspeech.data.datadir import Utterance
from vqspeech.data.sources import KINDS, read_data
from vqspeech.errors import AudioError
from vqspeech.files import temporary_folder
from vqspeech.jobs import Skipped
from vqspeech.storage import sort_by_place


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--src`, `--data` and `--limit`."""
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "--src",
        nargs="+",
        metavar="PATH",
        help="sound files; folders, with all files below; - for standard input; or @LIST, a file with a path per line",
    )
    given.add_argument("--data", metavar="DATA", help=KINDS)
    parser.add_argument("--limit", type=positive_int, metavar="N", help="only N utterances, spread evenly")


@contextmanager
def open_sources(args: argparse.Namespace, skipped: Skipped) -> Iterator[Collection[Utterance]]:
    """Yield the utterances that `args` names; temporary files are deleted at the end of the block.

    With `args.shard` a data directory is yielded as it is, so that those of other shards are not made.

    The id of a file is its name without ending; that of a file in a folder is its path below it. Where two files have
    the same id, the ending is added. The speaker of a file is empty. Files in a folder that look like recordings but
    are not read are added to `skipped`.

    Raises:
        AudioError: Two files have the same id, a list or standard input cannot be read, or a folder has no sound file.
    """
    with ExitStack() as stack:
        if args.data:
            data = read_data(args.data, skipped)
            if getattr(args, "shard", None) and not args.limit:
                yield data
                return
            found = sort_by_place(data, lambda one: one.path)
        else:
            paths = [path for given in args.src for path in _expand_list(given)]
            if paths.count(STREAM) > 1:
                raise AudioError("standard input (-) is named twice; name it once")
            named = [pair for path in paths for pair in _resolve_path(path, stack, skipped)]
            found = [Utterance(name, "", path) for name, path in _make_unique(named)]
        if args.limit and args.limit < len(found):
            found = [found[i * len(found) // args.limit] for i in range(args.limit)]
        yield found


def is_single_recording(args: argparse.Namespace, found: list[Utterance]) -> bool:
    """Return whether `found` is a single recording that was named itself, not by a folder or data directory."""
    return len(found) == 1 and not args.data and not any(os.path.isdir(path) for path in args.src)


def _resolve_path(path: str, stack: ExitStack, skipped: Skipped) -> list[tuple[str, str]]:
    """Return (id, path) of every recording that `path` names."""
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


def _make_unique(named: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield (id, path), with the ending added to ids that occur more than once."""
    counts = Counter(name for name, _ in named)
    full = [(name if counts[name] == 1 else name + Path(path).suffix, path) for name, path in named]
    counts = Counter(name for name, _ in full)
    for (given, _), (name, path) in zip(named, full, strict=True):
        if counts[name] > 1:
            raise AudioError(f"several files are named {given}; give one folder that contains them as --src")
        yield name, path


def _spool_input(path: Path) -> str:
    """Copy standard input to a file, because sound is read more than once and not in order."""
    if sys.stdin is None or sys.stdin.isatty():
        raise AudioError("standard input (-) is a terminal; send a WAV or FLAC file to it: ... < FILE")
    with open(path, "wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
    return str(path)


def _expand_list(given: str) -> list[str]:
    if not given.startswith("@"):
        return [given]
    try:
        # Paths are bytes; those that are not valid text are kept as they are.
        text = Path(given[1:]).read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise AudioError(f"{given[1:]}: cannot be read as a list of files ({error})") from None
    if "\0" in text:
        raise AudioError(
            f"{given[1:]}: not a list of files, it contains zero bytes; save it as UTF-8 text, a path per line"
        )
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    paths = [line if os.path.lexists(line) else line.strip() for line in lines if line.strip()]
    if not paths:
        raise AudioError(f"{given[1:]}: an empty list; write a path of a sound file per line")
    return paths
