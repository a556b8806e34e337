"""All faults of a data directory, each with its fix."""

import math
import os
from typing import NamedTuple

import numpy as np

from vqspeech import audio
from vqspeech.data import alignment
from vqspeech.data.tables import SLACK, Fault, Segment, Tables, find_unsorted, is_pipe
from vqspeech.errors import AlignmentError, AudioError
from vqspeech.jobs import run_jobs
from vqspeech.storage import find_size, sort_by_place

__all__ = ["Fault", "find_faults"]

_OVERSHOOT = 0.01
"""Seconds by which a segment may end after its recording: times are often rounded to this."""


class _Task(NamedTuple):
    """A recording and the parts of it that are utterances: (utterance, part, seconds in utt2dur or None)."""

    path: str
    parts: list[tuple[str, Segment, float | None]]


class _Finding(NamedTuple):
    """A fault of a recording (`utterance` None), or of one utterance in the table `file`."""

    file: str
    utterance: str | None
    what: str
    fix: str


def find_faults(path: str | os.PathLike[str], audio: bool = True, nj: int = 1) -> list[Fault]:
    """Return all faults of the data directory `path`: in its tables, between them, and of the files they name.

    Args:
        path: The folder.
        audio: Read all recordings completely; otherwise only missing and empty ones are found. Alignments are always
            read.
        nj: Number of processes.
    """
    tables = Tables.load(path)
    found = list(tables.faults)
    if tables.wav and not (tables.folder / "spk2utt").is_file():
        fix = f"vqspeech subset {tables.folder} --out NEW writes it"
        found.append(Fault(os.fspath(tables.folder / "spk2utt"), 0, "missing", fix))
    missing = _find_missing(tables)
    found += missing + _find_unsorted(tables) + _check_alignments(tables, nj)
    if audio:
        absent = {fault.line for fault in missing if fault.file.endswith("wav.scp")}
        found += _check_recordings(tables, absent, nj)
    return found


def _find_missing(tables: Tables) -> list[Fault]:
    found: list[Fault] = []
    for name, rows, what in (("wav.scp", tables.wav, "recording"), ("utt2ali", tables.utt2ali, "alignment")):
        named = [
            (line, value)
            for line, value in rows.values()
            # What has neither path nor file is the tables' fault already.
            if value and value == value.strip() and not (name == "wav.scp" and is_pipe(value))
        ]
        sizes = {value: find_size(value) for _, value in sort_by_place(named, lambda row: row[1])}
        for line, value in named:
            size = sizes[value]
            if size is None:
                here = "" if os.path.isabs(value) or "://" in value else f", seen from {os.getcwd()}"
                fix = "correct the path" if not here else "write absolute paths, or run from where these paths begin"
                fault = (f"no {what} {value}{here}", f"{fix}, or leave the utterance out")
            elif size == 0:
                fault = (f"{what} {value} is empty (0 bytes)", "copy it again, or leave the utterance out")
            else:
                continue
            found.append(Fault(os.fspath(tables.folder / name), line, *fault))
    return found


def _find_unsorted(tables: Tables) -> list[Fault]:
    """Return the first place where utterances are not sorted by speaker, and lines of `spk2utt` that are not sorted."""
    found: list[Fault] = []
    for speaker, (line, value) in tables.spk2utt.items():
        if value.split() != sorted(value.split()):
            fix = f"delete spk2utt; vqspeech subset {tables.folder} --out NEW writes a new one"
            what = f"the utterances of '{speaker}' are not sorted as bytes"
            found.append(Fault(os.fspath(tables.folder / "spk2utt"), line, what, fix))
    pairs = find_unsorted({name: row.value for name, row in tables.utt2spk.items()})
    if not pairs:
        return found
    (line, speaker), before = tables.utt2spk[pairs[0][1]], tables.utt2spk[pairs[0][0]].value
    what = f"'{pairs[0][1]}' of '{speaker}' after '{pairs[0][0]}' of '{before}': not sorted by speaker, as Kaldi wants"
    fix = "let no speaker's id be the beginning of another's: rename one in all files, or its folder, and prepare again"
    return [*found, Fault(os.fspath(tables.folder / "utt2spk"), line, what, fix)]


