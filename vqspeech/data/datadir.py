"""A Kaldi data directory: utterances, their speakers and recordings, and what is known of them.

Files: `wav.scp utt2spk spk2utt [text] [segments] [utt2dur] [spk2gender] [utt2ali]`, sorted as `LC_ALL=C sort` does,
every speaker id a prefix of its utterance ids (https://kaldi-asr.org/doc/data_prep.html). Different from Kaldi's:
`utt2ali` names a phone alignment file per utterance, `text` may lack utterances, and a recording is always a file,
never a command.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from vqspeech.data.columns import Columns, read_columns
from vqspeech.data.tables import FILES, Tables
from vqspeech.data.utterance import Utterance, check_utterance
from vqspeech.errors import DataDirError
from vqspeech.publishing import DATA, publish_folder
from vqspeech.storage import fetch_folder, is_remote


class DataDir:  # noqa: PLW1641 (not hashable: `utterances` is a mapping)
    """An ordered collection of utterances, by id in C-locale order.

    Those that are read from files stay there, in columns, and are made when they are asked for. A gender known from one
    utterance of a speaker holds for all.

    Raises:
        DataDirError: Two utterances have the same id, or one cannot be part of a data directory.
    """

    utterances: Mapping[str, Utterance]

    def __init__(self, utterances: Iterable[Utterance] = ()):
        # Python sorts by code points, which is the byte order of UTF-8 and so that of LC_ALL=C.
        ordered = sorted(utterances, key=lambda utterance: utterance.id)
        genders: dict[str, str] = {}
        for utterance in ordered:
            check_utterance(utterance)
            if utterance.gender and genders.setdefault(utterance.speaker, utterance.gender) != utterance.gender:
                raise DataDirError(
                    f"speaker '{utterance.speaker}' is both f and m; correct spk2gender in one of the two"
                )
        self.utterances = found = dict[str, Utterance]()
        for utterance in ordered:
            if utterance.id in found:
                raise DataDirError(f"utterance '{utterance.id}' occurs twice; give each utterance its own id")
            gender = genders.get(utterance.speaker)
            found[utterance.id] = utterance if utterance.gender == gender else replace(utterance, gender=gender)

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances.values())

    def __getitem__(self, name: str) -> Utterance:
        return self.utterances[name]

    def __contains__(self, name: object) -> bool:
        return name in self.utterances

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataDir) and self.utterances == other.utterances

    def __repr__(self) -> str:
        return f"DataDir({len(self)} utterances of {len(self.speakers)} speakers)"

    @property
    def speakers(self) -> list[str]:
        """The ids of the speakers, in order."""
        if isinstance(self.utterances, Columns):
            return list(self.utterances.speakers.names)
        return sorted({utterance.speaker for utterance in self})

    @property
    def by_speaker(self) -> dict[str, list[Utterance]]:
        """The utterances of each speaker, both in order."""
        lists: dict[str, list[Utterance]] = {speaker: [] for speaker in self.speakers}
        for utterance in self:
            lists[utterance.speaker].append(utterance)
        return lists

    @property
    def seconds(self) -> float:
        """Total length of the utterances whose length is known."""
        return math.fsum(self.lengths)

    @property
    def lengths(self) -> np.ndarray:
        """Length of each utterance (seconds), 0 where unknown: float64 `(utterances,)`."""
        if isinstance(self.utterances, Columns):
            return np.nan_to_num(self.utterances.seconds)
        return np.fromiter((one.seconds or 0.0 for one in self), np.float64, len(self))

    def take(self, first: int, last: int) -> list[Utterance]:
        """Return utterances `first` to `last`, by their order."""
        if isinstance(self.utterances, Columns):
            return self.utterances.take(first, last)
        return list(islice(self, first, last))

    @property
    def counts(self) -> dict[str, float]:
        """Its size: utterances, speakers, and seconds, 0 where unknown."""
        return {"utterances": len(self), "speakers": len(self.speakers), "seconds": self.seconds}

    def summary(self) -> str:
        """Return its size in words: '49 utterances of 4 speakers, 2.3 min' (or hours)."""
        speakers, known = len(self.speakers), self.seconds
        words = f"{len(self)} utterance{'s' * (len(self) != 1)} of {speakers} speaker{'s' * (speakers != 1)}"
        if not known:
            return words
        return f"{words}, {known / 60:.1f} min" if known < 7200 else f"{words}, {known / 3600:.1f} h"

    def subset(
        self,
        speakers: Iterable[str] | None = None,
        utterances: Iterable[str] | None = None,
        per_speaker: int | None = None,
    ) -> "DataDir":
        """Return some of the utterances; None does not restrict.

        Args:
            speakers: Ids of speakers.
            utterances: Ids of utterances.
            per_speaker: At most so many of each speaker, spread evenly over the order of ids.

        Raises:
            DataDirError: A name does not exist, or nothing is left.
        """
        chosen = self.utterances
        if speakers is not None:
            wanted = _require_names(speakers, set(self.speakers), "speaker")
            chosen = {one.id: one for one in self if one.speaker in wanted}
        if utterances is not None:
            wanted = _require_names(utterances, self.utterances, "utterance")
            chosen = {name: utterance for name, utterance in chosen.items() if name in wanted}
        if per_speaker is not None:
            if per_speaker < 1:
                raise DataDirError(f"{per_speaker} utterances per speaker; ask for at least 1")
            lists = DataDir(chosen.values()).by_speaker.values()
            chosen = {utterance.id: utterance for some in lists for utterance in _pick_evenly(some, per_speaker)}
        if not chosen:
            raise DataDirError("no utterance is left; choose more speakers or utterances")
        return DataDir(chosen.values())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "DataDir":
        """Return the data directory `path`, which may be a URL. Recordings and alignments are not looked for.

        `spk2utt` may be missing, as it follows from `utt2spk`.

        Raises:
            DataDirError: A table is malformed; the message names file, line and fix.
            StorageError: The URL cannot be read.
        """
        folder = fetch_folder(path, FILES.__contains__)
        columns = read_columns(folder)
        if columns is not None:
            data = cls()
            data.utterances = columns
            return data
        tables = Tables.load(folder)
        if tables.faults:
            more = len(tables.faults) - 1
            rest = f" (and {more} more; list all with: vqspeech validate {os.fspath(path)})" if more else ""
            raise DataDirError(f"{tables.faults[0]}{rest}")
        genders = {speaker: row.value for speaker, row in tables.spk2gender.items()}
        texts = {name: row.value.strip() for name, row in tables.text.items()}
        utterances: list[Utterance] = []
        for name, (_, speaker) in tables.utt2spk.items():
            source = tables.find_source(name)
            if source is None:
                raise DataDirError(f"{path}: no recording of '{name}'; add it to wav.scp")
            row, part = source
            alignment = tables.utt2ali[name].value if name in tables.utt2ali else None
            utterances.append(
                Utterance(name, speaker, row.value, part.start, part.end, texts.get(name) or None, genders.get(speaker),
                          alignment, tables.seconds.get(name))
            )  # fmt: skip
        return cls(utterances)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the data directory, which may be a URL, in one piece; an existing one is replaced.

        Raises:
            OutputError: Something else is at the URL.
            StorageError: The URL cannot be written to.
            DataDirError: There are no utterances, `path` is a folder that holds anything else, or a name is not UTF-8.
        """
        if not is_remote(path):
            path = Path(path).resolve()
        if not self:
            raise DataDirError(f"{path}: no utterances to write; a data directory needs at least one")
        if isinstance(path, Path):
            check_replaceable(path)
        try:
            contents = {name: content.encode() for name, content in self._format_files().items() if content}
        except UnicodeEncodeError as error:
            raise DataDirError(f"{error.object!a} cannot be written as UTF-8; rename the file") from None
        with publish_folder(path, DATA) as folder:
            for name, content in contents.items():
                (folder / name).write_bytes(content)

    def _format_files(self) -> dict[str, str]:
        segmented = any(utterance.start or utterance.end is not None for utterance in self)
        recordings: dict[str, str] = {}  # path -> id of the recording: that of the first utterance in it
        for utterance in self:
            recordings.setdefault(utterance.path, utterance.id)
        by_speaker = self.by_speaker

        def column(value: Callable[[Utterance], str | None]) -> str:
            return _format_rows((utterance.id, value(utterance)) for utterance in self)

        return {
            "wav.scp": _format_rows(sorted((name, path) for path, name in recordings.items()))
            if segmented
            else column(lambda utterance: utterance.path),
            "segments": column(
                lambda utterance: (
                    f"{recordings[utterance.path]} {_format_number(utterance.start)} "
                    f"{-1 if utterance.end is None else _format_number(utterance.end)}"
                )
            )
            if segmented
            else "",
            "utt2spk": column(lambda utterance: utterance.speaker),
            "spk2utt": _format_rows((name, " ".join(one.id for one in some)) for name, some in by_speaker.items()),
            "text": column(lambda utterance: utterance.text),
            "utt2dur": column(lambda one: None if one.seconds is None else _format_number(one.seconds)),
            "spk2gender": _format_rows((name, some[0].gender) for name, some in by_speaker.items()),
            "utt2ali": column(lambda utterance: utterance.alignment),
        }


