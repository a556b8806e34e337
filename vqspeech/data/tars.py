"""Tars of recordings in webdataset's layout, read and written (https://github.com/webdataset/webdataset).

The files of a sample have the same name up to the first dot: `p225-001.flac`, `p225-001.txt`, `p225-001.json`. Tars are
read in their order, and nothing in them is unpickled or executed: a sample is a sound file, its text (`.txt`), and a
description (`.json`) with the keys of `KEYS`.
"""

import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import soundfile

from vqspeech import audio
from vqspeech.data.datadir import Utterance
from vqspeech.errors import ShardError
from vqspeech.files import replace_file
from vqspeech.jobs import Skipped, run_jobs
from vqspeech.soundfiles.reader import is_readable
from vqspeech.storage import is_remote, join_member, list_files, list_members, read_file, read_member, split_member

KEYS = {
    "id": ("id",),
    "speaker": ("speaker", "speaker_id", "spk", "client_id"),
    "text": ("text", "transcript", "transcription", "sentence"),
    "gender": ("gender", "sex"),
}
"""Names, in descriptions of samples, of what is known of an utterance; the first that is there counts."""
TAR_BYTES = 1 << 30
"""Size at which the next tar is begun."""
ENDINGS = (".tar", ".tar.gz", ".tgz")
_LARGEST_TEXT = 1 << 20
"""Bytes of a text or description; a larger one is none."""


@dataclass(frozen=True)
class Sample:
    """A recording and what is known of it, as it is stored.

    Attributes:
        key: Its name, such as `p225/001`.
        path: Path of the sound, see `vqspeech.storage`.
        speaker: Name of the speaker, if any.
        text: Transcript, if any.
        gender: 'f', 'm' or unknown.
    """

    key: str
    path: str
    speaker: str | None = None
    text: str | None = None
    gender: str | None = None


def list_tars(path: str | Path) -> list[str]:
    """Return the tars in a folder, or the one that is named, in order; empty where there are none."""
    return [name for name in list_files(path) if name.endswith(ENDINGS)]


def read_samples(tar: str, faults: Skipped) -> Iterator[Sample]:
    """Yield the samples of a tar, in its order; texts that cannot be read are added to `faults`.

    Raises:
        StorageError: The tar cannot be read.
    """
    groups: dict[str, dict[str, str]] = {}
    for name in list_members(tar):
        file = PurePosixPath(name)
        stem, _, ending = file.name.partition(".")
        if stem and not any(part.startswith(".") for part in file.parts):
            groups.setdefault(str(file.with_name(stem)), {})[ending.lower()] = name
    for key, files in groups.items():
        sound = next((name for ending, name in files.items() if is_readable(f".{ending.rpartition('.')[2]}")), None)
        if sound is None:
            continue
        about: Mapping[str, Any] = {}
        try:
            about = json.loads(_read_text(files["json"], tar)) if "json" in files else {}
            if not isinstance(about, dict):
                raise TypeError("not an object")
            text = _read_text(files["txt"], tar) if "txt" in files else find_value(about, "text")
        except (ValueError, TypeError, RecursionError) as error:
            faults.add(f"{tar}: {key}", f"its description cannot be read ({error}); correct or remove it")
            continue
        words = " ".join(text.split()) if text else None
        speaker, gender = find_value(about, "speaker"), parse_gender(find_value(about, "gender"))
        yield Sample(find_value(about, "id") or key, join_member(sound, tar), speaker, words or None, gender)


def find_value(about: Mapping[str, Any], what: str) -> str | None:
    """Return what a description says of 'id', 'speaker', 'text' or 'gender'; None where it does not."""
    found = next((about[key] for key in KEYS[what] if about.get(key) not in (None, "")), None)
    return str(found) if isinstance(found, str | int) else None


def parse_gender(text: str | None) -> str | None:
    """Return 'f' or 'm' of a word such as 'F', 'female' or 'male_masculine'; None of any other."""
    match = re.fullmatch(r"(f(?:emale)?|m(?:ale)?)(_\w+)?", (text or "").strip().lower())
    return match and match[1][0]


def _read_text(name: str, tar: str) -> str:
    if list_members(tar)[name].size > _LARGEST_TEXT:
        raise ValueError(f"more than {_LARGEST_TEXT} bytes")
    return read_member(name, tar).decode("utf-8-sig")


def write_tars(
    utterances: Sequence[Utterance], folder: Path, nj: int = 1, tar_bytes: int = TAR_BYTES
) -> tuple[list[Utterance], Skipped]:
    """Write utterances to tars, `000000.tar` and so on.

    A recording of this machine that is an utterance as a whole is copied as it is; of a part of one, and of a URL, the
    samples are written as FLAC.

    Args:
        utterances: What to write.
        folder: Where the tars go.
        nj: Number of processes.
        tar_bytes: Size at which the next tar is begun.

    Returns:
        Those of the utterances that are in the tars, and those that cannot be read.

    Raises:
        ShardError: None could be written.
    """
    skipped = Skipped()

    def read_sounds() -> Iterator[tuple[Utterance, str, bytes]]:
        for utterance, result, error in run_jobs(read_sound, utterances, nj, "recordings"):
            if error is None:
                yield utterance, *result
            else:
                skipped.add(utterance.id, error)

    written = {one.id for one in fill_tars(read_sounds(), folder, tar_bytes)}
    if not written:
        raise ShardError(f"{folder}: none of {len(utterances)} recordings could be written; see the reasons above")
    return [one for one in utterances if one.id in written], skipped


def fill_tars(
    sounds: Iterable[tuple[Utterance, str, bytes]], folder: Path, tar_bytes: int = TAR_BYTES
) -> Iterator[Utterance]:
    """Write (utterance, ending, bytes) one after the other to tars in a folder; yield each with the path it has there.

    A tar takes its name when it is whole.
    """
    pending, number = iter(sounds), 0
    sound = next(pending, None)
    while sound is not None:
        path = folder / f"{number:06d}.tar"
        done: list[Utterance] = []
        with replace_file(path) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
            while sound is not None and (not done or tar.offset < tar_bytes):
                utterance, ending, content = sound
                about = {
                    "id": utterance.id,
                    "speaker": utterance.speaker,
                    "text": utterance.text,
                    "gender": utterance.gender,
                }
                given = {key: value for key, value in about.items() if value is not None}
                # A dot ends a key: webdataset takes what follows it for the ending.
                key = utterance.id.replace("%", "%25").replace(".", "%2E")
                _add(tar, f"{key}{ending}", content)
                _add(tar, f"{key}.json", json.dumps(given, ensure_ascii=False).encode())
                place = join_member(f"{key}{ending}", path.resolve())
                done.append(replace(utterance, path=place, start=0.0, end=None))
                sound = next(pending, None)
        yield from done
        number += 1


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def read_sound(utterance: Utterance) -> tuple[str, bytes]:
    """Return ending and bytes of a sound file with the samples of an utterance, at the rate of its recording."""
    whole = not utterance.start and utterance.end is None
    parts = split_member(utterance.path)
    header = audio.info(utterance.path)
    if whole and not is_remote(utterance.path):
        name = parts[0] if parts else utterance.path
        return PurePosixPath(name).suffix.lower(), read_file(utterance.path)
    wave = np.concatenate(list(audio.read_blocks(utterance.path, utterance.start, utterance.end, header.rate)))
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(wave, -1.0, 1.0), header.rate, format="FLAC", subtype="PCM_24")
    return ".flac", buffer.getvalue()
