"""A folder per speaker, `DIR/SPEAKER/**/*.wav` (or flac, ogg, mp3 ...), with optional transcripts: `a.txt` for `a.wav`.

A recording that is there twice, in two formats or under a longer name, is taken once.
"""

import os
import re
from pathlib import Path

from vqspeech.data.corpora.account import Account, drop_copies, measure_utterances, read_transcript
from vqspeech.data.corpora.layout import (
    detect_other_corpus,
    explain_missing_corpus,
    is_recording,
    list_folders,
    list_recordings,
    list_unusable,
    make_id,
    require_folder,
    strip_endings,
)
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.sharding import Share
from vqspeech.errors import CorpusError

_MICROPHONE = re.compile(r"(.+)_mic[2-9]")


def prepare(corpus: str | os.PathLike[str], nj: int = 1, share: Share | None = None) -> tuple[DataDir, Account]:
    """Return the utterances below a folder, and the account of it.

    The id of an utterance is `SPEAKER-` and its path below the speaker's folder without the ending, with `/` as `-` and
    blanks as `_`.

    Raises:
        CorpusError: No folder of a speaker holds a recording, none can be read, or two folders name the same speaker.
    """
    root = require_folder(corpus)
    other = detect_other_corpus(root, "folder")
    if other:
        kind, whole = other
        fix = f"prepare it as that: vqspeech prepare {kind} --corpus {whole}"
        raise CorpusError(
            f"{root}: this is {kind}, whose folders are not speakers or whose text is in other files; {fix}"
        )
    account = Account(f"folder {root.name}")
    utterances: dict[str, Utterance] = {}
    speakers: dict[str, str] = {}
    for folder in list_folders(root):
        speaker = make_id(folder.name)
        if speaker in speakers:
            both = f"'{speakers[speaker]}' and '{folder.name}'"
            raise CorpusError(f"{root}: the folders {both} are both speaker '{speaker}'; rename one")
        speakers[speaker] = folder.name
        for path in _list_once(folder, root, account):
            name = f"{speaker}-{make_id('-'.join((*path.parent.relative_to(folder).parts, strip_endings(path.name))))}"
            if name in utterances:
                account.drop(str(path.relative_to(root)), "another file has the same utterance id")
            else:
                utterances[name] = Utterance(name, speaker, str(path), text=_find_text(path, name, account))
    for path, reason in list_unusable(root):
        account.recordings += path.is_file()
        name = str(path.relative_to(root))
        account.drop(name if name.isprintable() else ascii(name), reason)
    if not account.recordings:
        raise explain_missing_corpus(
            root, "folder", "SPEAKER/**/*.wav, .flac, .ogg, .mp3 or the like, one folder a speaker"
        )
    for path in sorted(root.iterdir()):
        if path.is_file() and is_recording(path) and not path.name.startswith("."):
            account.recordings += 1
            account.drop(path.name, "in no speaker's folder")
    return measure_utterances(list(utterances.values()), account, nj, share), account


def _list_once(folder: Path, root: Path, account: Account) -> list[Path]:
    """Return each recording of a speaker once; of the microphones of VCTK (`a_mic1`, `a_mic2`), the first."""
    fitting: list[Path] = []
    for path in list_recordings(folder):
        account.recordings += 1
        if _fits_a_table(str(path)):
            fitting.append(path)
        else:
            account.drop(ascii(path.name), "a path with line ends or odd bytes; rename it")
    chosen = {path.parent / strip_endings(path.name): path for path in drop_copies(fitting, account, root)}
    for recording, path in list(chosen.items()):
        microphone = _MICROPHONE.fullmatch(recording.name)
        if microphone and recording.with_name(f"{microphone[1]}_mic1") in chosen:
            account.drop(str(path.relative_to(root)), "another microphone of a recording that is there")
            del chosen[recording]
    return list(chosen.values())


def _find_text(path: Path, name: str, account: Account) -> str | None:
    """Return the transcript of a recording, with the ending in either case.

    Where labels of TIMIT's kind are there too, the sample numbers before the words are removed.
    """
    beside = {ending: path.with_name(strip_endings(path.name) + ending) for ending in (".txt", ".TXT", ".phn", ".PHN")}
    there = [file for ending, file in beside.items() if ending.lower() == ".txt" and file.is_file()]
    numbered = any(file.is_file() for ending, file in beside.items() if ending.lower() == ".phn")
    return read_transcript(there[0], name, account, numbered) if there else None


def _fits_a_table(path: str) -> bool:
    return path.isprintable() and path == path.strip()
