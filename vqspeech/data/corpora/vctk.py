"""VCTK (CSTR, Edinburgh), versions 0.80 and 0.92, which the names of their folders tell apart.

0.80 has `wav48/p225/p225_001.wav`, 0.92 has `wav48_silence_trimmed/p225/p225_001_mic1.flac` of two microphones; both
have `txt/p225/p225_001.txt`. Known gaps: p315 has no text, p280 of 0.92 no second microphone, parts of p362 are
missing. Phone labels of HTK in `lab/mono/p225/p225_001.lab`, which others made for 0.80, are taken as alignments.
https://datashare.ed.ac.uk/handle/10283/2651 (0.80), https://datashare.ed.ac.uk/handle/10283/3443 (0.92).
"""

import os
import re
from pathlib import Path

from vqspeech.data.corpora.account import Account, drop_copies, drop_foreign_labels, measure_utterances, read_transcript
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

MICROPHONES = ("mic1", "mic2")
_TRIMMED, _PLAIN = "wav48_silence_trimmed", "wav48"
_STEM = re.compile(r"(?P<id>.+?)(?:_(?P<mic>mic[12]))?")


def prepare(
    corpus: str | os.PathLike[str], mic: str | None = None, nj: int = 1, share: Share | None = None
) -> tuple[DataDir, Account]:
    """Return the utterances of VCTK, and the account of them.

    Args:
        corpus: The folder.
        mic: The microphone, of 0.92 only: mic1 (the default) or mic2.
        nj: Number of processes.
        share: Which of the utterances to read; by default, all.

    Raises:
        CorpusError: The folder is not VCTK, or nothing in it can be used.
    """
    root = require_folder(corpus)
    if mic is not None and mic not in MICROPHONES:
        raise CorpusError(f"no microphone '{mic}' in VCTK; choose {' or '.join(MICROPHONES)}")
    trimmed = (root / _TRIMMED).is_dir()
    wanted = f"{_TRIMMED}/*/*_mic1.flac (0.92) or {_PLAIN}/*/*.wav (0.80)"
    if not trimmed and not (root / _PLAIN).is_dir():
        raise explain_missing_corpus(root, "vctk", wanted)
    if mic and not trimmed:
        raise CorpusError(f"{root}: VCTK 0.80 has one microphone, {mic} is of 0.92; leave --mic out")
    mic = (mic or MICROPHONES[0]) if trimmed else None
    account = Account(f"VCTK {'0.92, ' + str(mic) if mic else '0.80'}")
    if trimmed and (root / _PLAIN).is_dir():
        account.drop(_PLAIN, f"not looked at, {_TRIMMED} is there")
    found = _list_recordings(root / (_TRIMMED if trimmed else _PLAIN), mic, account)
    if not account.recordings:
        raise explain_missing_corpus(root, "vctk", wanted)
    genders = _read_genders(root / "speaker-info.txt")
    texts = _list_by_speaker(root / "txt", ".txt", account)
    for name in sorted(set(texts) - set(found)):
        account.drop(name, "text without a recording")
    labels = _list_by_speaker(root / "lab" / "mono", ".lab", account)
    utterances = [
        Utterance(
            name,
            speaker,
            str(path),
            text=read_transcript(texts[name], name, account) if name in texts else None,
            gender=genders.get(speaker),
            alignment=str(labels[name]) if name in labels else None,
        )
        for name, (speaker, path) in found.items()
    ]
    data = measure_utterances(utterances, account, nj, share)
    return drop_foreign_labels(data, account), account


def _list_by_speaker(top: Path, ending: str, account: Account) -> dict[str, Path]:
    """Return the files by utterance, each from the folder of its speaker; drop those in the folder of another one."""
    found: dict[str, Path] = {}
    for folder in list_folders(top) if top.is_dir() else []:
        for path in sorted(folder.glob(f"*{ending}")):
            if path.name.startswith("."):
                continue
            if path.stem.startswith(f"{folder.name}_"):
                found[path.stem] = path
            else:
                account.drop(str(path.relative_to(top.parent)), f"not named after its speaker ({folder.name}_...)")
    return found


def _list_recordings(folder: Path, mic: str | None, account: Account) -> dict[str, tuple[str, Path]]:
    """Return speaker and file by utterance, of one microphone where the corpus has two."""
    found: dict[str, tuple[str, Path]] = {}
    other: dict[str, str] = {}  # utterances that another microphone recorded
    for speaker in list_folders(folder):
        recordings: list[Path] = []
        for path in sorted(speaker.iterdir()):
            if path.name.startswith("."):
                continue
            if not is_recording(path):
                account.drop(f"{speaker.name}/{path.name}", "not a sound file by its ending")
                continue
            account.recordings += 1
            recordings.append(path)
        for path in drop_copies(recordings, account, folder):
            stem = strip_endings(path.name)
            match = _STEM.fullmatch(stem)
            name, microphone = (match["id"], match["mic"]) if match else (stem, None)
            if not name.startswith(f"{speaker.name}_"):
                account.drop(f"{speaker.name}/{path.name}", f"not named after its speaker ({speaker.name}_...)")
            elif microphone != mic:
                other[name] = f"{speaker.name}/{path.name}"
            else:
                found[name] = (speaker.name, path)
    for name, file in other.items():
        if name not in found:
            account.drop(file, f"no {mic} of it" if mic else "names a microphone, as only 0.92 does")
    return found


def _read_genders(path: Path) -> dict[str, str]:
    """Return gender by speaker, from columns ID AGE GENDER ACCENTS REGION; 0.80 writes the id without its p."""
    genders: dict[str, str] = {}
    if not path.is_file():
        return genders
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split()
        if len(fields) > 2 and fields[2].lower() in ("f", "m"):
            name = f"p{fields[0]}" if fields[0].isdigit() else fields[0]
            genders[name] = fields[2].lower()
    return genders
