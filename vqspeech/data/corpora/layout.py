"""What a corpus folder holds: its recordings, and which corpus it may be."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from vqspeech import audio
from vqspeech.errors import AudioError, CorpusError
from vqspeech.soundfiles import ffmpeg
from vqspeech.soundfiles.containers import begins_sound
from vqspeech.soundfiles.reader import ENDINGS, HEADERLESS, is_readable

_LOSSY = {".ogg", ".opus", ".mp1", ".mp2", ".mp3", ".mpga", ".oga", *ffmpeg.ENDINGS} - {
    ".ape",
    ".shn",
    ".tak",
    ".tta",
    ".wv",
}
_TEXTS = (".ctm", ".csv", ".json", ".lab", ".md", ".phn", ".phones", ".textgrid", ".tsv", ".txt", ".wrd", ".xml")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z")
_VCTK = ("wav48_silence_trimmed", "wav48")
_VCTK_SPEAKER = re.compile(r"p\d{3}|s5")
_TITLES = {
    "vctk": "VCTK", "librispeech": "LibriSpeech", "timit": "TIMIT", "folder": "folder of a speaker with recordings",
}  # fmt: skip
_LIBRISPEECH = ("train-", "dev-", "test-")
_TIMIT_REGION, _TIMIT_SPEAKER = re.compile(r"DR[1-8]", re.IGNORECASE), re.compile(r"[FM][A-Z]{3}\d", re.IGNORECASE)
_TIMIT_DEPTH = 4


def require_folder(corpus: str | os.PathLike[str]) -> Path:
    """Return the corpus folder as an absolute path.

    Raises:
        CorpusError: It does not exist, or is an archive or another file.
    """
    path = Path(os.path.abspath(corpus))
    if path.is_file():
        fix = "unpack it and give the folder" if path.suffix.lower() in _ARCHIVES else "give the corpus folder"
        raise CorpusError(f"{path}: is a file; {fix}")
    if not path.is_dir():
        raise CorpusError(f"{path}: no such folder; give the folder that the corpus was unpacked into")
    return path


def list_folders(path: Path) -> list[Path]:
    """Return the folders in `path`, sorted, without hidden ones."""
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def walk_files(path: Path) -> Iterator[Path]:
    """Yield all files below `path` in order, through links, without loops and hidden files (`._a.wav` of macOS)."""
    visited: set[str] = set()
    for folder, names, here in os.walk(path, followlinks=True):
        real = os.path.realpath(folder)
        names[:] = sorted(name for name in names if not name.startswith(".")) if real not in visited else []
        if real not in visited:
            yield from (Path(folder, name) for name in sorted(here) if not name.startswith("."))
        visited.add(real)


def is_recording(path: Path) -> bool:
    """Return whether a file has the ending of a sound file that can be read."""
    return is_readable(path.suffix)


def list_recordings(path: Path) -> Iterator[Path]:
    """Yield all sound files below `path`, by their endings, in order."""
    return filter(is_recording, walk_files(path))


def list_unusable(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield what looks like a recording below `path` but is not one of `list_recordings`, with reason and fix."""
    taken: set[Path] = set()
    for file in walk_files(path):
        if is_recording(file):
            taken.update(file.parents)
        elif file.suffix.lower() in ffmpeg.ENDINGS:
            fix = "pip install 'vqspeech[video]', or convert each: ffmpeg -i FILE FILE.wav"
            yield file, f"of a kind that only ffmpeg reads, which is not here; {fix}"
        elif file.suffix.lower() in HEADERLESS:
            yield file, "samples without a header; convert each: ffmpeg -f s16le -ar RATE -ac 1 -i FILE FILE.wav"
        elif file.suffix.lower() not in _TEXTS and _begins_sound(file):
            yield file, "a sound file by its first bytes, not by its ending; rename it"
    for folder, names, _ in os.walk(path):
        for name in sorted(names):
            inner = Path(folder, name)
            if inner not in taken and not name.startswith(".") and inner.suffix.lower() in (*ENDINGS, *ffmpeg.ENDINGS):
                yield inner, "a folder without recordings, named like one; move or delete it"


def _begins_sound(path: Path) -> bool:
    try:
        return path.is_file() and begins_sound(path)
    except OSError:
        return False


def strip_endings(name: str) -> str:
    """Return the name of a file without its endings of sound files: `SA1.WAV.wav`, a well-known copy, becomes `SA1`."""
    path = Path(name)
    while path.suffix.lower() in (*ENDINGS, *ffmpeg.ENDINGS):
        path = Path(path.stem)
    return path.stem if path.name == name else path.name


