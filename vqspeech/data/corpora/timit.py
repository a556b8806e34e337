"""TIMIT (https://catalog.ldc.upenn.edu/LDC93S1).

`TRAIN/DR1/FCJF0/SA1.WAV` is of the training or the test part, of a dialect region, of a speaker whose first letter is
the gender. `SA1.TXT` in the same folder has two sample numbers and the sentence, `SA1.PHN` the phones.

Copies of the corpus differ: names are in upper or in lower case, recordings NIST SPHERE or RIFF, and one copy has
`SA1.WAV.wav` with the same samples as `SA1.WAV`. Ids are Kaldi's, `FCJF0_SA1`, whatever the case.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from vqspeech.data.corpora.account import Account, drop_copies, drop_foreign_labels, measure_utterances, read_transcript
from vqspeech.data.corpora.layout import (
    explain_missing_corpus,
    find_timit_regions,
    is_recording,
    list_folders,
    require_folder,
    strip_endings,
)
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.sharding import Share
from vqspeech.errors import CorpusError

PARTS = ("train", "test")
_SPEAKER = re.compile(r"[FM][A-Z]{3}\d")
_SENTENCE = re.compile(r"S[AIX]\d+")


def prepare(
    corpus: str | os.PathLike[str],
    subsets: Sequence[str] = (),
    sa: bool = True,
    nj: int = 1,
    share: Share | None = None,
) -> tuple[DataDir, Account]:
    """Return the utterances of TIMIT, and the account of them.

    An utterance that is in both parts belongs to the training part alone.

    Args:
        corpus: The folder of `TRAIN` and `TEST`, one above it, one of the two, or a dialect region.
        subsets: Of `PARTS`; by default, all that are there.
        sa: Include the sentences `SA1` and `SA2`, which every speaker reads and most experiments leave out.
        nj: Number of processes.
        share: Which of the utterances to read; by default, all.

    Raises:
        CorpusError: The folder is not TIMIT, or nothing in it can be used.
    """
    root = require_folder(corpus)
    regions: dict[str, list[Path]] = {}
    for region in find_timit_regions(root):
        regions.setdefault(region.parent.name.lower(), []).append(region)
    if not regions:
        raise explain_missing_corpus(root, "timit", "TRAIN/DR1/FCJF0/SA1.WAV or the like, in upper or lower case")
    unknown = [name for name in subsets if name.lower() not in regions]
    if unknown:
        raise CorpusError(f"{root}: no part {', '.join(unknown)}; there are {', '.join(sorted(regions))}")
    # The training part first: what it has, no other may have.
    order = sorted(regions, key=lambda part: (part != PARTS[0], part))
    wanted = [part for part in order if not subsets or part in [name.lower() for name in subsets]]
    account = Account(f"TIMIT {' '.join(wanted)}")
    found: dict[str, Utterance] = {}
    parts: dict[str, str] = {}
    for part in order:
        for speaker in (folder for region in regions[part] for folder in list_folders(region)):
            for utterance in _list_utterances(speaker, sa, account if part in wanted else Account("")):
                owner = parts.setdefault(utterance.id, part)
                if part in wanted and (utterance.id in found or owner != part):
                    account.drop(utterance.path, f"the utterance is in {owner} already")
                elif part in wanted:
                    found[utterance.id] = utterance
    data = measure_utterances(list(found.values()), account, nj, share)
    return drop_foreign_labels(data, account), account


def _list_utterances(folder: Path, sa: bool, account: Account) -> list[Utterance]:
    """Return the utterances of a speaker."""
    speaker = folder.name.upper()
    recordings: list[Path] = []
    beside: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        if is_recording(path):
            account.recordings += 1
            recordings.append(path)
        else:
            beside.setdefault(path.name.upper(), path)
    utterances: list[Utterance] = []
    for path in drop_copies(recordings, account, folder.parent):
        name, sentence = f"{folder.name}/{path.name}", strip_endings(path.name).upper()
        if not _SPEAKER.fullmatch(speaker):
            account.drop(name, "not in the folder of a speaker of TIMIT")
            continue
        if not _SENTENCE.fullmatch(sentence):
            account.drop(name, "no sentence of TIMIT by its name")
            continue
        if sentence.startswith("SA") and not sa:
            account.drop(name, "a sentence that every speaker reads (SA)")
            continue
        utterance = f"{speaker}_{sentence}"
        text, phones = beside.get(f"{sentence}.TXT"), beside.get(f"{sentence}.PHN")
        if phones is None:
            account.note(utterance, "no phone labels (.PHN) in its folder")
        utterances.append(
            Utterance(
                utterance,
                speaker,
                str(path),
                text=read_transcript(text, utterance, account, numbered=True) if text else None,
                gender=speaker[0].lower(),
                alignment=str(phones) if phones else None,
            )
        )
    return utterances
