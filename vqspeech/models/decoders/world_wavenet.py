"""A WaveNet in the place of the vocoder behind the fast decoder's WORLD frames.

The filters of the frames are taken off the speech, and the WaveNet draws the rest, the excitation (ExcitNet, Song, Byun
and Kang, 1811.04769), conditioned on predicted frames. Tamamori et al. 2017, "Speaker-dependent WaveNet vocoder", drew
the speech itself.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import audio, world
from vqspeech.data.windows import SpeechBatch
from vqspeech.errors import ConfigError
from vqspeech.models.decoders.prediction import Prediction
from vqspeech.models.decoders.samples import SampleDecoder
from vqspeech.models.decoders.streams import Streams
from vqspeech.models.decoders.world import WorldDecoder
from vqspeech.models.frontend import dither_mulaw, encode_mulaw, to_waveforms
from vqspeech.models.wavenet import Cycle
from vqspeech.schema import Depth, Options, Width

_LOG_F0, _SCALE = 5.0, 3.0
"""Log F0 of voices is mostly within 5 ± 1/3."""
_PEAK = 16.0
"""Deviations of the excitation that the outermost µ-law levels stand for: more than the pulses of a voice have."""
_LOUDEST = 1.5
"""Deviation of the excitation, which is 1 where frames fit their speech, that is learned at most."""


class WorldWaveNet(SampleDecoder):
    """p(sample | samples before it, WORLD frames, speaker) over 256 µ-law levels of the excitation.

    `frames` are the options of the `WorldDecoder` that predicts the frames; the WaveNet is conditioned on its speaker
    vectors, too. The pitch is that of the source. The conditioning is held over the 10 ms of a frame.
    """

    voice_option = ("frames", "voice")
    """Path of the option for the size of the speaker vector."""
    uses_pitch = True
    uses_voicing = False
    uses_formant = False

    def __init__(
        self,
        latents: int,
        hop: int,
        speakers: int,
        frames: Annotated[Mapping[str, Any], Options(WorldDecoder, ("latents", "hop", "speakers"))],
        layers: Depth = 30,
        cycle: Cycle = 10,
        residual: Width = 64,
        skip: Width = 256,
        condition: Width = 128,
    ):
        super().__init__(layers, cycle, residual, skip)
        self.hop = hop
        self.frames = WorldDecoder(latents, hop, speakers, **frames)
        self.smooth = nn.Conv1d(world.CHANNELS + 1, condition, 3, padding=1)
        self.voice = nn.Linear(self.frames.speaker.embedding_dim, condition)
        self.mix = nn.Conv1d(condition, condition, 3, padding=1)
        self.project = nn.Conv1d(condition, layers * 2 * residual, 1)

    @property
    def speaker(self) -> nn.Embedding:
        """Speaker vectors."""
        return self.frames.speaker

    @property
    def voice_weights(self) -> list[Tensor]:
        """Weights that multiply the speaker vector, along dimension 1 of each."""
        return [*self.frames.voice_weights, self.voice.weight]

    @property
    def context(self) -> int:
        """Codes on either side of a moment that its conditioning depends on."""
        return -(-(self.frames.receptive_field // 2 + 2 * world.FRAME) // self.hop)

    @property
    def receptive_field(self) -> int:
        """Samples before the present one that it depends on.

        Those of the network, and 100 ms after which the ringing of the filters has faded.
        """
        return super().receptive_field + audio.RATE // 10

    def train(self, mode: bool = True) -> "WorldWaveNet":
        """Set the training mode; frozen frames stay in evaluation mode, without dropout."""
        super().train(mode)
        if not self.frames.output.weight.requires_grad:
            self.frames.eval()
        return self

    def conditioning(self, frames: Tensor, speakers: Tensor) -> Tensor:
        """Return the conditioning of all layers: `(batch, layers * 2 * residual, frames)`.

        Args:
            frames: As `WorldDecoder.frames` returns them.
            speakers: int `(batch,)`.
        """
        return self.project(self._features(frames, speakers))

    def _features(self, frames: Tensor, speakers: Tensor) -> Tensor:
        voiced = frames[:, :1] > 0
        logs = torch.where(voiced, (frames[:, :1] - _LOG_F0) * _SCALE, 0.0)
        rest = (frames[:, 1:] - self.frames.mean[1:, None]) / self.frames.deviation[1:, None]
        told = self.smooth(torch.cat([voiced.float(), logs, rest], 1))
        # No rectifiers: at the rates that a WaveNet is trained with, all but a few of them die.
        return self.mix(F.silu(told + self.voice(self.speaker(speakers))[:, :, None]))

    def loss(self, latents: Tensor, speakers: Tensor, batch: SpeechBatch) -> dict[str, Tensor]:
        """Return {"nll": cross-entropy in nats per sample of the excitation}, and the losses of the frames."""
        if batch.world is None:
            raise ConfigError("a batch has no WORLD frames for this decoder; run `vqspeech dump --world`")
        frames = self.frames.frames(latents, speakers, batch.lengths, batch.world[:, 0])
        # The filters of the speech itself: those of predicted frames miss its level here and there.
        excitation = Prediction.of(batch.world).excitation(
            _audible(dither_mulaw(encode_mulaw(to_waveforms(batch.samples))))
        )
        excitation = encode_mulaw(_levelled(excitation) / _PEAK)
        nll = self.nll(excitation, batch.lengths, self.conditioning(frames, speakers))
        return {"nll": nll} | self.frames.loss(latents, speakers, batch)

    @torch.inference_mode()
    def waveforms(self, latents: Tensor, speakers: Tensor, streams: Streams) -> Tensor:
        """Return the speech of latents, drawn sample by sample: float32 `(batch, time)`.

        Args:
            latents: `(batch, dimension, latents)`.
            speakers: int `(batch,)`.
            streams: Lengths, pitch, seeds and options.
        """
        time = latents.shape[2] * self.hop
        features = latents.new_zeros(len(latents), self.mix.out_channels, world.count_frames(time))
        filters = []
        for row, samples in enumerate(streams.samples.tolist()):  # one by one: a batch changes the last bits
            own, codes = slice(row, row + 1), -(-samples // self.hop)
            pitch = streams.pitch[own, : world.count_frames(codes * self.hop)].to(features)
            frames = self.frames.frames(latents[own, :, :codes], speakers[own], streams.samples[own], pitch)
            features[own, :, : frames.shape[2]] = self._features(frames, speakers[own])
            filters.append(Prediction.of(frames))
        excitation = self.draw_samples(features, world.FRAME, streams) * _PEAK
        speech = torch.zeros_like(excitation)
        for row, own in enumerate(filters):
            samples = own.periods.shape[1]
            speech[row, :samples] = own.speech(_audible(excitation[row : row + 1, :samples]))[0]
        return speech[:, :time].clamp(-1, 1)


def _audible(waves: Tensor) -> Tensor:
    """Return waveforms `(batch, time)` less their mean over a triangle of 20 ms: what is below 50 Hz.

    No voice has it, many recordings have, and behind the filters even a slight mean of the excitation is loud.
    """
    window = world.FRAME + 1
    mean = waves[:, None]
    for _ in range(2):
        mean = F.avg_pool1d(mean, window, 1, window // 2, count_include_pad=False)
    return waves - mean[:, 0]


def _levelled(excitation: Tensor) -> Tensor:
    """Return excitation `(batch, time)`, lowered where it is louder over 20 ms than `_LOUDEST`.

    The level of speech belongs to the frames: a network trained on loud excitation of sudden onsets draws it, and then
    cannot end it.
    """
    window = 2 * world.FRAME + 1
    power = F.avg_pool1d(excitation.square()[:, None], window, 1, window // 2, count_include_pad=False)[:, 0]
    return excitation / (power.sqrt() / _LOUDEST).clamp(min=1.0)
