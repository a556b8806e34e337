"""What a corpus holds, what was kept of it, and what was dropped and why."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vqspeech import audio
from vqspeech.data import alignment
from vqspeech.data.corpora.layout import choose_copy, strip_endings
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.sharding import Share
from vqspeech.data.tables import find_unsorted
from vqspeech.errors import SOME_SKIPPED, AlignmentError, CorpusError
from vqspeech.jobs import Skipped, run_jobs

_EXAMPLES = 3
_NUMBERS = re.compile(r"^\s*\d+\s+\d+\s+")
_SLACK = 0.05
"""Seconds by which the last label may end after the recording."""


@dataclass
class Account:
    """The account of a corpus.

    Attributes:
        corpus: Name of the corpus.
        recordings: Number of recordings in it.
        data: The utterances that were kept.
        dropped: Names of what was dropped, by reason.
        notes: Names of kept utterances with something noteworthy, by remark.
        unreadable: Recordings that cannot be read, each with the error.
    """

    corpus: str
    recordings: int = 0
    data: DataDir = field(default_factory=DataDir)
    dropped: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    unreadable: Skipped = field(default_factory=Skipped)

    def drop(self, name: str, reason: str) -> None:
        """Count `name` as dropped."""
        self.dropped.setdefault(reason, []).append(name)

    def note(self, name: str, what: str) -> None:
        """Add a remark to `name`, which is kept."""
        self.notes.setdefault(what, []).append(name)

    def summary(self) -> str:
        """Return the account in lines: what was kept; how many were dropped for each reason, with examples; remarks."""
        lines = [f"{self.corpus}: found {self.recordings} recordings", f"kept {self.data.summary()}"]
        dropped = self.dropped | ({"cannot be read": list(self.unreadable.reasons)} if self.unreadable.reasons else {})
        lines += [f"dropped {len(names)}: {reason} ({_list_examples(names)})" for reason, names in dropped.items()]
        lines += [f"note {len(names)}: {what} ({_list_examples(names)})" for what, names in self.notes.items()]
        return "\n".join(lines)

    def counts(self) -> dict[str, Any]:
        """Return the account as numbers: of recordings, of what was kept, dropped and noted; what cannot be read."""
        dropped, notes = ({what: len(names) for what, names in one.items()} for one in (self.dropped, self.notes))
        found = {"corpus": self.corpus, "recordings": self.recordings, **self.data.counts}
        return {**found, "dropped": dropped, "notes": notes, "skipped": self.unreadable.reasons}

    def exit_status(self) -> int:
        """Return `SOME_SKIPPED` where a recording could not be read, else 0."""
        return SOME_SKIPPED if self.unreadable.reasons else 0


def drop_copies(paths: Iterable[Path], account: Account, top: Path) -> list[Path]:
    """Return each recording once: of copies in one folder, the best that can be read.

    Copies are `a.WAV` and `a.WAV.wav`, or `a.wav` and `a.flac`. The others are dropped, under their path below `top`.
    """
    copies: dict[Path, list[Path]] = {}
    for path in paths:
        copies.setdefault(path.parent / strip_endings(path.name), []).append(path)
    chosen = [choose_copy(some) for some in copies.values()]
    for best, some in zip(chosen, copies.values(), strict=True):
        for copy in some:
            if copy != best:
                account.drop(str(copy.relative_to(top)), "a copy of a recording that is there")
    return chosen


def measure_utterances(
    utterances: list[Utterance], account: Account, nj: int = 1, share: Share | None = None
) -> DataDir:
    """Return the data directory of utterances, with their length, where it is unknown, from the header of each file.

    Unreadable recordings are counted in the account and left out; utterances without text and speakers without gender
    are noted.

    Args:
        utterances: As found in the corpus.
        account: Where all of this is written.
        nj: Number of processes.
        share: Which of the utterances to read; by default, all.

    Raises:
        CorpusError: Nothing is left.
    """
    if share is not None:
        utterances = share.select(utterances)
        account.unreadable = share.skipped
    kept: list[Utterance] = []
    for utterance, seconds, error in run_jobs(_read_length, utterances, nj, "headers"):
        if error is not None:
            account.unreadable.add(utterance.path, error)
        else:
            kept.append(seconds)
    if not kept:
        reasons = list(account.unreadable.reasons.values())
        dropped = "; ".join(f"{len(names)} {reason}" for reason, names in account.dropped.items())
        why = f"the first: {reasons[0]}" if reasons else dropped or "none is laid out as expected"
        raise CorpusError(
            f"none of {account.recordings} recordings of {account.corpus} can be used ({why}); see to that first"
        )
    account.data = DataDir(kept)
    for _, name in find_unsorted({one.id: one.speaker for one in account.data}):
        account.note(
            name, "utterances that are not sorted by speaker, which Kaldi rejects: rename the speaker's folder"
        )
    spelled: dict[str, str] = {}
    for one in account.data:
        if spelled.setdefault(one.id.casefold(), one.id) != one.id:
            account.note(one.id, "ids that differ from another in letter case alone, which not every disk tells apart")
        if one.text is None:
            account.note(one.id, "utterances without text, kept without transcript")
    for speaker, some in account.data.by_speaker.items():
        if some[0].gender is None:
            account.note(speaker, "speakers without known gender")
    return account.data


def drop_foreign_labels(data: DataDir, account: Account) -> DataDir:
    """Return the data without phone labels that cannot be read or end after their recording.

    Labels made for another version of a recording do.
    """
    kept: list[Utterance] = []
    for utterance in data:
        fault = _find_label_fault(utterance)
        if fault:
            account.note(utterance.id, f"phone labels {fault} (left out)")
        kept.append(replace(utterance, alignment=None) if fault else utterance)
    account.data = DataDir(kept)
    return account.data


def read_transcript(path: Path, name: str, account: Account, numbered: bool = False) -> str | None:
    """Return the text of a file with single blanks between words; None where it is missing or empty.

    Args:
        path: The text file of one utterance.
        name: Id of the utterance, of which an empty file, or one not in UTF-8 (then read as Latin-1), is noted.
        account: Where it is noted.
        numbered: Remove the first and last sample number that TIMIT writes before the words.
    """
    if not path.is_file():
        return None
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
        account.note(name, "text not in UTF-8 (read as Latin-1)")
    if numbered:
        text = _NUMBERS.sub("", text)
    if not text.split():
        account.note(name, "the text file is empty")
    return " ".join(text.split()) or None


def _find_label_fault(utterance: Utterance) -> str | None:
    if utterance.alignment is None or utterance.seconds is None:
        return None
    try:
        end = alignment.read_alignment(utterance.alignment)[-1].end
    except (AlignmentError, OSError):
        return "that cannot be read"
    return "longer than the recording, made for another version of it" if end > utterance.seconds + _SLACK else None


def _read_length(utterance: Utterance) -> Utterance:
    if utterance.seconds is not None:
        return utterance
    return replace(utterance, seconds=round(audio.info(utterance.path).seconds, 6))


def _list_examples(names: list[str]) -> str:
    return ", ".join(names[:_EXAMPLES]) + (", ..." if len(names) > _EXAMPLES else "")
