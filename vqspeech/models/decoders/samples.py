"""Base of decoders that draw µ-law samples one by one: a conditioned causal stack (van den Oord et al., 1609.03499)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import audio
from vqspeech.generate import ProjectedConditioning, generate
from vqspeech.models.decoders.streams import Streams
from vqspeech.models.frontend import decode_mulaw
from vqspeech.models.wavenet import CausalStack


class SampleDecoder(CausalStack):
    """p(sample | samples before it, features) over 256 µ-law levels.

    `project` gives the conditioning of all layers from the features `(batch, condition, places)`; each is held over its
    share of the samples.
    """

    project: nn.Conv1d

    def __init__(self, layers: int, cycle: int, residual: int, skip: int):
        super().__init__(audio.LEVELS, audio.LEVELS, audio.MIDPOINT, audio.RATE, layers, cycle, residual, skip)
        with torch.no_grad():
            # Neighbouring levels start out alike, on the way in and on the way out: one-hot levels know no order, and
            # learning it takes a WaveNet its first thousands of steps.
            self.embedding.weight.copy_(_smooth_levels(residual))
            self.logits.weight.copy_(_smooth_levels(skip)[:, :, None] * skip**-0.5)

    def forward(self, samples: Tensor, conditioning: Tensor) -> Tensor:
        """Return logits of every sample given those before it, the first from the midpoint, silence.

        Args:
            samples: uint8 `(batch, time)`, time a multiple of the places.
            conditioning: `(batch, layers * 2 * residual, places)`.

        Returns:
            `(batch, 256, time)`.
        """
        return self.predict(F.pad(samples[:, :-1], (1, 0), value=self.start), conditioning).transpose(1, 2)

    def nll(self, samples: Tensor, lengths: Tensor, conditioning: Tensor) -> Tensor:
        """Return the cross-entropy (nats per sample) over the first `lengths` int `(batch,)` of each row.

        Other arguments are those of `forward`.
        """
        logits = self(samples, conditioning).float().transpose(1, 2)
        nll = F.cross_entropy(logits.flatten(0, 1), samples.long().flatten(), reduction="none").view(samples.shape)
        valid = torch.arange(nll.shape[1], device=nll.device) < lengths[:, None]
        return (nll * valid).sum() / valid.sum()

    def draw_samples(self, features: Tensor, hop: int, streams: Streams) -> Tensor:
        """Return speech drawn sample by sample, `hop` for each of the features.

        Args:
            features: `(batch, condition, places)`.
            hop: Samples per place.
            streams: Seeds, starts and options of sampling.

        Returns:
            float32 `(batch, places * hop)`.
        """
        conditioning = ProjectedConditioning(features, self.project.weight[:, :, 0], self.project.get_parameter("bias"))
        uniforms = streams.uniforms(features.shape[2] * hop)
        how = streams.sampling
        return decode_mulaw(
            generate(self.cell(), conditioning, uniforms, temperature=how.temperature, engine=how.engine)
        )


def _smooth_levels(width: int) -> Tensor:
    """Return a vector for each µ-law level, `(256, width)`: cosines over the levels, the slower ones stronger."""
    levels = (torch.arange(audio.LEVELS) + 0.5) / audio.LEVELS
    cycles = torch.arange(1, width + 1)
    return torch.cos(torch.pi * levels[:, None] * cycles) / (1 + cycles / 8)
