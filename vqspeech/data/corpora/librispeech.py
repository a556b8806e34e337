"""LibriSpeech (https://www.openslr.org/12), any of its subsets.

Recordings are `SUBSET/1089/134686/1089-134686-0000.flac`, with transcripts in `1089-134686.trans.txt` of the same
folder and genders in `SPEAKERS.TXT`. Its utterance ids begin with the speaker already.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from vqspeech.data.corpora.account import Account, drop_copies, measure_utterances
from vqspeech.data.corpora.layout import (
    explain_missing_corpus,
    is_recording,
    list_folders,
    require_folder,
    strip_endings,
)
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.sharding import Share
from vqspeech.errors import CorpusError

_SPEAKERS = "SPEAKERS.TXT"


def prepare(
    corpus: str | os.PathLike[str], subsets: Sequence[str] = (), nj: int = 1, share: Share | None = None
) -> tuple[DataDir, Account]:
    """Return the utterances of LibriSpeech, and the account of them.

    Args:
        corpus: The folder of SPEAKERS.TXT and the subsets, or one subset.
        subsets: Which of them; by default, all.
        nj: Number of processes.
        share: Which of the utterances to read; by default, all.

    Raises:
        CorpusError: The folder is neither, or nothing in it can be used.
    """
    root = require_folder(corpus)
    wanted = "train-clean-100/103/1240/*.flac or other such subsets, or 103/1240/*.flac of one"
    if _is_subset(root):
        chosen, top = [root], root.parent
        if subsets and list(subsets) != [root.name]:
            raise CorpusError(f"{root}: is one subset, {root.name}; leave the choice of subsets out")
    else:
        top = root
        there = {folder.name: folder for folder in list_folders(root) if _is_subset(folder)}
        if not there:
            raise explain_missing_corpus(root, "librispeech", wanted)
        unknown = [name for name in subsets if name not in there]
        if unknown:
            raise CorpusError(f"{root}: no subset {', '.join(unknown)}; there are {', '.join(there)}")
        chosen = [there[name] for name in subsets] or list(there.values())
    account = Account(f"LibriSpeech {' '.join(folder.name for folder in chosen)}")
    genders = _read_genders(top / _SPEAKERS)
    found: dict[str, Utterance] = {}
    for subset in chosen:
        for chapter in (chapter for speaker in list_folders(subset) for chapter in list_folders(speaker)):
            for utterance in _read_chapter(chapter, genders, account):
                if utterance.id in found:
                    account.drop(utterance.path, "the utterance is in another subset too")
                else:
                    found[utterance.id] = utterance
    if not account.recordings:
        raise explain_missing_corpus(root, "librispeech", wanted)
    return measure_utterances(list(found.values()), account, nj, share), account


def _is_subset(path: Path) -> bool:
    speakers = (folder for folder in list_folders(path) if folder.name.isdigit())
    return any(chapter.name.isdigit() for speaker in speakers for chapter in list_folders(speaker))


def _read_chapter(folder: Path, genders: dict[str, str], account: Account) -> list[Utterance]:
    speaker = folder.parent.name
    texts = _read_transcripts(folder / f"{speaker}-{folder.name}.trans.txt", account)
    recordings: list[Path] = []
    utterances: list[Utterance] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith(".trans.txt"):
            continue
        if not is_recording(path):
            account.drop(path.name, "not a sound file by its ending")
            continue
        account.recordings += 1
        recordings.append(path)
    for path in drop_copies(recordings, account, folder):
        name = strip_endings(path.name)
        if not name.startswith(f"{speaker}-{folder.name}-"):
            account.drop(path.name, "not named SPEAKER-CHAPTER-NUMBER after its folders")
            continue
        text = texts.pop(name, None)
        utterances.append(Utterance(name, speaker, str(path), text=text, gender=genders.get(speaker)))
    for name in texts:
        account.drop(name, "transcript without a recording")
    return utterances


def _read_transcripts(path: Path, account: Account) -> dict[str, str]:
    texts: dict[str, str] = {}
    if not path.is_file():
        return texts
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        fields = line.split()
        if len(fields) > 1:
            texts[fields[0]] = " ".join(fields[1:])
        elif fields:
            account.note(fields[0], "the transcript is empty")
    return texts


def _read_genders(path: Path) -> dict[str, str]:
    """Return gender by speaker, from lines `14   | F | train-clean-360  | 25.03 | Kristin LeMoine`."""
    genders: dict[str, str] = {}
    if not path.is_file():
        return genders
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        fields = [part.strip() for part in line.split("|")]
        if len(fields) > 1 and fields[1].lower() in ("f", "m"):
            genders[fields[0]] = fields[1].lower()
    return genders
