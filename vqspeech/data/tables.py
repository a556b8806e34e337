"""The files of a Kaldi data directory as tables, with all their faults.

The format: https://kaldi-asr.org/doc/data_prep.html. No recording is opened.
"""

import codecs
import math
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from vqspeech.files import restore_folder

FILES = ("wav.scp", "utt2spk", "spk2utt", "text", "segments", "utt2dur", "spk2gender", "utt2ali")
"""Every file that a data directory may hold; reading needs the first two, and `spk2utt` is needed to be valid."""
GENDERS = ("f", "m")
SLACK = 0.1
"""Seconds by which utt2dur may differ from the recording: Kaldi's own is in whole frames."""
_ROW = re.compile(r"[ \t]*([^ \t]+)(?:[ \t]+(.*))?", re.DOTALL)


class Fault(NamedTuple):
    """One fault of a data directory; `line` counts from 1, and 0 means the file as a whole."""

    file: str
    line: int
    what: str
    fix: str

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}: {self.what}; {self.fix}"
            if self.line
            else f"{self.file}: {self.what}; {self.fix}"
        )


class Row(NamedTuple):
    """The value of an id in a table, and its line (from 1)."""

    line: int
    value: str


class Segment(NamedTuple):
    """A row of `segments`: recording, start and end in seconds; `end` None is the end of the recording."""

    recording: str
    start: float
    end: float | None


def is_id(name: str) -> bool:
    """Return whether `name` may be the id of an utterance or speaker: ids precede a blank and become file names."""
    if name.split() != [name] or name in (".", ".."):
        return False
    return "/" not in name and not any(unicodedata.category(character) == "Cc" for character in name)


def is_pipe(path: str) -> bool:
    """Return whether `path` is a shell command in Kaldi's way (`sox ... |`), not a file."""
    return path.startswith("|") or path.endswith("|")


