"""The clips that voice conversion is judged by, and what the judges say of each."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqspeech import audio, world
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import CorpusError, SpeakerError
from vqspeech.metrics.judges import Judges
from vqspeech.metrics.measures import acoustics

RECORDINGS = "recordings"
MULAW = "µ-law copy"
RECONSTRUCTION = "reconstruction"
CONVERSION = "conversion"
TARGETS = "recordings of the targets"


@dataclass(frozen=True)
class Clip:
    """One piece of sound to judge.

    Attributes:
        row: Of the table.
        source: Id of the utterance whose words it says.
        path: Sound file.
        speaker: Whose voice it should have.
        start: Where it begins in the file (s).
        end: Where it ends (s), None for the end of the file.
        recording: The utterance it should sound like, where there is one.
    """

    row: str
    source: str
    path: str
    speaker: str
    start: float = 0.0
    end: float | None = None
    recording: Utterance | None = None
    kind: str = ""
    """What the row is of: `CONVERSION`, `RECONSTRUCTION`, or where it is empty the row itself."""

    @property
    def sort(self) -> str:
        """What kind of clip it is, whatever its row is called."""
        return self.kind or self.row

    @property
    def name(self) -> str:
        """How it is named in messages."""
        return f"{self.row} {self.speaker} {self.source}"


@dataclass(frozen=True)
class Judgement:
    """What the judges say of a clip.

    Attributes:
        clip: The clip.
        embedding: Its voice.
        pitch: log F0 `(frames,)`.
        heard: The words, None where only the voice was asked for.
        quality: 1 to 5, None likewise.
        distance: Mel-cepstral distance (dB) from the recording it should sound like, where there is one.
    """

    clip: Clip
    embedding: np.ndarray
    pitch: np.ndarray
    heard: str | None = None
    quality: float | None = None
    distance: float | None = None


def judge_clip(make_judges: Callable[[], Judges], clip: Clip) -> Judgement:
    """Return what the judges say of a clip.

    Raises:
        AudioError: It cannot be read or is silent.
    """
    judges = make_judges()
    recorded = wave = audio.read_waveform(clip.path, clip.start, clip.end)
    if clip.sort == MULAW:
        wave = audio.decode_mulaw(audio.encode_mulaw(wave))
    embedding, pitch = judges.verifier.embedding(wave), world.extract_log_f0(wave)
    if clip.sort == TARGETS:
        return Judgement(clip, embedding, pitch)
    distance = None
    if clip.recording is not None:
        recorded = audio.read_waveform(clip.recording.path, clip.recording.start, clip.recording.end)
    if clip.sort in (MULAW, RECONSTRUCTION):
        distance = acoustics.framewise_distance(recorded, wave)
    heard, quality = judges.recogniser.transcribe(wave), judges.rater.rating(wave)
    return Judgement(clip, embedding, pitch, heard, quality, distance)


def make_recording_clip(row: str, utterance: Utterance) -> Clip:
    """Return the clip of an utterance as it was recorded."""
    return Clip(row, utterance.id, utterance.path, utterance.speaker, utterance.start, utterance.end)


def find_reconstructions(folder: str | os.PathLike, sources: DataDir, row: str = RECONSTRUCTION) -> list[Clip]:
    """Return the clips `folder`/UTTERANCE.wav of source utterances.

    Raises:
        CorpusError: There are none.
    """
    paths = sorted(path for path in Path(folder).glob("*.wav") if path.stem in sources)
    if not paths:
        raise CorpusError(f"{folder}: no reconstructions (UTTERANCE.wav) of these utterances; check --data")
    named = [(path, sources[path.stem]) for path in paths]
    return [Clip(row, one.id, str(path), one.speaker, recording=one, kind=RECONSTRUCTION) for path, one in named]


def find_conversions(
    folder: str | os.PathLike, sources: DataDir, targets: DataDir, row: str = CONVERSION
) -> tuple[list[Clip], dict[str, str]]:
    """Return the clips `folder`/TARGET/UTTERANCE.wav to other voices than the source's.

    Returns:
        The clips, of a `row` of the table, and by path why others are left out.

    Raises:
        CorpusError: There are none.
        SpeakerError: A TARGET has no recordings.
    """
    clips, left_out = [], {}
    for path in sorted(Path(folder).glob("*/*.wav")):
        if path.name.startswith("."):
            continue
        if path.stem in sources and sources[path.stem].speaker == path.parent.name:
            continue  # to the speaker's own voice: that is reconstruction
        if path.stem in sources:
            clips.append(Clip(row, path.stem, str(path), path.parent.name, kind=CONVERSION))
        else:
            left_out[str(path)] = f"no source utterance '{path.stem}' in the data directory"
    if not clips:
        raise CorpusError(
            f"{folder}: no conversions of these utterances; make them with: vqspeech convert --data ... --out {folder} "
            "(they lie as TARGET/UTTERANCE.wav)"
        )
    unknown = sorted({clip.speaker for clip in clips} - set(targets.speakers))
    if unknown:
        known = ", ".join(targets.speakers[:8])
        raise SpeakerError(
            f"{folder}: no recordings of target {', '.join(unknown)} (there are: {known}); check --targets-data"
        )
    return clips, left_out
