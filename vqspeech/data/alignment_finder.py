"""Which of the alignment files below a folder belongs to an utterance.

A file is named after the utterance id (`103-1240-0000.TextGrid`, in any folder) or after the recording
(`anna/1.TextGrid` for `anna/1.wav`). Other recordings may have the second name as well, so the folders decide: a file
that may belong to another speaker, or to another recording of the same name, is never taken.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from vqspeech.data.alignment import ENDINGS, has_phones
from vqspeech.data.corpora.layout import make_id, strip_endings, walk_files
from vqspeech.data.ctm import index_ctm
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import AlignmentError

_PREFERRED = (".textgrid", ".ctm", ".phn", ".phones", ".lab")


@dataclass(frozen=True)
class _File:
    """An alignment file that is not a CTM.

    Attributes:
        path: The file.
        name: Its name without endings.
        folders: Ids of the folders that it lies in, from the searched one downwards.
        depth: Number of folders below the searched one.
    """

    path: Path
    name: str
    folders: tuple[str, ...]
    depth: int


class AlignmentFinder:
    """The alignment files in a folder, or one file.

    Args:
        source: The folder or file.
        data: All utterances to align, which tell whose folder one is.

    Raises:
        AlignmentError: The folder does not exist.
    """

    def __init__(self, source: Path, data: DataDir):
        if not source.exists():
            raise AlignmentError(f"{source}: no such folder; give the folder of the alignments")
        self._data, self._speakers = data, set(data.speakers)
        alike = Counter(speaker.casefold() for speaker in data.speakers)
        self._folded = {name.casefold(): name for name in data.speakers if alike[name.casefold()] == 1}
        self._of_recording: dict[str, list[Utterance]] = {}
        for utterance in data:
            if _is_whole(utterance):
                self._of_recording.setdefault(_recording_name(utterance).casefold(), []).append(utterance)
        self._ctm: dict[str, list[Path]] = {}
        self._named: dict[str, list[_File]] = {}
        known = {ending.lower() for ending in ENDINGS}
        root = source.parent if source.is_dir() else source.parent.parent
        for path in [source] if source.is_file() else walk_files(source):
            if path.suffix.lower() == ".ctm":
                index = index_ctm(path)
                for name in {**index.spans, **index.faults}:
                    self._ctm.setdefault(name, []).append(path)
            elif path.suffix.lower() in known:
                folders = tuple(make_id(part) for part in path.parent.relative_to(root).parts)
                file = _File(path, strip_endings(path.stem), folders, len(folders) - 1)
                self._named.setdefault(file.name.casefold(), []).append(file)

    def find(self, utterance: Utterance) -> str | None:
        """Return the file of an utterance; of several, one with phones, and of these the one in the preferred format.

        Returns:
            The path, or None where no file has the name of the utterance or of its recording.

        Raises:
            AlignmentError: Files have its name but belong, or may belong, to others; or several belong to it.
        """
        objections: dict[Path, str] = {}
        own = [*self._ctm.get(utterance.id, ()), *self._list_own(utterance.id, utterance, objections)]
        if not own and _is_whole(utterance):
            own = self._list_own(_recording_name(utterance), utterance, objections)
        if own:
            return str(_choose_file(own, utterance.id))
        if objections:
            some = [f"{path} {why}" for path, why in objections.items()][:2]
            fix = f"name its own alignment {utterance.id}.TextGrid or the like, or put it into a folder of its speaker"
            raise AlignmentError(f"no alignment of this utterance: {'; '.join(some)}; {fix}")
        return None

    def _list_own(self, name: str, utterance: Utterance, objections: dict[Path, str]) -> list[Path]:
        """Return the files of that name without an objection, and add those with one to `objections`."""
        own: list[Path] = []
        for file in self._list_named(name):
            objection = self._find_objection(file, utterance)
            if objection is None:
                own.append(file.path)
            else:
                objections[file.path] = objection
        return own

    def _list_named(self, name: str) -> list[_File]:
        """Return the files of that name; if there are none, those of one name that differs only in letter case."""
        alike = self._named.get(name.casefold(), [])
        exact = [file for file in alike if file.name == name]
        return exact or (alike if len({file.name for file in alike}) == 1 else [])

    def _find_objection(self, file: _File, utterance: Utterance) -> str | None:
        """Return why a file named like an utterance or its recording must not be taken for it, or None."""
        speakers = {self._match_speaker(folder) for folder in file.folders} - {None}
        if speakers and utterance.speaker not in speakers:
            return f"is in the folder of speaker {min(filter(None, speakers))}"
        if file.name == utterance.id:
            return None
        recorded = {self._match_speaker(folder) for folder in _list_folder_ids(utterance)}
        if file.depth and not speakers and utterance.speaker in recorded:
            return f"is in no folder of speaker {utterance.speaker}"
        named = self._data.utterances.get(file.name)
        if named and (named.speaker in speakers or not speakers):
            return f"is of {named.id}"
        for other in self._of_recording.get(_recording_name(utterance).casefold(), ()):
            its_own = other.speaker in speakers or not speakers
            if other.id != utterance.id and its_own and _rate_claim(file, other) >= _rate_claim(file, utterance):
                return f"is of {other.id}, or may be"
        return None

    def _match_speaker(self, folder: str) -> str | None:
        """Return the speaker whom a folder is named after."""
        return folder if folder in self._speakers else self._folded.get(folder.casefold())


def _is_whole(utterance: Utterance) -> bool:
    return not utterance.start and utterance.end is None


def _recording_name(utterance: Utterance) -> str:
    return strip_endings(Path(utterance.path).name)


def _list_folder_ids(utterance: Utterance) -> list[str]:
    return [make_id(part) for part in Path(utterance.path).parent.parts]


def _rate_claim(file: _File, utterance: Utterance) -> tuple[bool, int]:
    """Return how surely a file is of a recording: (same letter case, number of common folders from the inside)."""
    pairs = list(zip(file.folders[::-1], _list_folder_ids(utterance)[::-1], strict=False))
    common = next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))
    return _recording_name(utterance) == file.name, common


def _choose_file(paths: list[Path], utterance: str) -> Path:
    if len(paths) > 1:
        paths = [path for path in paths if has_phones(path, utterance)] or paths
    first = min(_PREFERRED.index(path.suffix.lower()) for path in paths)
    best = [path for path in paths if path.suffix.lower() == _PREFERRED[first]]
    if len(best) > 1:
        raise AlignmentError(f"several alignments: {best[0]}, {best[1]}; leave only the right one")
    return best[0]
