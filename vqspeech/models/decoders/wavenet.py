"""The paper's decoder: an autoregressive WaveNet over µ-law samples (van den Oord et al., 1609.03499)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import audio
from vqspeech.data.windows import Batch
from vqspeech.generate import Projected, generate
from vqspeech.models.decoders.lanes import Lanes
from vqspeech.models.frontend import waves
from vqspeech.models.wavenet import CausalStack


class WaveNet(CausalStack):
    """p(sample | samples before it, latents, speaker) over 256 µ-law levels.

    The latents are smoothed over three of them, projected to all layers at their own rate, and held over their `hop`
    samples; the one-hot speaker is added to them.
    """

    voice_option = "condition"
    """The option that says how many numbers the speaker vector has."""

    def __init__(
        self,
        latents: int,
        hop: int,
        speakers: int,
        layers: int = 30,
        cycle: int = 10,
        residual: int = 64,
        skip: int = 256,
        condition: int = 128,
    ):
        super().__init__(audio.LEVELS, audio.LEVELS, audio.MIDPOINT, audio.RATE, layers, cycle, residual, skip)
        self.hop = hop
        self.smooth = nn.Conv1d(latents, condition, 3, padding=1)
        self.speaker = nn.Embedding(speakers, condition)
        self.project = nn.Conv1d(condition, layers * 2 * residual, 1)
        with torch.no_grad():
            # Neighbouring levels start out alike, on the way in and on the way out: one-hot levels know no order, and
            # learning it takes a WaveNet its first thousands of steps.
            self.embedding.weight.copy_(_smooth_levels(residual))
            self.logits.weight.copy_(_smooth_levels(skip)[:, :, None] * skip**-0.5)

    @property
    def voice_weights(self) -> list[Tensor]:
        """What multiplies the speaker vector, along dimension 1 of each."""
        return [self.project.weight]

    def conditioning(self, latents: Tensor, speakers: Tensor) -> Tensor:
        """What every layer is told: `(batch, layers * 2 * residual, latents)`, at the latent rate.

        latents `(batch, dimension, latents)`, speakers int `(batch,)`.
        """
        return self.project(self._features(latents, speakers))

    def _features(self, latents: Tensor, speakers: Tensor) -> Tensor:
        return F.relu(self.smooth(latents) + self.speaker(speakers)[:, :, None])

    def forward(self, samples: Tensor, conditioning: Tensor) -> Tensor:
        """Logits of every sample given those before it: samples uint8 `(batch, time)`, conditioning as above, with
        time = latents * hop → `(batch, 256, time)`. The first sample is predicted from the midpoint, silence."""
        return self.predicted(F.pad(samples[:, :-1], (1, 0), value=self.start), conditioning).transpose(1, 2)

    def loss(self, latents: Tensor, speakers: Tensor, batch: Batch) -> dict[str, Tensor]:
        """{"nll": cross-entropy in nats a sample}, over the valid samples of the batch."""
        logits = self(batch.samples, self.conditioning(latents, speakers)).float().transpose(1, 2)
        nll = F.cross_entropy(logits.flatten(0, 1), batch.samples.long().flatten(), reduction="none")
        nll = nll.view(batch.samples.shape)
        valid = torch.arange(nll.shape[1], device=nll.device) < batch.lengths[:, None]
        return {"nll": (nll * valid).sum() / valid.sum()}

    @torch.inference_mode()
    def waveforms(self, latents: Tensor, speakers: Tensor, lanes: Lanes) -> Tensor:
        """The speech of latents `(batch, dimension, latents)` in the voices `speakers` `(batch,)`, drawn sample by
        sample: float32 `(batch, time)`. The pitch of the lanes is not used: the codes carry the melody."""
        features = latents.new_zeros(len(latents), self.smooth.out_channels, latents.shape[2])
        for row, samples in enumerate(lanes.samples.tolist()):  # one by one: company changes the last bits
            part = latents[row : row + 1, :, : -(-samples // self.hop)]
            features[row, :, : part.shape[2]] = self._features(part, speakers[row : row + 1])[0]
        conditioning = Projected(features, self.project.weight[:, :, 0], self.project.get_parameter("bias"))
        uniforms = lanes.uniforms(latents.shape[2] * self.hop)
        how = lanes.sampling
        return waves(generate(self.cell(), conditioning, uniforms, temperature=how.temperature, engine=how.engine))


def _smooth_levels(width: int) -> Tensor:
    """A vector for each µ-law level, `(256, width)`: cosines over the levels, the slower ones stronger."""
    levels = (torch.arange(audio.LEVELS) + 0.5) / audio.LEVELS
    cycles = torch.arange(1, width + 1)
    return torch.cos(torch.pi * levels[:, None] * cycles) / (1 + cycles / 8)
