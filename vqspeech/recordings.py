"""Recordings in one line: `vqspeech.convert("a.wav", like="b.wav")`, `vqspeech.units("a.wav")`."""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from vqspeech import audio, pretrained
from vqspeech.errors import ConfigError
from vqspeech.models.coder import Coder
from vqspeech.models.voice import find_voice
from vqspeech.models.vqvae import VQVAE
from vqspeech.progress import Listener, report_to
from vqspeech.voices import Voice

FilePath = str | os.PathLike[str]
UNITS = "units"
"""The model of `units` where none is named."""
Kind = TypeVar("Kind", bound=Coder)


def convert(
    path: FilePath,
    like: FilePath | Sequence[FilePath] | None = None,
    *,
    speaker: str | Voice | None = None,
    out: FilePath | None = None,
    model: FilePath | None = None,
    pitch: float = 0.0,
    keep_pitch: bool = False,
    formant: float = 1.0,
    guidance: float | None = None,
    retrieval: float | None = None,
    progress: Listener | None = None,
) -> np.ndarray:
    """Return a recording in another voice: float32 `(samples,)` at 16 kHz, as long as the recording.

    Args:
        path: The recording, a sound file of any kind.
        like: One or several recordings of the target speaker, ten seconds or more in all.
        speaker: Instead, the name of a voice: of the model, or made by `vqspeech voice make`; or one that
            `VQVAE.make_voice` made.
        out: Sound file to write as well.
        model: Name of a model, or its file; None: the default one.
        pitch: Semitones by which the pitch is raised.
        keep_pitch: Whether the pitch stays as it is, instead of moving into the range of the target voice.
        formant: Factor of the formants: above 1 a shorter vocal tract, below 1 a longer one.
        guidance: How far to go beyond the target voice, away from that of the source; None: what is best for the model.
        retrieval: Share of the source's latents that comes from the recordings of the target; None: what is best for
            the model.
        progress: Is called with the `vqspeech.progress.Work` that is being done.

    Raises:
        ConfigError: There is not one of `like` and `speaker`.
        SpeakerError: There is no such voice, or the model takes no voice from recordings.
        AudioError: A recording cannot be read, or those of the target have less than a second of speech.
        CheckpointError: There is no such model.
    """
    if (like is None) == (speaker is None):
        raise ConfigError("give one target voice: like=, recordings of it, or speaker=, its name")
    if out is not None:
        audio.check_writable(out)
    found = load_model(VQVAE, model)
    with report_to(progress):
        if speaker is not None:
            voice = find_voice(found, speaker) if isinstance(speaker, str) else speaker
        else:
            given = [like] if isinstance(like, str | os.PathLike) else list(like or ())
            voice = found.make_voice([audio.read_waveform(one) for one in given])
        source = found.source(audio.read_audible_blocks(path))
        options = {"retrieval": retrieval, "formant": formant, "guidance": guidance}
        parts = found.convert_parts([source], [voice], pitch, keep_pitch, **options)
        wave = np.concatenate([part for _, part in parts])
    if out is not None:
        audio.write(out, wave)
    return wave


def units(path: FilePath, model: FilePath = UNITS, *, progress: Listener | None = None) -> np.ndarray:
    """Return the units of a recording: int64 `(codes,)`, of the default model 128 units at 25 Hz.

    Args:
        path: The recording, a sound file of any kind.
        model: Name of a model, or its file.
        progress: Is called with the `vqspeech.progress.Work` that is being done.

    Raises:
        AudioError: The recording cannot be read.
        CheckpointError: There is no such model.
    """
    with report_to(progress):
        return load_model(Coder, model).encode_blocks(audio.read_audible_blocks(path))


def load_model(kind: type[Kind], model: FilePath | None) -> Kind:
    """Return a model; the last ones are kept, unless their file has changed."""
    path = pretrained.find_checkpoint(model)
    found = _load(kind, path, path.stat().st_mtime_ns if path.is_file() else 0)
    assert isinstance(found, kind)
    return found


@lru_cache(2)
def _load(kind: type[Coder], path: Path, changed: int) -> Coder:  # noqa: ARG001 -- of another time, another file
    return kind.from_pretrained(path)
