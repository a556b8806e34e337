"""What was found in a corpus, what was kept of it, and what was dropped and why."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from vqspeech import audio
from vqspeech.data import alignment
from vqspeech.data.corpora.layout import readable, recording_name
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.tables import out_of_order
from vqspeech.errors import SOME_SKIPPED, AlignmentError, CorpusError
from vqspeech.jobs import Skipped, outcomes

_EXAMPLES = 3
_SLACK = 0.05
"""Seconds by which the last label may end behind the recording."""


@dataclass
class Account:
    """The account of a corpus: `found` recordings; names of what was `dropped`, by reason; names of utterances that
    were kept though something about them is to `note`; recordings that are `broken`, each with the error."""

    corpus: str
    found: int = 0
    kept: DataDir = field(default_factory=DataDir)
    dropped: dict[str, list[str]] = field(default_factory=dict)
    noted: dict[str, list[str]] = field(default_factory=dict)
    broken: Skipped = field(default_factory=Skipped)

    def drop(self, name: str, reason: str) -> None:
        """Counts `name` as dropped."""
        self.dropped.setdefault(reason, []).append(name)

    def note(self, name: str, what: str) -> None:
        """Counts `name`, which is kept, among those of which `what` holds."""
        self.noted.setdefault(what, []).append(name)

    def summary(self) -> str:
        """The account in lines: what was kept; per reason, how many were dropped, with examples; what is to note."""
        lines = [f"{self.corpus}: found {self.found} recordings", f"kept {self.kept.summary()}"]
        dropped = self.dropped | ({"cannot be read": list(self.broken.reasons)} if self.broken.reasons else {})
        lines += [f"dropped {len(names)}: {reason} ({_some(names)})" for reason, names in dropped.items()]
        lines += [f"note {len(names)}: {what} ({_some(names)})" for what, names in self.noted.items()]
        return "\n".join(lines)

    def status(self) -> int:
        """Exit status: `SOME_SKIPPED` where a recording could not be read, else 0."""
        return SOME_SKIPPED if self.broken.reasons else 0


def each_once(paths: Iterable[Path], account: Account, top: Path) -> list[Path]:
    """The recordings among files: of copies in one folder (`a.WAV` and `a.WAV.wav`, `a.wav` and `a.flac`) the best that
    can be read. The others are dropped, under their path below `top`."""
    copies: dict[Path, list[Path]] = {}
    for path in paths:
        copies.setdefault(path.parent / recording_name(path.name), []).append(path)
    chosen = [readable(some) for some in copies.values()]
    for best, some in zip(chosen, copies.values(), strict=True):
        for copy in some:
            if copy != best:
                account.drop(str(copy.relative_to(top)), "a copy of a recording that is there")
    return chosen


def measured(utterances: list[Utterance], account: Account, nj: int = 1) -> DataDir:
    """The data directory of `utterances`, with their length from the header of each file, read by `nj` processes.

    Unreadable recordings are named, counted in `account` and left out; utterances without text and speakers without
    gender are noted. Raises `CorpusError` where nothing is left.
    """
    kept = []
    for utterance, seconds, error in outcomes(_with_length, utterances, nj, "headers"):
        if error is not None:
            account.broken.add(utterance.path, error)
        else:
            kept.append(seconds)
    if not kept:
        reasons = list(account.broken.reasons.values())
        dropped = "; ".join(f"{len(names)} {reason}" for reason, names in account.dropped.items())
        why = f"the first: {reasons[0]}" if reasons else dropped or "none is laid out as expected"
        raise CorpusError(
            f"none of {account.found} recordings of {account.corpus} can be used ({why}); see to that first"
        )
    account.kept = DataDir(kept)
    for _, name in out_of_order({one.id: one.speaker for one in account.kept}):
        account.note(
            name, "utterances that are not sorted by speaker, which Kaldi rejects: rename the speaker's folder"
        )
    spelled: dict[str, str] = {}
    for one in account.kept:
        if spelled.setdefault(one.id.casefold(), one.id) != one.id:
            account.note(one.id, "ids that differ from another in letter case alone, which not every disk tells apart")
        if one.text is None:
            account.note(one.id, "utterances without text, kept without transcript")
    for speaker, some in account.kept.by_speaker.items():
        if some[0].gender is None:
            account.note(speaker, "speakers without known gender")
    return account.kept


def without_foreign_labels(data: DataDir, account: Account) -> DataDir:
    """The data without phone labels that run on behind their recording, as those that were made for another version of
    it do, or that cannot be read."""
    kept = []
    for utterance in data:
        fault = _label_fault(utterance)
        if fault:
            account.note(utterance.id, f"phone labels {fault} (left out)")
            utterance = replace(utterance, alignment=None)
        kept.append(utterance)
    account.kept = DataDir(kept)
    return account.kept


def _label_fault(utterance: Utterance) -> str | None:
    if utterance.alignment is None or utterance.seconds is None:
        return None
    try:
        end = alignment.read(utterance.alignment)[-1].end
    except (AlignmentError, OSError):
        return "that cannot be read"
    return "longer than the recording, of another version of it" if end > utterance.seconds + _SLACK else None


def _with_length(utterance: Utterance) -> Utterance:
    header = audio.info(utterance.path)
    return Utterance(**{**vars(utterance), "seconds": round(header.seconds, 6)})


def _some(names: list[str]) -> str:
    return ", ".join(names[:_EXAMPLES]) + (", ..." if len(names) > _EXAMPLES else "")