def choose_copy(copies: Sequence[Path]) -> Path:
    """Return the file to take of several that hold the same recording.

    Of those that can be read: a lossless one, then the one with the fewest endings.
    """
    copies = sorted(copies, key=lambda path: (path.suffix.lower() in _LOSSY, len(path.suffixes), path.name))
    return next((path for path in copies[:-1] if _can_open(path)), copies[-1])


def _can_open(path: Path) -> bool:
    try:
        audio.info(path)
    except AudioError:
        return False
    return True


def make_id(name: str) -> str:
    """Return the name of a folder as an id, without blanks."""
    return "_".join(name.split())


def find_timit_regions(path: Path) -> list[Path]:
    """Return the folders of TIMIT's dialect regions, `DR1` to `DR8`, at or below `path`, that hold speakers."""
    level = [path]
    for _ in range(_TIMIT_DEPTH + 1):
        regions = [folder for folder in level if _TIMIT_REGION.fullmatch(folder.name) and _list_timit_speakers(folder)]
        if regions:
            return regions
        # Many folders are the speakers of another corpus: not worth a search.
        level = [inner for folder in level for inner in list_folders(folder)] if len(level) <= 16 else []
    return []


def _list_timit_speakers(path: Path) -> list[Path]:
    return [folder for folder in list_folders(path) if _TIMIT_SPEAKER.fullmatch(folder.name)]


def detect_other_corpus(path: Path, name: str) -> tuple[str, Path] | None:
    """Return the corpus other than `name` that the folder is, or is part of, and its folder; None if there is none.

    Names are those of the command line.
    """
    if path.name in _VCTK and any(_VCTK_SPEAKER.fullmatch(folder.name) for folder in list_folders(path)):
        return "vctk", path.parent
    kind = _detect_kind(path)
    return (kind, path) if kind and kind != name else None


def explain_missing_corpus(corpus: Path, name: str, wanted: str) -> CorpusError:
    """Return the error that a folder is not the corpus `name`: what was wanted, what is there instead, the fix."""
    entries = sorted(entry.name + "/" * entry.is_dir() for entry in corpus.iterdir() if not entry.name.startswith("."))
    there = ", ".join(entries[:8]) + (f", ... ({len(entries)} in all)" if len(entries) > 8 else "") or "nothing"
    return CorpusError(
        f"{corpus}: no {_TITLES.get(name, name)} here: looked for {wanted}; there is {there}; {_advise(corpus, name)}"
    )


def _detect_kind(path: Path) -> str | None:
    """Return which corpus the folder itself is, as the command line names it."""
    try:
        names = [folder.name for folder in list_folders(path)]
    except OSError:
        return None
    if any(name in _VCTK for name in names):
        return "vctk"
    subsets = [name for name in names if name.startswith(_LIBRISPEECH)]
    for subset in (".", *subsets):
        if any(True for _ in (path / subset).glob("[0-9]*/[0-9]*/*.trans.txt")):
            return "librispeech"
    return "timit" if find_timit_regions(path) else None


def _advise(path: Path, name: str) -> str:
    kind = _detect_kind(path)
    if kind and kind != name:
        return f"this is {_TITLES[kind]}: vqspeech prepare {kind} --corpus {path}"
    for where, nearby in (("further down", list_folders(path)), ("above", path.parents[:3])):
        kinds = {folder: kind for folder in nearby if (kind := _detect_kind(folder))}
        for folder, kind in sorted(kinds.items(), key=lambda item: item[1] != name):
            command = "give" if kind == name else f"vqspeech prepare {kind}"
            return f"{_TITLES[kind]} is in the folder {where}: {command} --corpus {folder}"
    archives = sorted(entry.name for entry in path.iterdir() if entry.suffix.lower() in _ARCHIVES)
    if archives:
        return f"unpack {archives[0]} first"
    first = next(list_recordings(path), None)
    if first is None:
        return "there is no sound file below it; check the path, or download the corpus again"
    if _detect_kind(path) == name:
        return "check that it was unpacked completely"
    move = f"move the recordings of each speaker into one folder: {path / 'SPEAKER' / first.name}"
    by_speaker = f"for recordings in one folder per speaker: vqspeech prepare folder --corpus {path}"
    return by_speaker if len(first.relative_to(path).parts) > 1 else move
