"""Manifests of lhotse (https://lhotse.readthedocs.io), written: recordings and supervisions, or Shar.

FOLDER/recordings.jsonl.gz, supervisions.jsonl.gz       recordings where they are
FOLDER/cuts.000000.jsonl.gz, recording.000000.tar       Shar: a cut for each utterance, with its samples as FLAC
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vqspeech import audio
from vqspeech.data.datadir import Utterance
from vqspeech.data.tars import read_sound
from vqspeech.errors import DataDirError, ShardError
from vqspeech.extras import import_extra
from vqspeech.jobs import Skipped, run_jobs
from vqspeech.storage import is_remote, split_member

SHARD_CUTS = 1000
"""Utterances in a shard."""


def write_manifests(utterances: Sequence[Utterance], folder: Path, nj: int = 1) -> tuple[list[Utterance], Skipped]:
    """Write recordings and supervisions; a supervision has the id of its utterance.

    Args:
        utterances: What to describe.
        folder: Where the manifests go.
        nj: Number of processes.

    Returns:
        The utterances in the manifests, and those whose recordings cannot be read.

    Raises:
        DataDirError: A recording is a member of a tar, which no manifest can name.
        ShardError: No recording can be read.
        MissingExtra: lhotse is not installed.
    """
    lhotse, skipped = import_extra("lhotse", "lhotse"), Skipped()
    inside = next((one for one in utterances if split_member(one.path)), None)
    if inside is not None:
        raise DataDirError(f"{inside.path}: in a tar, which manifests of lhotse do not name; copy --to shar instead")
    first: dict[str, Utterance] = {}
    for one in utterances:
        first.setdefault(one.path, one)
    recordings: dict[str, Any] = {}
    for one, header, error in run_jobs(_read_header, list(first.values()), nj, "headers"):
        if error is None:
            recordings[one.path] = _make_recording(lhotse, one, header)
        else:
            skipped.add(one.id, error)
    written = [one for one in utterances if one.path in recordings]
    _require_some(written, utterances, folder)
    supervisions = [_make_supervision(lhotse, one, recordings[one.path], one.start) for one in written]
    lhotse.RecordingSet.from_recordings(recordings.values()).to_file(folder / "recordings.jsonl.gz")
    lhotse.SupervisionSet.from_segments(supervisions).to_file(folder / "supervisions.jsonl.gz")
    return written, skipped


def write_shar(
    utterances: Sequence[Utterance], folder: Path, nj: int = 1, shard_cuts: int = SHARD_CUTS
) -> tuple[list[Utterance], Skipped]:
    """Write utterances as Shar: manifests of cuts, and tars of their samples.

    Args:
        utterances: What to write.
        folder: Where the shards go.
        nj: Number of processes.
        shard_cuts: Utterances in a shard.

    Returns:
        The utterances in the shards, and those that cannot be read.

    Raises:
        ShardError: No recording can be read.
        MissingExtra: lhotse is not installed.
    """
    lhotse, skipped, written = import_extra("lhotse", "lhotse"), Skipped(), list[Utterance]()
    shar = import_extra("lhotse.shar", "lhotse")
    # The default tries torchaudio, whose compiled half fails beside a CPU build of torch.
    backend = import_extra("lhotse.audio.backend", "lhotse").audio_backend("LibsndfileBackend")
    with backend, shar.SharWriter(str(folder), {"recording": "flac"}, shard_cuts) as writer:
        for one, result, error in run_jobs(read_sound, utterances, nj, "recordings"):
            if error is not None:
                skipped.add(one.id, error)
                continue
            recording = lhotse.Recording.from_bytes(result[1], one.id)
            supervision = _make_supervision(lhotse, one, recording, 0.0, recording.duration)
            cut = recording.to_cut()
            cut.id, cut.supervisions = one.id, [supervision]
            writer.write(cut)
            written.append(one)
    _require_some(written, utterances, folder)
    return written, skipped


def _require_some(written: Sequence[Utterance], utterances: Sequence[Utterance], folder: Path) -> None:
    if not written:
        raise ShardError(f"{folder}: none of {len(utterances)} recordings can be read; see the reasons above")


def _read_header(utterance: Utterance) -> audio.AudioInfo:
    return audio.info(utterance.path)


def _make_recording(lhotse: Any, utterance: Utterance, header: audio.AudioInfo) -> Any:
    path = utterance.path if is_remote(utterance.path) else str(Path(utterance.path).absolute())
    kind = "url" if is_remote(path) else "file"
    source = lhotse.audio.AudioSource(type=kind, channels=list(range(header.channels)), source=path)
    return lhotse.Recording(utterance.id, [source], header.rate, header.frames, header.seconds)


def _make_supervision(
    lhotse: Any, utterance: Utterance, recording: Any, start: float, duration: float | None = None
) -> Any:
    if duration is None:
        duration = (recording.duration if utterance.end is None else utterance.end) - start
    channels = recording.channel_ids
    return lhotse.SupervisionSegment(
        utterance.id,
        recording.id,
        start,
        duration,
        channels[0] if len(channels) == 1 else channels,
        text=utterance.text,
        speaker=utterance.speaker,
        gender=utterance.gender and utterance.gender.upper(),
    )