def combine(parts: Sequence[DataDir]) -> DataDir:
    """Return all utterances of several data directories; one that is the same in two of them is taken once.

    Raises:
        DataDirError: Two different utterances have the same id, or a speaker two genders.
    """
    together: dict[str, Utterance] = {}
    clashes: list[str] = []
    for part in parts:
        for utterance in part:
            # The gender is the speaker's and may be known in one part only.
            before = replace(together.setdefault(utterance.id, utterance), gender=utterance.gender)
            if before != utterance:
                clashes.append(utterance.id)
            elif utterance.gender:
                together[utterance.id] = utterance
    if clashes:
        names = ", ".join(clashes[:5]) + (", ..." if len(clashes) > 5 else "")
        fix = "rename the utterances of one, or leave them out with: vqspeech subset"
        raise DataDirError(
            f"{len(clashes)} utterance ids mean different utterances in two directories ({names}); {fix}"
        )
    for speaker, some in _collect_genders(parts).items():
        if len(some) > 1:
            raise DataDirError(f"speaker '{speaker}' is f in one directory and m in another; correct spk2gender in one")
    return DataDir(together.values())


def _collect_genders(parts: Sequence[DataDir]) -> dict[str, set[str]]:
    genders: dict[str, set[str]] = {}
    for part in parts:
        for utterance in part:
            if utterance.gender:
                genders.setdefault(utterance.speaker, set()).add(utterance.gender)
    return genders


