"""Manifests of lhotse (https://lhotse.readthedocs.io): recordings and supervisions, cuts, or Shar.

    FOLDER/*recordings*.jsonl.gz, *supervisions*.jsonl.gz   one utterance for each supervision
    FOLDER/*cuts*.jsonl.gz                                  one for each supervision in a cut, else for the cut
    FOLDER/cuts.000000.jsonl.gz, recording.000000.tar       Shar: the recordings are read where they are, in the tars

Recordings are files or URLs. A recording that is a command is dropped, and never run; so are mixed cuts, and what is
to be augmented while it is read. The lengths in the manifests are believed.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from vqspeech.data.corpora.account import Account, measure_utterances
from vqspeech.data.corpora.layout import make_id
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.sharding import Share
from vqspeech.data.tables import is_id
from vqspeech.data.tars import parse_gender
from vqspeech.errors import CorpusError
from vqspeech.extras import import_extra
from vqspeech.storage import fetch_file, is_remote, join_member, list_files, list_members, make_absolute, split_member

ENDINGS = (".jsonl", ".jsonl.gz")
_KINDS = ("cuts", "recordings", "supervisions")
_SHAR = re.compile(r"cuts\.(\d+)\.jsonl(\.gz)?")
_ROUNDING = 1e-3
"""Seconds by which a supervision may miss the ends of its recording and still be all of it."""


def is_manifest(name: str) -> bool:
    """Return whether a file is a manifest by its name."""
    return name.endswith(ENDINGS) and any(kind in name for kind in _KINDS)


def prepare(corpus: str | os.PathLike[str], nj: int = 1, share: Share | None = None) -> tuple[DataDir, Account]:
    """Return the utterances of manifests, and the account of them.

    Args:
        corpus: A folder of manifests or of Shar, or a manifest of cuts; a path or a URL.
        nj: Number of processes.
        share: Which of the utterances to read; by default, all.

    Raises:
        CorpusError: There is no manifest, one is damaged, or there is nothing in them that can be used.
        MissingExtra: lhotse is not installed.
    """
    account = Account(f"lhotse {PurePosixPath(os.fspath(corpus)).name}")
    return measure_utterances(list_utterances(corpus, account), account, nj, share), account


def list_utterances(corpus: str | os.PathLike[str], account: Account) -> list[Utterance]:
    """Return the utterances of manifests, in their order.

    Raises:
        CorpusError: There is no manifest, one is damaged, or there are no utterances in them.
        MissingExtra: lhotse is not installed.
    """
    files = {name.rpartition("/")[2]: name for name in list_files(corpus)}
    chosen = {kind: [files[name] for name in sorted(files) if is_manifest(name) and kind in name] for kind in _KINDS}
    if chosen["cuts"]:
        found = _read_cuts(chosen["cuts"], files, account)
    elif chosen["recordings"]:
        found = _read_pairs(chosen["recordings"], chosen["supervisions"], account)
    else:
        there = ", ".join(sorted(files)[:5]) or "nothing"
        raise CorpusError(
            f"{corpus}: no manifests of lhotse: looked for *cuts*.jsonl.gz, or *recordings*.jsonl.gz with "
            f"*supervisions*.jsonl.gz; there is {there}"
        )
    utterances: dict[str, Utterance] = {}
    for utterance in found:
        if utterance.id in utterances:
            account.drop(utterance.id, "another utterance has the same id")
        else:
            utterances[utterance.id] = utterance
    if not utterances:
        dropped = "; ".join(f"{len(names)} {reason}" for reason, names in account.dropped.items())
        raise CorpusError(f"{corpus}: no utterance in its manifests can be used ({dropped or 'they are empty'})")
    return list(utterances.values())


def _read_manifest(path: str) -> Iterator[Any]:
    lhotse = import_extra("lhotse", "lhotse")
    try:
        yield from lhotse.load_manifest_lazy(os.path.abspath(fetch_file(path))) or ()
    except (ValueError, TypeError, KeyError, AssertionError, AttributeError, OSError, EOFError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise CorpusError(f"{path}: cannot be read as a manifest of lhotse ({reason}); write it again") from None


def _read_pairs(recordings: list[str], supervisions: list[str], account: Account) -> Iterator[Utterance]:
    known = {one.id: one for path in recordings for one in _read_manifest(path)}
    account.recordings += len(known)
    heard: set[str] = set()
    for path in supervisions:
        for one in _read_manifest(path):
            heard.add(one.recording_id)
            recording = known.get(one.recording_id)
            if recording is None:
                account.drop(one.id, "its recording is in no manifest")
            else:
                yield from _make_utterances(recording, one.start, one.duration, one.channel, one, None, account)
    for name, recording in known.items():
        if name not in heard:
            yield from _make_utterances(recording, 0.0, recording.duration, recording.channel_ids, None, None, account)


def _read_cuts(paths: list[str], files: dict[str, str], account: Account) -> Iterator[Utterance]:
    for path in paths:
        shar = _SHAR.fullmatch(path.rpartition("/")[2])
        tar = files.get(f"recording.{shar[1]}.tar") if shar else None
        places = _list_places(tar) if tar else {}
        for cut in _read_manifest(path):
            account.recordings += 1
            recording = getattr(cut, "recording", None)
            if type(cut).__name__ not in ("MonoCut", "MultiCut") or recording is None:
                account.drop(cut.id, "a mixed or padded cut, or one without a recording")
                continue
            place = None
            if recording.sources and recording.sources[0].type == "shar":
                place = places.get(cut.id)
                if place is None:
                    account.drop(cut.id, "its recording is not in the tar beside its manifest")
                    continue
            if not cut.supervisions:
                yield from _make_utterances(
                    recording, cut.start, cut.duration, cut.channel, None, place, account, cut.id
                )
            for one in cut.supervisions:
                start, end = max(0.0, one.start), min(cut.duration, one.end)
                yield from _make_utterances(recording, cut.start + start, end - start, cut.channel, one, place, account)


def _list_places(tar: str) -> dict[str, str]:
    """Return the path of the recording of each cut in the tar of a shard, by the id of the cut."""
    tar = make_absolute(tar)
    return {name.rpartition(".")[0]: join_member(name, tar) for name in list_members(tar) if not name.endswith(".json")}


def _make_utterances(
    recording: Any,
    start: float,
    duration: float,
    channel: int | Iterable[int],
    supervision: Any,
    place: str | None,
    account: Account,
    name: str = "",
) -> Iterator[Utterance]:
    """Yield the utterance of a part of a recording, or count it as dropped."""
    given = name or (recording if supervision is None else supervision).id
    speaker, text, gender = given, "", None
    if supervision is not None:
        speaker, text, gender = supervision.speaker or given, supervision.text or "", parse_gender(supervision.gender)
    speaker, own = (make_id(str(one).replace("/", "-")) for one in (speaker, given))
    own = own if own.startswith(speaker) else f"{speaker}-{own}"
    path = place or _find_path(recording)
    reason = _find_fault(recording, channel, path)
    if not (is_id(own) and is_id(speaker)):
        reason = "an id or speaker with characters that a data directory may not have"
    elif not duration > 0 or start < 0:
        reason = "a supervision without length"
    if reason or path is None:
        account.drop(own, reason)
        return
    if supervision is not None and supervision.alignment:
        account.note(own, "alignments in the manifest, left out; export them as TextGrid or CTM")
    end = min(start + duration, recording.duration)
    seconds = round(end - start, 6)
    utterance = Utterance(own, speaker, path, text=" ".join(text.split()) or None, gender=gender)
    if start < _ROUNDING and recording.duration - end < _ROUNDING:
        yield replace(utterance, seconds=round(recording.duration, 6))
    else:
        yield replace(utterance, start=round(start, 6), end=round(end, 6), seconds=seconds)


def _find_fault(recording: Any, channel: int | Iterable[int], path: str | None) -> str:
    """Return why a recording cannot be used; empty where it can."""
    channels = [channel] if isinstance(channel, int) else list(channel)
    if path is None:
        return "a recording that is neither a file nor a URL (such as a command, which is not run)"
    if recording.transforms:
        return "a recording that is to be augmented; write it to a file first"
    if sorted(channels) != sorted(recording.channel_ids):
        return "one channel of several; write it to a file of its own first"
    if not path.isprintable() or path != path.strip():
        return "a path with characters that a data directory may not have"
    if not (is_remote(path) or split_member(path) or os.path.isfile(path)):
        return f"no such file, seen from {os.getcwd()}"
    return ""


def _find_path(recording: Any) -> str | None:
    """Return the file or URL of a recording; None where it is something else."""
    if len(recording.sources) != 1 or recording.sources[0].type not in ("file", "url"):
        return None
    return make_absolute(str(recording.sources[0].source))
