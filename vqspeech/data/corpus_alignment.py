"""Alignments of a whole data directory: made by the aligner, or imported from files of any origin."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from vqspeech import audio
from vqspeech.data import alignment, text
from vqspeech.data.aligner import Aligner, find_doubt
from vqspeech.data.alignment import Interval
from vqspeech.data.alignment_finder import AlignmentFinder
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.phones import split_label
from vqspeech.errors import AlignmentError
from vqspeech.jobs import Skipped, run_jobs

_UNKNOWN_WORD = ("<unk>", "spn")
_SAME_LENGTH = 0.01
_EXAMPLES = 5


@dataclass
class Coverage:
    """How much of a data directory is aligned, and how far the alignments can be trusted.

    Attributes:
        utterances: Number of utterances.
        aligned: Ids of aligned utterances.
        skipped: Why the others are not aligned.
        seconds: Duration of aligned utterances.
        labelled: Duration of these with a phone (seconds).
        unknown: How often each label without a phone occurs.
        speech: Duration labelled as speech that has a phone (seconds).
        unknown_speech: Duration labelled as speech that has none (seconds).
        doubtful: Why an alignment is doubtful, by id.
        other_words: Ids of alignments whose words differ from the transcript.
        new_seconds: Duration of utterances aligned in this run.
        oov_words: How often each of their words was in no dictionary.
        wide_beams: Ids of those that took very wide beams.
    """

    utterances: int
    aligned: list[str] = field(default_factory=list)
    skipped: Skipped = field(default_factory=Skipped)
    seconds: float = 0.0
    labelled: float = 0.0
    unknown: Counter[str] = field(default_factory=Counter)
    speech: float = 0.0
    unknown_speech: float = 0.0
    doubtful: dict[str, str] = field(default_factory=dict)
    other_words: list[str] = field(default_factory=list)
    new_seconds: float = 0.0
    oov_words: Counter[str] = field(default_factory=Counter)
    wide_beams: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, Any]:
        """Return the account by name, durations in seconds."""
        found: dict[str, Any] = {"utterances": self.utterances, "aligned": len(self.aligned)}
        found |= {"seconds": self.seconds, "seconds_with_phone": self.labelled, "new_seconds": self.new_seconds}
        found |= {"doubtful": self.doubtful, "other_words": self.other_words, "labels_without_phone": self.unknown}
        found |= {"words_in_no_dictionary": self.oov_words, "wide_beams": self.wide_beams}
        return {**found, "skipped": self.skipped.reasons}

    def summary(self) -> str:
        """Return the account in lines."""
        share = self.labelled / self.seconds if self.seconds else 0.0
        aligned = f"aligned {len(self.aligned)} of {self.utterances} utterances, {self.seconds / 60:.1f} min"
        lines = [f"{aligned}; {share:.1%} of this has a phone"]
        if self.skipped.reasons:
            lines.append(f"skipped {len(self.skipped.reasons)} ({_list_examples(self.skipped.reasons)})")
        if self.doubtful:
            worst = [f"{name}: {why}" for name, why in self.doubtful.items()]
            lines.append(f"doubtful {len(worst)} ({_list_examples(worst)})")
        if self.other_words:
            lines.append(
                f"other words than the transcript: {len(self.other_words)} ({_list_examples(self.other_words)})"
            )
        if self.unknown:
            labels = [f"{label!r} {count}" for label, count in self.unknown.most_common()]
            lines.append(f"labels without a phone: {self.unknown.total()} ({_list_examples(labels)})")
        if self.unknown_speech > self.speech:
            share = self.unknown_speech / (self.speech + self.unknown_speech)
            lines.append(f"{share:.0%} of what is labelled as speech has no known phone: nothing can be scored by this")
        if self.oov_words:
            words = [f"{word} {count}" for word, count in self.oov_words.most_common()]
            lines.append(f"words in no dictionary, pronounced by rule: {len(words)} ({_list_examples(words)})")
        if self.wide_beams:
            lines.append(f"found with very wide beams only: {len(self.wide_beams)} ({_list_examples(self.wide_beams)})")
        return "\n".join(lines)


def align_utterances(data: DataDir, folder: str | os.PathLike[str], nj: int = 1) -> tuple[DataDir, Coverage]:
    """Align every utterance with its transcript.

    Utterances that cannot be aligned, for example for want of a transcript, are counted in the account and lose any
    alignment they had.

    Args:
        data: The utterances.
        folder: Gets a TextGrid with words, phones and scores of each, `SPEAKER/ID.TextGrid`. An existing one is kept
            where it is not older than the recording and has its length and words.
        nj: Number of processes.

    Returns:
        The data directory with alignments, and the account of them.

    Raises:
        MissingExtra: The aligner is not installed.
    """
    folder = Path(os.path.abspath(folder))
    Aligner()  # raises here, once, where it is not installed
    coverage, paths = Coverage(len(data)), {}
    for utterance, result, error in run_jobs(partial(_align_one, folder), list(data), nj, "align"):
        if error is not None:
            coverage.skipped.add(utterance.id, error)
            continue
        paths[utterance.id] = str(_grid_path(folder, utterance))
        _add_facts(coverage, utterance.id, result.facts)
        if result.aligned_now:
            coverage.new_seconds += result.facts.seconds
            coverage.oov_words.update(result.oov_words)
            coverage.wide_beams += [utterance.id] if result.wide_beams else []
    return _set_alignments(data, paths), coverage


def import_alignments(
    data: DataDir, source: str | os.PathLike[str], nj: int = 1, among: DataDir | None = None
) -> tuple[DataDir, Coverage]:
    """Take the alignment files below a folder.

    `alignment_finder` decides which file belongs to an utterance: never one of another speaker. Files that cannot be
    read, that have speech after the end of the utterance, or that do not certainly belong to it, are counted in the
    account.

    Args:
        data: The utterances.
        source: The folder, or one `.ctm` of many utterances.
        nj: Number of processes.
        among: All utterances that a file may belong to, where `data` are some of them.

    Returns:
        The data directory with alignments, and the account of them.

    Raises:
        AlignmentError: No utterance has an alignment there.
    """
    finder = AlignmentFinder(Path(os.path.abspath(source)), among or data)
    coverage, paths = Coverage(len(data)), {}
    there: list[Utterance] = []
    for utterance in data:
        try:
            path = finder.find(utterance)
        except AlignmentError as error:
            coverage.skipped.add(utterance.id, error)
            continue
        if path is None:
            missing = f"no alignment file {utterance.id}.TextGrid, or of another format"
            coverage.skipped.reasons[utterance.id] = missing
        else:
            there.append(replace(utterance, alignment=path))
    if not there and (among is None or len(among) == len(data)):
        example = next(iter(data)).id if len(data) else "ID"
        fix = f"alignments are named after utterances, such as {example}.TextGrid"
        raise AlignmentError(f"{source}: no alignment of any of {len(data)} utterances below it; {fix}")
    for utterance, facts, error in run_jobs(_read_facts, there, nj, "alignments"):
        if error is not None:
            coverage.skipped.add(utterance.id, error)
        else:
            paths[utterance.id] = utterance.alignment
            _add_facts(coverage, utterance.id, facts)
    return _set_alignments(data, paths), coverage


class _Facts(NamedTuple):
    """What is known of one alignment; fields as in `Coverage`."""

    seconds: float
    labelled: float
    unknown: Counter[str]
    speech: float
    unknown_speech: float
    doubt: str | None
    other_words: bool


class _Result(NamedTuple):
    """The outcome of one utterance; `oov_words` and `wide_beams` of one that was `aligned_now`."""

    facts: _Facts
    aligned_now: bool
    oov_words: list[str]
    wide_beams: bool


@lru_cache(1)
def _get_aligner() -> Aligner:
    return Aligner()


def _align_one(folder: Path, utterance: Utterance) -> _Result:
    path = _grid_path(folder, utterance)
    if utterance.text is None:
        raise AlignmentError("no transcript; complete text, or leave the utterance out")
    there = replace(utterance, alignment=str(path))
    if _is_current(there):
        return _Result(_read_facts(there), False, [], False)
    wave = audio.read_waveform(utterance.path, utterance.start, utterance.end)
    one = _get_aligner().align(wave, utterance.text)
    tiers = {"words": one.words, "phones": one.phones, "scores": one.scores}
    alignment.write_textgrid(path, tiers, len(wave) / audio.RATE)
    return _Result(_read_facts(there), True, one.oov_words, one.wide_beams)


def _is_current(utterance: Utterance) -> bool:
    path = str(utterance.alignment)
    try:
        if os.path.getmtime(path) < os.path.getmtime(utterance.path):
            return False
        grid, words, _ = alignment.read_alignment(path), alignment.read_words(path), alignment.read_scores(path)
    except (OSError, AlignmentError):
        return False
    same_length = abs(grid[-1].end - _measure_seconds(utterance)) < _SAME_LENGTH
    return same_length and [word.label for word in words] == text.split_words(utterance.text or "")


def _read_facts(utterance: Utterance) -> _Facts:
    path, seconds = str(utterance.alignment), _measure_seconds(utterance)
    intervals = alignment.clip_intervals(alignment.read_alignment(path, utterance.id), seconds)
    known = [i for i in intervals if split_label(i.label) is not None]
    of_words: list[Interval] = []
    scores: list[Interval] = []
    if path.lower().endswith(".textgrid"):
        # Faulty words and scores leave the phones usable.
        with suppress(AlignmentError):
            of_words = alignment.read_words(path)
        with suppress(AlignmentError):
            scores = alignment.read_scores(path)
    heard, said = [word.label for word in of_words], text.split_words(utterance.text or "")
    return _Facts(
        seconds,
        sum(i.end - i.start for i in known),
        alignment.count_unknown_labels(intervals),
        *alignment.measure_speech(intervals),
        find_doubt(scores) if scores else _find_early_end(intervals, seconds),
        bool(heard and said) and not _has_same_words(heard, said),
    )


def _find_early_end(intervals: Sequence[Interval], seconds: float) -> str | None:
    """Return why labels that end long before the recording are doubtful: of another recording, or in another unit."""
    last = intervals[-1].end if intervals else 0.0
    return f"its labels end at {last:.2f} s, it lasts {seconds:.2f} s" if last < seconds / 2 else None


def _has_same_words(labels: Iterable[str], said: list[str]) -> bool:
    """Return whether labels are these words; words that an aligner could not pronounce match any."""
    heard = [word for label in labels for word in ([label] if label in _UNKNOWN_WORD else text.split_words(label))]
    if len(heard) != len(said):
        return False
    return all(a in _UNKNOWN_WORD or a.strip("'") == b.strip("'") for a, b in zip(heard, said, strict=True))


def _measure_seconds(utterance: Utterance) -> float:
    if utterance.seconds:
        return utterance.seconds
    end = audio.info(utterance.path).seconds if utterance.end is None else utterance.end
    return end - utterance.start


def _add_facts(coverage: Coverage, name: str, facts: _Facts) -> None:
    coverage.aligned.append(name)
    coverage.seconds += facts.seconds
    coverage.labelled += facts.labelled
    coverage.unknown.update(facts.unknown)
    coverage.speech += facts.speech
    coverage.unknown_speech += facts.unknown_speech
    if facts.doubt:
        coverage.doubtful[name] = facts.doubt
    if facts.other_words:
        coverage.other_words.append(name)


def _grid_path(folder: Path, utterance: Utterance) -> Path:
    return folder / utterance.speaker / f"{utterance.id}.TextGrid"


def _set_alignments(data: DataDir, paths: dict[str, str]) -> DataDir:
    return DataDir(replace(utterance, alignment=paths.get(utterance.id)) for utterance in data)


def _list_examples(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:_EXAMPLES]) + (", ..." if len(names) > _EXAMPLES else "")