def check_replaceable(path: Path) -> None:
    """Check that writing a data directory to `path` would delete nothing else.

    Raises:
        DataDirError: It would.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise DataDirError(f"{path}: is a file; choose another folder to write to")
    strange = sorted(entry.name for entry in path.iterdir() if entry.name not in FILES)
    if strange:
        names = ", ".join(strange[:5])
        fix = "choose another folder to write to, or empty this one"
        raise DataDirError(f"{path}: holds {names}, which no data directory has and writing would delete; {fix}")
    if Path.cwd().is_relative_to(path):
        raise DataDirError(f"{path}: is the working directory, which cannot be replaced; choose another folder")


def _require_names(names: Iterable[str], there: Iterable[str], what: str) -> set[str]:
    wanted, there = set(names), set(there)
    unknown = sorted(wanted - there)
    if unknown:
        some, known = ", ".join(unknown[:5]), ", ".join(sorted(there)[:5])
        raise DataDirError(f"{len(unknown)} unknown {what}s: {some}; there are {len(there)}, such as {known}")
    return wanted


def _pick_evenly(items: list[Utterance], count: int) -> list[Utterance]:
    return items if len(items) <= count else [items[i * len(items) // count] for i in range(count)]


def _format_rows(rows: Iterable[tuple[str, str | None]]) -> str:
    return "".join(f"{name} {value}\n" for name, value in rows if value is not None)


def _format_number(value: float) -> str:
    return np.format_float_positional(value, trim="-")