def find_unsorted(speakers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return adjacent utterances, in the order of ids, that are not in the order of speakers as well.

    Kaldi wants `utt2spk` sorted by both (utils/validate_data_dir.sh: `sort -k2`), which is impossible where the id of
    one speaker is the beginning of another's: `a-b-1` of `a-b` lies between `a-a` and `a-c` of `a`.

    Args:
        speakers: The speaker of each utterance.
    """
    ids = sorted(speakers)
    return [(a, b) for a, b in pairwise(ids) if (speakers[a], a) > (speakers[b], b)]


def read_table(path: str | os.PathLike[str], faults: list[Fault]) -> dict[str, Row]:
    """Return the rows of a file `id value...` by id; add its faults to `faults`.

    Faults are: not UTF-8, a byte order mark, CRLF, other carriage returns, empty lines, ids without a value, repeated
    ids, wrong order.
    """
    file = os.fspath(path)
    lines = Path(path).read_bytes().split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if lines and lines[0].startswith(codecs.BOM_UTF8):
        faults.append(
            Fault(file, 1, "begins with a byte order mark", rf"remove it: sed -i '1s/^\xEF\xBB\xBF//' {file}")
        )
        lines[0] = lines[0][len(codecs.BOM_UTF8) :]
    returns = [number for number, line in enumerate(lines, 1) if line.endswith(b"\r")]
    if returns:
        many = f"{len(returns)} lines end in CRLF (DOS)" if len(returns) > 1 else "the line ends in CRLF (DOS)"
        faults.append(Fault(file, returns[0], many, rf"remove the returns: sed -i 's/\r$//' {file}"))
    rows: dict[str, Row] = {}
    previous, sorted_so_far = "", True
    for number, raw in enumerate(lines, 1):
        try:
            line = raw.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            faults.append(Fault(file, number, f"not UTF-8 ({error.reason} at byte {error.start + 1})", "save as UTF-8"))
            continue
        if "\r" in line:
            fix = rf"make it a blank: sed -i '{number}s/\r\(.\)/ \1/g' {file}"
            faults.append(Fault(file, number, "a carriage return within the line", fix))
        match = _ROW.fullmatch(line)
        if match is None:
            faults.append(Fault(file, number, "empty line", "delete it"))
            continue
        key, value = match[1], (match[2] or "").strip(" \t")
        if not is_id(key):
            faults.append(Fault(file, number, f"'{key}' is not a valid id", "use a name without blanks and slashes"))
        if not value:
            faults.append(Fault(file, number, f"no value after '{key}'", "complete or delete the line"))
        if key in rows:
            faults.append(
                Fault(file, number, f"'{key}' occurs twice, first on line {rows[key].line}", "delete one of them")
            )
            continue
        # UTF-8 keeps the order of code points, so that this is the byte order of LC_ALL=C.
        if sorted_so_far and key < previous:
            sorted_so_far = False
            what = f"'{key}' after '{previous}': not sorted as bytes"
            faults.append(Fault(file, number, what, f"sort it: LC_ALL=C sort -o {file} {file}"))
        previous = key
        rows[key] = Row(number, value)
    return rows


@dataclass
class Tables:
    """All files of a data directory, by id.

    Attributes:
        folder: The data directory.
        wav: Rows of `wav.scp`; the other tables have the name of their file.
        parts: The segment of each utterance, if there is a file `segments`.
        seconds: Duration of utterances in `utt2dur`.
        faults: All faults that show without opening a recording.
    """

    folder: Path
    wav: dict[str, Row] = field(default_factory=dict)
    utt2spk: dict[str, Row] = field(default_factory=dict)
    spk2utt: dict[str, Row] = field(default_factory=dict)
    text: dict[str, Row] = field(default_factory=dict)
    segments: dict[str, Row] = field(default_factory=dict)
    utt2dur: dict[str, Row] = field(default_factory=dict)
    spk2gender: dict[str, Row] = field(default_factory=dict)
    utt2ali: dict[str, Row] = field(default_factory=dict)
    parts: dict[str, Segment] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Tables":
        """Return the tables of `folder`, checked against each other."""
        tables = cls(Path(folder))
        restore_folder(tables.folder)
        if not tables.folder.is_dir():
            what = "is a file" if tables.folder.exists() else "no such folder"
            tables._fault("", 0, what, "give a data directory, as written by: vqspeech prepare")
            return tables
        for name in FILES:
            path = tables.folder / name
            if path.is_file():
                setattr(tables, "wav" if name == "wav.scp" else name, read_table(path, tables.faults))
        for name, rows in (("wav.scp", tables.wav), ("utt2spk", tables.utt2spk)):
            if not (tables.folder / name).is_file():
                there = ", ".join(sorted(entry.name for entry in tables.folder.iterdir())[:8]) or "nothing"
                fix = "not a data directory (yet)? make one from recordings with: vqspeech prepare"
                tables._fault(name, 0, f"missing; the folder holds {there}", fix)
            elif not rows:
                tables._fault(name, 0, "holds no entries", "a data directory needs at least one utterance")
        if tables.wav and tables.utt2spk:
            tables._check_recordings()
            tables._check_speakers()
            tables._check_values()
        return tables

    def _fault(self, name: str, line: int, what: str, fix: str) -> None:
        self.faults.append(Fault(os.fspath(self.folder / name) if name else os.fspath(self.folder), line, what, fix))

    @property
    def has_segments(self) -> bool:
        """Whether utterances are parts of recordings; then `wav` is by recording, else by utterance."""
        return (self.folder / "segments").is_file()

    def find_source(self, utterance: str) -> tuple[Row, Segment] | None:
        """Return the row of `wav.scp` and the part of the recording of an utterance; None where either is unknown."""
        part = self.parts.get(utterance) if self.has_segments else Segment(utterance, 0.0, None)
        return (self.wav[part.recording], part) if part and part.recording in self.wav else None

    def _check_recordings(self) -> None:
        for name, row in self.wav.items():
            if is_pipe(row.value):
                fix = "run the command once, keep its output as a WAV or FLAC file and put that path here"
                self._fault("wav.scp", row.line, f"'{name}' is a command, not a file", fix)
        for name, row in self.segments.items():
            fields = row.value.split()
            try:
                recording, start, end = fields[0], float(fields[1]), float(fields[2])
                if len(fields) != 3 or not (math.isfinite(start) and math.isfinite(end)):
                    raise ValueError
            except (ValueError, IndexError):
                what = f"'{name} {row.value}' is not 'utterance recording start end'"
                self._fault("segments", row.line, what, "write four fields, times in seconds")
                continue
            if recording not in self.wav:
                fix = "add the recording there or delete the line"
                self._fault("segments", row.line, f"recording '{recording}' is not in wav.scp", fix)
            if start < 0 or (end != -1 and end <= start):
                fix = "write 0 <= start < end in seconds, or -1 as the end of the recording"
                self._fault("segments", row.line, f"'{name}' goes from {start:g} to {end:g} s", fix)
                continue
            self.parts[name] = Segment(recording, start, None if end == -1 else end)
        name, rows = ("segments", self.segments) if self.has_segments else ("wav.scp", self.wav)
        for utterance, row in self.utt2spk.items():
            if utterance not in rows:
                fix = f"add it to {name} or delete the line"
                self._fault("utt2spk", row.line, f"utterance '{utterance}' is not in {name}", fix)
        for utterance, row in rows.items():
            if utterance not in self.utt2spk:
                fix = "add it to utt2spk or delete the line"
                self._fault(name, row.line, f"utterance '{utterance}' is not in utt2spk", fix)

    def _check_speakers(self) -> None:
        for utterance, (line, speaker) in self.utt2spk.items():
            if not is_id(speaker):
                self._fault(
                    "utt2spk",
                    line,
                    f"'{speaker}' is not a valid speaker",
                    "write one speaker without blanks and slashes",
                )
            elif not utterance.startswith(speaker):
                fix = f"rename it, in all files, to '{speaker}-{utterance}'"
                self._fault("utt2spk", line, f"speaker '{speaker}' is not a prefix of '{utterance}'", fix)
        speakers = {row.value for row in self.utt2spk.values()}
        for name, rows in (("spk2utt", self.spk2utt), ("spk2gender", self.spk2gender)):
            for speaker, row in rows.items():
                if speaker not in speakers:
                    self._fault(name, row.line, f"speaker '{speaker}' is not in utt2spk", "delete the line")
        for speaker, row in self.spk2gender.items():
            if row.value not in GENDERS:
                self._fault("spk2gender", row.line, f"gender '{row.value}' of '{speaker}'", "write f or m")
        if (self.folder / "spk2utt").is_file():
            self._check_spk2utt(speakers)

    def _check_spk2utt(self, speakers: set[str]) -> None:
        anew = f"delete spk2utt; vqspeech subset {self.folder} --out NEW writes a new one"
        listed: dict[str, set[str]] = {speaker: set() for speaker in speakers}
        for speaker, (line, value) in self.spk2utt.items():
            for utterance in value.split():
                row = self.utt2spk.get(utterance)
                if utterance in listed.setdefault(speaker, set()):
                    self._fault("spk2utt", line, f"'{utterance}' occurs twice", anew)
                elif row is None or row.value != speaker:
                    owner = f"of '{row.value}'" if row else "not there"
                    self._fault("spk2utt", line, f"'{utterance}' of '{speaker}' is {owner} in utt2spk", anew)
                listed[speaker].add(utterance)
        for utterance, (_, speaker) in self.utt2spk.items():
            if utterance not in listed[speaker]:
                line = self.spk2utt[speaker].line if speaker in self.spk2utt else 0
                self._fault("spk2utt", line, f"'{utterance}' of '{speaker}' is not listed", anew)

    def _check_values(self) -> None:
        for name, rows in (("text", self.text), ("utt2dur", self.utt2dur), ("utt2ali", self.utt2ali)):
            for utterance, row in rows.items():
                if utterance not in self.utt2spk:
                    self._fault(name, row.line, f"utterance '{utterance}' is not in utt2spk", "delete the line")
        for name, rows in (("wav.scp", self.wav), ("utt2ali", self.utt2ali)):
            for utterance, row in rows.items():
                if row.value != row.value.strip():
                    what = f"the path of '{utterance}' ends or begins in white space ({row.value!a})"
                    self._fault(name, row.line, what, "remove it, here and from the name of the file")
        for utterance, (line, value) in self.utt2dur.items():
            try:
                seconds = float(value)
            except ValueError:
                seconds = math.nan
            if not 0 < seconds < math.inf:
                self._fault("utt2dur", line, f"duration '{value}' of '{utterance}'", "write seconds, more than 0")
                continue
            self.seconds[utterance] = seconds
            part = self.parts.get(utterance)
            if part and part.end is not None and abs(part.end - part.start - seconds) > SLACK:
                what = f"'{utterance}' lasts {seconds:g} s here, {part.end - part.start:g} s in segments"
                self._fault("utt2dur", line, what, f"write {part.end - part.start:g}, or delete utt2dur")
