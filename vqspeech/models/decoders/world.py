"""The fast decoder: gated convolutions that predict WORLD frames, from which the vocoder synthesises speech."""

import math
from collections.abc import Sequence
from typing import Annotated, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import world
from vqspeech.data.windows import SpeechBatch
from vqspeech.errors import ConfigError
from vqspeech.models.decoders.streams import Streams
from vqspeech.models.filterbank import make_cosines
from vqspeech.schema import Depth, Dropout, Range, Width

_SPECTRUM, _COEFFICIENTS = 0.5, 0.3
"""Weights in the loss of errors of the log spectrum, and of its coefficients."""
_BANDS = 2 * world.ENVELOPE
"""Places along the mel axis at which spectra are compared."""


class Block(nn.Module):
    """A gated residual convolution over frames, conditioned on the speaker."""

    def __init__(self, channels: int, window: int, voice: int, dropout: float):
        super().__init__()
        self.gated = nn.Conv1d(channels, 2 * channels, window, padding=window // 2)
        self.voice = nn.Linear(voice, 2 * channels)
        self.residual = nn.Conv1d(channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, voice: Tensor) -> Tensor:
        """Return the output, of the shape of x `(batch, channels, frames)`; voice `(batch, voice)`."""
        filters, gates = (self.gated(self.dropout(x)) + self.voice(voice)[:, :, None]).chunk(2, 1)
        return x + self.residual(filters.tanh() * gates.sigmoid())


class WorldDecoder(nn.Module):
    """Log spectral envelope, aperiodicity and voicing at 100 frames a second, from latents and speaker.

    The pitch is not predicted: it is carried over from the source into the target speaker's range (`pitch`). `mean`
    and `deviation` of each WORLD channel over the training data normalise the targets.
    """

    mean: Tensor
    deviation: Tensor
    cosines: Tensor
    voice_option = ("voice",)
    """Path of the option for the size of the speaker vector."""
    uses_pitch = True
    uses_voicing = False
    uses_formant = True

    def __init__(
        self,
        latents: int,
        hop: int,
        speakers: int,
        layers: Depth = 6,
        channels: Width = 256,
        window: Annotated[int, Range(1, 999, odd=True)] = 5,
        voice: Width = 64,
        dropout: Dropout = 0.0,
    ):
        super().__init__()
        self.hop = hop
        self.input = nn.Conv1d(latents, channels, 3, padding=1)
        self.speaker = nn.Embedding(speakers, voice)
        blocks = nn.ModuleList(Block(channels, window, voice, dropout) for _ in range(layers))
        self.blocks = cast(Sequence[Block], blocks)
        self.output = nn.Conv1d(channels, world.CHANNELS, 1)
        self.register_buffer("mean", torch.zeros(world.CHANNELS))
        self.register_buffer("deviation", torch.ones(world.CHANNELS))
        # What each coefficient adds to the log power spectrum along the mel axis, `(_BANDS, ENVELOPE)`.
        cosines = make_cosines(world.ENVELOPE, _BANDS) * math.sqrt(_BANDS)
        self.register_buffer("cosines", cosines, persistent=False)

    @property
    def voice_weights(self) -> list[Tensor]:
        """Weights that multiply the speaker vector, along dimension 1 of each."""
        return [block.voice.weight for block in self.blocks]

    @property
    def receptive_field(self) -> int:
        """Samples of source that one frame depends on, through its latents."""
        return self.hop * 3 + world.FRAME * sum(block.gated.kernel_size[0] - 1 for block in self.blocks)

    def forward(self, latents: Tensor, speakers: Tensor, samples: Tensor) -> Tensor:
        """Return normalised WORLD frames, the first channel the logit of voicing.

        Args:
            latents: `(batch, dimension, latents)`, each held over its share of the frames.
            speakers: int `(batch,)`.
            samples: Length of each, `(batch,)`; nothing past it changes anything before it.

        Returns:
            `(batch, CHANNELS, frames)`.
        """
        frames = world.count_frames(latents.shape[2] * self.hop)
        mask = (torch.arange(frames, device=samples.device) < samples[:, None] / world.FRAME)[:, None]
        x = F.interpolate(self.input(latents), size=frames, mode="nearest")
        voice = self.speaker(speakers)
        for block in self.blocks:
            x = block(x * mask, voice)
        return self.output(F.silu(x))

    def loss(self, latents: Tensor, speakers: Tensor, batch: SpeechBatch) -> dict[str, Tensor]:
        """Return mean absolute errors and the cross-entropy of voicing.

        In deviations every coefficient counts alike, and most of them are inaudible ripples; in the spectrum they count
        by their effect on it.

        Returns:
            {"spectrum"}, of the log power spectrum, in nats times `_SPECTRUM`; {"envelope"}, of its coefficients, in
            deviations times `_COEFFICIENTS`; {"aperiodicity"}, in deviations; {"voicing"}, in nats per frame.

        Raises:
            ConfigError: The batch has no WORLD frames.
        """
        if batch.world is None:
            raise ConfigError("a batch has no WORLD frames for this decoder; run `vqspeech dump --world`")
        predicted = self(latents, speakers, batch.lengths).float()
        target = (batch.world - self.mean[:, None]) / self.deviation[:, None]
        valid = (
            torch.arange(target.shape[2], device=target.device) < (batch.lengths // world.FRAME)[:, None]
        )  # (batch, frames)
        error = (predicted - target).abs()
        voicing = F.binary_cross_entropy_with_logits(predicted[:, 0], (batch.world[:, 0] > 0).float(), reduction="none")
        with torch.autocast(target.device.type, enabled=False):
            spectrum = self.cosines @ ((predicted - target)[:, 2:] * self.deviation[2:, None])
        parts = {
            "spectrum": _SPECTRUM * spectrum.abs().mean(1),
            "envelope": _COEFFICIENTS * error[:, 2:].mean(1),
            "aperiodicity": error[:, 1],
            "voicing": voicing,
        }
        return {name: (part * valid).sum() / valid.sum() for name, part in parts.items()}

    def frames(self, latents: Tensor, speakers: Tensor, samples: Tensor, pitch: Tensor) -> Tensor:
        """Return WORLD frames `(batch, CHANNELS, frames)`; other arguments are those of `forward`.

        Args:
            pitch: Log F0 `(batch, frames)`, 0 where there is none. It is used where the decoder predicts voicing.
        """
        predicted = self(latents, speakers, samples).float()
        frames = predicted * self.deviation[:, None] + self.mean[:, None]
        frames[:, 0] = pitch.to(frames) * (predicted[:, 0] > 0)
        return frames

    @torch.inference_mode()
    def waveforms(self, latents: Tensor, speakers: Tensor, streams: Streams) -> Tensor:
        """Return the speech of latents `(batch, dimension, latents)` in the voices `(batch,)`: float32 `(batch, time)`.

        Nothing is random.
        """
        frames = self.frames(latents, speakers, streams.samples, streams.pitch)
        sounds = [world.synthesise(one.T, streams.sampling.formant) for one in frames.cpu().numpy()]
        return torch.from_numpy(np.stack(sounds))[:, : latents.shape[2] * self.hop]
