"""Convert a stream to another voice: sound in as it arrives, in chunks of any size, and sound out.

from vqspeech.stream import Converter
converter = Converter("b.wav")                 # a recording of the target speaker, or the name of a voice
for chunk in microphone:
    speaker.play(converter.push(chunk))
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vqspeech import audio, pretrained
from vqspeech.errors import CheckpointError, ConfigError, SpeakerError, WaveformError
from vqspeech.models.live.model import Live
from vqspeech.models.speakers import VoiceName
from vqspeech.models.voice import find_voice
from vqspeech.models.vqvae import VQVAE
from vqspeech.voices import Voice

MODEL = "live"
"""The model that is used where none is named."""


class Converter:
    """Voice conversion of a stream.

    The output is as long as the input, at its level, and does not depend on the sizes of the chunks; it is late by
    `latency` at most. Memory does not grow with the length of the stream.

    Args:
        voice: A voice by name, one that `Live.make_voice` made, the path of a recording, or several paths.
        model: The live model, by name or file, or itself.
        rate: Sample rate of the stream, in and out (Hz).
        shift: Semitones by which the pitch is raised.
        keep_pitch: Whether the pitch stays as it is instead of moving into the range of the voice.
        formant: Factor that stretches the spectrum; above 1 as a shorter vocal tract does.

    Raises:
        SpeakerError: There is no such voice, or it is one of another model.
        AudioError: The recording cannot be read, or has less than a second of speech.
        ConfigError: The model is not one for streams.
        CheckpointError: The model cannot be read.
        WaveformError: The sample rate is invalid.
    """

    def __init__(
        self,
        voice: VoiceName | os.PathLike | Sequence[str | os.PathLike],
        model: Live | str | os.PathLike | None = None,
        rate: float = audio.RATE,
        shift: float = 0.0,
        keep_pitch: bool = False,
        formant: float = 1.0,
    ):
        self.model = model if isinstance(model, Live) else load_live_model(model)
        self.rate = audio.check_rate(rate)
        self.stream = self.model.stream(_voice(self.model, voice), shift, keep_pitch, formant, long=True)
        self._begin()

    def _begin(self) -> None:
        self._came = self._went = 0
        self._ways = None
        if self.rate != audio.RATE:
            import soxr

            kinds = ((self.rate, audio.RATE), (audio.RATE, self.rate))
            self._ways = [soxr.ResampleStream(come, go, 1, dtype="float32") for come, go in kinds]

    @property
    def latency(self) -> float:
        """Longest delay of a sample (s), by the look-ahead of the model; resampling adds a few milliseconds."""
        return self.model.latency / audio.RATE

    def push(self, chunk: Any) -> np.ndarray:
        """Process the next samples and return the output that is ready.

        Args:
            chunk: Samples `(time,)`, or none.

        Returns:
            float32 `(time,)`.

        Raises:
            WaveformError: The samples are not a waveform, for example NaN; the stream continues without them.
        """
        if not np.size(chunk):
            return np.zeros(0, np.float32)
        if np.ndim(chunk) != 1:
            raise WaveformError(f"a chunk of a stream is of one channel, (time,), not of shape {np.shape(chunk)}")
        wave = audio.to_waveform(chunk)
        self._came += len(wave)
        if self._ways is None:
            return self._out(self.stream.push(wave))
        return self._out(self._ways[1].resample_chunk(self.stream.push(self._ways[0].resample_chunk(wave))))

    def flush(self) -> np.ndarray:
        """Return the rest of the output, and start a new stream."""
        if self._ways is None:
            rest = self._out(self.stream.flush())
        else:
            nothing = np.zeros(0, np.float32)
            last = self.stream.push(self._ways[0].resample_chunk(nothing, last=True))
            last = np.concatenate([last, self.stream.flush()])
            rest = self._ways[1].resample_chunk(last, last=True)
            rest = self._out(np.pad(rest, (0, max(0, self._came - self._went - len(rest)))))
        self._begin()
        return rest

    def _out(self, sound: np.ndarray) -> np.ndarray:
        sound = sound[: max(0, self._came - self._went)]
        self._went += len(sound)
        return sound


def load_live_model(model: str | os.PathLike | None = None) -> Live:
    """Load a live model by name or file; None: the one that is shipped.

    Raises:
        ConfigError: It is not a live model.
        CheckpointError: It cannot be read, or none is shipped.
    """
    if model is None and MODEL not in pretrained.list_models():
        raise CheckpointError(
            "no live model comes with this installation; train one (tools/gpu/run.sh live) and name it (--model FILE)"
        )
    found = VQVAE.from_pretrained(os.fspath(model or MODEL))
    if not isinstance(found, Live):
        raise ConfigError(f"{model} is not a model for streams; use '{MODEL}', or one that tools/gpu/live.py made")
    return found


def _voice(model: Live, voice: Any) -> VoiceName:
    if isinstance(voice, (Voice, int)):
        return voice
    if isinstance(voice, str) and (voice in model.speakers or not (os.path.exists(voice) or Path(voice).suffix)):
        return find_voice(model, voice)
    paths = [voice] if isinstance(voice, (str, os.PathLike)) else [*voice]
    if not paths:
        raise SpeakerError("no recording of the voice; give at least one")
    return model.make_voice([audio.read_waveform(path) for path in paths], Path(paths[0]).stem)