def _check_alignments(tables: Tables, nj: int) -> list[Fault]:
    """Return alignments that exist and cannot be read, or have speech after the end of their utterance."""
    items: list[tuple[str, str, float | None]] = []
    for utterance, row in tables.utt2ali.items():
        if row.value and os.path.isfile(row.value) and os.path.getsize(row.value):
            part = tables.parts.get(utterance)
            ends = part.end - part.start if part and part.end is not None else None
            items.append((utterance, row.value, tables.seconds.get(utterance, ends)))
    found: list[Fault] = []
    for (utterance, *_), _, error in run_jobs(_check_alignment, items, nj, "alignments"):
        if error is not None:
            what, _, fix = str(error).rpartition("; ")
            line = tables.utt2ali[utterance].line
            found.append(Fault(os.fspath(tables.folder / "utt2ali"), line, what or str(error), fix))
    return found


def _check_alignment(item: tuple[str, str, float | None]) -> None:
    utterance, path, seconds = item
    intervals = alignment.read_alignment(path, utterance)
    try:
        alignment.clip_intervals(intervals, math.inf if seconds is None else seconds)
    except AlignmentError as error:
        raise AlignmentError(f"{path}: {error}") from None


def _check_recordings(tables: Tables, absent: set[int], nj: int) -> list[Fault]:
    tasks: dict[str, _Task] = {}
    lines: dict[str, int] = {}
    for row in tables.wav.values():
        if row.line not in absent and row.value and not (row.value.startswith("|") or row.value.endswith("|")):
            tasks.setdefault(row.value, _Task(row.value, []))
            lines.setdefault(row.value, row.line)
    for utterance in tables.utt2spk:
        source = tables.find_source(utterance)
        if source and source[0].value in tasks:
            claimed = tables.seconds.get(utterance)
            tasks[source[0].value].parts.append((utterance, source[1], claimed))
    found: list[Fault] = []
    rows = {"segments": tables.segments, "utt2dur": tables.utt2dur}
    checked: dict[str, list[_Finding]] = {}
    placed = sort_by_place(tasks.values(), lambda task: task.path)
    for task, result, error in run_jobs(_check_recording, placed, nj, "recordings"):
        checked[task.path] = result
        if error is not None:
            what, _, fix = f"{task.path}: {error}".rpartition("; ")
            checked[task.path] = [_Finding("wav.scp", None, what or str(error), fix)]
    for path in tasks:
        for file, utterance, what, fix in checked[path]:
            line = lines[path] if utterance is None else rows[file][utterance].line
            found.append(Fault(os.fspath(tables.folder / file), line, what, fix))
    return found


def _check_recording(task: _Task) -> list[_Finding]:
    """Return the faults of one recording and of the utterances in it."""
    try:
        sounds, recorded = _find_sound(task, audio.info(task.path).rate)
    except AudioError as error:
        what, _, fix = str(error).rpartition("; ")
        return [_Finding("wav.scp", None, what or str(error), fix)]
    found: list[_Finding] = []
    if not any(sounds):
        what = f"{task.path}: silent, every sample is zero"
        found.append(_Finding("wav.scp", None, what, "check the microphone or the channel, or leave it out"))
    for (utterance, part, claimed), sounding in zip(task.parts, sounds, strict=False):
        end = recorded if part.end is None else part.end
        if part.start >= recorded or end > recorded + _OVERSHOOT:
            what = f"'{utterance}' goes from {part.start:g} to {end:g} s, its recording lasts {recorded:.3f} s"
            found.append(_Finding("segments", utterance, what, "correct the times or leave the utterance out"))
            continue
        if not sounding and any(sounds):
            what = f"'{utterance}' is silent, every sample from {part.start:g} to {end:g} s is zero"
            found.append(_Finding("segments", utterance, what, "correct the times or leave the utterance out"))
        lasts = end - part.start
        # Where segments gives the end, the tables have been compared already.
        if claimed is not None and part.end is None and abs(claimed - lasts) > SLACK:
            what = f"'{utterance}' lasts {claimed:g} s here, {lasts:.3f} s in {task.path}"
            fix = f"write {lasts:.3f}, or delete utt2dur; copy the recording again where it is cut short"
            found.append(_Finding("utt2dur", utterance, what, fix))
    return found


def _find_sound(task: _Task, rate: int) -> tuple[list[bool], float]:
    """Return whether any sample is not zero, in each part of the recording and lastly in all of it; and its seconds."""
    spans = [
        (round(part.start * rate), math.inf if part.end is None else round(part.end * rate))
        for _, part, _ in task.parts
    ] + [(0, math.inf)]
    sounds, first = [False] * len(spans), 0
    for block in audio.read_blocks(task.path, rate=rate):
        nonzero = first + np.flatnonzero(block)
        for i, (start, end) in enumerate(spans):
            if not sounds[i]:
                at = np.searchsorted(nonzero, start)
                sounds[i] = bool(at < len(nonzero) and nonzero[at] < end)
        first += len(block)
    return sounds, first / rate
