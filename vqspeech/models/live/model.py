"""The live model: voice conversion of a stream, with a look-ahead of less than a tenth of a second."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vqspeech import audio
from vqspeech.data.dump import Shards
from vqspeech.data.windows import Windows
from vqspeech.errors import ConfigError
from vqspeech.loudness import NormalisedRecording
from vqspeech.models.decoders import DECODER, SourceFilter
from vqspeech.models.live import BLOCK
from vqspeech.models.live.decoder import BEHIND, LiveDecoder
from vqspeech.models.live.encoder import LiveEncoder
from vqspeech.models.live.frontend import FRAMES, LiveFrontend
from vqspeech.models.live.stages import DecoderStage, EncoderStage, PitchStage, trace_stage
from vqspeech.models.live.tracker import PitchTracker
from vqspeech.models.speakers import VoiceName
from vqspeech.models.vqvae import VQVAE, Source
from vqspeech.pitch import SEMITONES
from vqspeech.schema import Options, check_groups


class Live(VQVAE):
    """A live encoder, a pitch tracker and a causal decoder of a configuration (groups `encoder`, `tracker`, `decoder`).

    It converts to voices of recordings and to its named voices. The decoder is conditioned on continuous latents: there
    are no codes. A recording is converted as a stream.
    """

    frontend: LiveFrontend  # pyright: ignore[reportIncompatibleVariableOverride]
    encoder: LiveEncoder  # pyright: ignore[reportIncompatibleVariableOverride]

    groups = {
        "encoder": Options(LiveEncoder),
        "tracker": Options(PitchTracker),
        "decoder": DECODER,
    }
    hashed = ("frontend", "encoder")

    def __init__(self, config: Mapping[str, Any], speakers: Sequence[str], genders: Mapping[str, str] | None = None):
        nn.Module.__init__(self)
        self.config = self.check_config(config)
        self.speakers, self.genders = list(speakers), dict(genders or {})
        self.frontend = LiveFrontend()  # pyright: ignore[reportIncompatibleVariableOverride]
        self.encoder = LiveEncoder(**self.config["encoder"])  # pyright: ignore[reportIncompatibleVariableOverride]
        self.tracker = PitchTracker(**self.config["tracker"])
        self.decoder: SourceFilter = DECODER.make(  # pyright: ignore[reportIncompatibleVariableOverride]
            self.config["decoder"], latents=self.encoder.latents, hop=BLOCK, speakers=len(self.speakers)
        )
        self.register_buffer("pitch", torch.full((len(self.speakers), 2), float("nan")))

    @classmethod
    def check_config(cls, config: Any) -> dict[str, Any]:
        """As `Coder.check_config`."""
        found = check_groups(config, cls.groups, exclusive=True)
        decoder = found["decoder"]
        if (
            decoder["name"] != "source_filter"
            or not decoder.get("causal")
            or decoder.get("conditioning") != "continuous"
        ):
            raise ConfigError("a live model has a decoder 'source_filter' that is causal, of continuous latents")
        return found

    @property
    def retrieves(self) -> bool:
        """No: its latents have no codebook."""
        return False

    @property
    def hop(self) -> int:
        """Samples per latent."""
        return BLOCK

    @property
    def latency(self) -> int:
        """Samples that come in before one goes out, at most.

        Those of the block that is gathered, of the encoder's look-ahead, and of the decoder's: a latent and half a
        window.
        """
        return BLOCK * (1 + self.encoder.delay) + BEHIND

    def encode_normalised(self, samples: np.ndarray) -> np.ndarray:
        """Raise `ConfigError`: there are no codes."""
        raise ConfigError("a live model makes no codes; take another model (`vqspeech models`)")

    def decode_parts(
        self,
        codes: Sequence[Any],
        speakers: Sequence[VoiceName],
        pitches: Sequence[Any],
        sources: Sequence[np.ndarray | None] | None = None,
        **sampling: Any,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Raise `ConfigError`: there are no codes."""
        self.encode_normalised(np.zeros(0, np.int16))
        yield from ()

    def windows(self, shards: Shards, seconds: float) -> Windows:
        """Raise `ConfigError`: it is not trained on dumps."""
        raise ConfigError(
            "a live model does not learn from a dump; make a voice with `vqspeech voice make`, or a model with "
            "tools/gpu/run.sh live"
        )

    def stream(
        self,
        voice: VoiceName,
        shift: float = 0.0,
        keep_pitch: bool = False,
        formant: float = 1.0,
        long: bool = False,
    ) -> "Stream":
        """Return a stream that converts to a voice.

        Args:
            voice: The voice.
            shift: As in `convert_many`.
            keep_pitch: As in `convert_many`.
            formant: Factor by which spectral envelopes are stretched.
            long: Whether the stages are traced: half a second more at the beginning, a third less time from then on.
        """
        return Stream(self, voice, shift, keep_pitch, formant, long)

    def source(self, blocks: Iterable[np.ndarray]) -> Source:
        """Return the recording as it is: a stream learns its level as it goes."""
        return Source(NormalisedRecording(np.concatenate([*blocks]), 1.0), np.zeros(0), None)

    def convert_parts(
        self,
        sources: Sequence[Source],
        speakers: Sequence[VoiceName],
        shift: float = 0.0,
        keep_pitch: bool = False,
        keep_pauses: bool = False,
        retrieval: float | None = None,
        formant: float = 1.0,
        guidance: float | None = None,
        **sampling: Any,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield conversions as `VQVAE.convert_parts`; nothing is drawn, and `sampling` has no effect.

        Raises:
            ConfigError: Pauses are to be kept, or there is to be guidance or retrieval.
        """
        if retrieval:
            raise ConfigError("a live model takes no latents from recordings of the target; leave retrieval out")
        if guidance:
            raise ConfigError("a live model does not know the voice of the source; leave guidance out")
        if keep_pauses:
            raise ConfigError("a live model makes its own pauses; convert with another model to keep the source's")
        for i, (source, voice) in enumerate(zip(sources, speakers, strict=True)):
            stream, samples = self.stream(voice, shift, keep_pitch, formant), source.normalised.samples
            for start in range(0, len(samples), audio.RATE):
                part = stream.push(samples[start : start + audio.RATE])
                if len(part):
                    yield i, part
            yield i, stream.flush()


class Stream:
    """Conversion of a stream of sound: `push` takes the next samples and returns those that are ready.

    The output is as long as the input, and does not depend on how the input was cut.
    """

    def __init__(self, model: Live, voice: VoiceName, shift: float, keep_pitch: bool, formant: float, long: bool):
        model.check_voice(voice)
        self.model, device = model, model.device
        decoder = LiveDecoder(model.decoder, model.encoder.delay)
        decoder.stretch(formant)
        parts = [
            EncoderStage(model.frontend, model.encoder),
            PitchStage(model.tracker),
            DecoderStage(decoder.to(device)),
        ]
        self._initial = [[state.to(device) for state in part.initial_state()] for part in parts]
        self._voice = model.voice_rows([voice])
        if not self._voice.is_floating_point():
            self._voice = model.decoder.speaker.weight[self._voice].detach()
        median, deviation = np.nan_to_num(model.voice_pitch(voice)).tolist()
        self._target = torch.tensor([[median, deviation, shift / SEMITONES, float(keep_pitch)]], device=device)
        self._encoder, self._pitch, self._decoder = parts
        self._begin()
        if long:
            block, frames = torch.zeros(1, BLOCK, device=device), torch.zeros(1, FRAMES, device=device)
            latent, gain = torch.zeros(1, model.encoder.latents, 1, device=device), frames[:, :1]
            given = [(block,), (block, self._target), (latent, frames, self._voice, frames, gain)]
            self._encoder, self._pitch, self._decoder = (
                trace_stage(part, *some, *states)
                for part, some, states in zip(parts, given, self._initial, strict=True)
            )

    def _begin(self) -> None:
        self._waiting = np.zeros(0, np.float32)
        self._came = self._went = self._blocks = 0
        self._seen, self._tracked, self._spoken = self._initial

    @torch.inference_mode()
    def push(self, samples: np.ndarray) -> np.ndarray:
        """Return the samples that are ready, float32 `(time,)`, after the next input, float32 `(time,)` at 16 kHz."""
        self._came += len(samples)
        waiting = np.concatenate([self._waiting, samples])
        whole = len(waiting) // BLOCK * BLOCK
        self._waiting = waiting[whole:]
        parts = [self._next(torch.from_numpy(block)[None]) for block in waiting[:whole].reshape(-1, BLOCK)]
        sound = np.concatenate([np.zeros(0, np.float32), *parts])
        before = BLOCK * self.model.encoder.delay + BEHIND  # samples that begin ahead of the stream
        made = self._blocks * BLOCK - before
        sound = sound[max(0, len(sound) - max(0, made)) :]
        sound = sound[: max(0, self._came - self._went)]
        self._went += len(sound)
        return sound

    def flush(self) -> np.ndarray:
        """Return the rest of the samples, and reset the stream."""
        missing, came = self._came - self._went, self._came
        parts = [np.zeros(0, np.float32)]
        while sum(map(len, parts)) < missing:
            parts.append(self.push(np.zeros(BLOCK, np.float32)))
        self._begin()
        return np.concatenate(parts)[:missing] if came else parts[0]

    def _next(self, block: Tensor) -> np.ndarray:
        latent, wave, powers, gain, *self._seen = self._encoder(block.to(self.model.device), *self._seen)
        pitch, *self._tracked = self._pitch(wave, self._target, *self._tracked)
        sound, *self._spoken = self._decoder(latent, pitch, self._voice, powers, gain, *self._spoken)
        self._blocks += 1
        return sound[0].cpu().numpy()
