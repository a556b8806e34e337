"""The paper's decoder: an autoregressive WaveNet over µ-law samples (van den Oord et al., 1609.03499)."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import audio
from vqspeech.data.windows import Batch
from vqspeech.generate import Cell, generate
from vqspeech.models.decoders.lanes import Lanes
from vqspeech.models.frontend import waves


def convolved(x: Tensor, convolution: nn.Conv1d) -> Tensor:
    """A convolution over time of x `(batch, time, channels)`, in that layout, which the processors' libraries compute
    up to twice as fast as `(batch, channels, time)`: they know it as an image of height 1, channels last."""
    weight = convolution.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
    image = x.transpose(1, 2).unsqueeze(2)  # (batch, channels, 1, time), a view
    return F.conv2d(image, weight, convolution.bias, dilation=(1, *convolution.dilation)).squeeze(2).transpose(1, 2)


class Layer(nn.Module):
    """One gated, dilated, causal convolution of window 2: the present sample and the one `dilation` before it.

    The `last` layer has no residual path: nothing would read it.
    """

    def __init__(self, residual: int, dilation: int, last: bool):
        super().__init__()
        self.dilation = dilation
        self.gated = nn.Conv1d(residual, 2 * residual, 2, dilation=dilation)
        self.residual = None if last else nn.Conv1d(residual, residual, 1)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """x `(batch, time, residual)`, condition `(batch, latents, 1, 2 * residual)` → the next layer's x, and the
        gated activations `(batch, time, residual)`."""
        z = convolved(F.pad(x, (0, 0, self.dilation, 0)), self.gated)
        # The condition is one number per latent and channel: adding it through a view spares the upsampled copy.
        z = (z.unflatten(1, (condition.shape[1], -1)) + condition).flatten(1, 2)
        filters, gates = (half.contiguous() for half in z.chunk(2, 2))  # the functions are faster on whole rows
        h = filters.tanh() * gates.sigmoid()
        return (x if self.residual is None else x + convolved(h, self.residual)), h


class WaveNet(nn.Module):
    """p(sample | samples before it, latents, speaker) over 256 µ-law levels.

    `layers` dilated convolutions whose dilation doubles, starting again at 1 every `cycle` layers; residual and skip
    paths of `residual` and `skip` channels. The latents are smoothed over three of them, projected to all layers at
    their own rate, and held over their `hop` samples; the one-hot speaker is added to them.
    """

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
        super().__init__()
        self.hop = hop
        self.embedding = nn.Embedding(audio.LEVELS, residual)
        stack = nn.ModuleList(Layer(residual, 2 ** (i % cycle), i == layers - 1) for i in range(layers))
        self.layers = cast(Sequence[Layer], stack)
        self.skip = nn.Conv1d(layers * residual, skip, 1)
        self.hidden = nn.Conv1d(skip, skip, 1)
        self.logits = nn.Conv1d(skip, audio.LEVELS, 1)
        self.smooth = nn.Conv1d(latents, condition, 3, padding=1)
        self.speaker = nn.Embedding(speakers, condition)
        self.project = nn.Conv1d(condition, layers * 2 * residual, 1)
        with torch.no_grad():
            # The skip convolution sums over all layers; this start gives the sum the deviation of one of them.
            self.skip.weight.mul_(layers**-0.5)
            # Neighbouring levels start out alike, on the way in and on the way out: one-hot levels know no order, and
            # learning it takes a WaveNet its first thousands of steps.
            self.embedding.weight.copy_(_smooth_levels(residual))
            self.logits.weight.copy_(_smooth_levels(skip)[:, :, None] * skip**-0.5)

    @property
    def receptive_field(self) -> int:
        """Samples before the present one that a prediction depends on."""
        return 1 + sum(layer.dilation for layer in self.layers)

    def conditioning(self, latents: Tensor, speakers: Tensor) -> Tensor:
        """What every layer is told: `(batch, layers * 2 * residual, latents)`, at the latent rate.

        latents `(batch, dimension, latents)`, speakers int `(batch,)`.
        """
        return self.project(F.relu(self.smooth(latents) + self.speaker(speakers)[:, :, None]))

    def forward(self, samples: Tensor, conditioning: Tensor) -> Tensor:
        """Logits of every sample given those before it: samples uint8 `(batch, time)`, conditioning as above, with
        time = latents * hop → `(batch, 256, time)`. The first sample is predicted from the midpoint, silence."""
        before = F.pad(samples[:, :-1], (1, 0), value=audio.MIDPOINT)
        x = self.embedding(before.long())  # (batch, time, residual)
        conditions = conditioning.transpose(1, 2).unsqueeze(2).contiguous().chunk(len(self.layers), 3)
        activations = []
        for layer, condition in zip(self.layers, conditions, strict=True):
            x, h = layer(x, condition)
            activations.append(h)
        # One product for the sum of all skip paths instead of one addition a layer over the whole of time.
        skip = F.relu(convolved(torch.cat(activations, 2), self.skip))
        return convolved(F.relu(convolved(skip, self.hidden)), self.logits).transpose(1, 2)

    def loss(self, latents: Tensor, speakers: Tensor, batch: Batch) -> dict[str, Tensor]:
        """{"nll": cross-entropy in nats a sample}, over the valid samples of the batch."""
        logits = self(batch.samples, self.conditioning(latents, speakers)).float().transpose(1, 2)
        nll = F.cross_entropy(logits.flatten(0, 1), batch.samples.long().flatten(), reduction="none")
        nll = nll.view(batch.samples.shape)
        valid = torch.arange(nll.shape[1], device=nll.device) < batch.lengths[:, None]
        return {"nll": (nll * valid).sum() / valid.sum()}

    def cell(self) -> Cell:
        """The weights packed for sampling: one step of the network."""
        gated = torch.stack([layer.gated.weight for layer in self.layers])  # (layers, 2 residual, residual, window)
        return Cell(
            embedding=self.embedding.weight.detach(),
            gated=gated.detach().permute(0, 3, 2, 1).flatten(1, 2).contiguous(),
            gated_bias=torch.stack([layer.gated.get_parameter("bias") for layer in self.layers]).detach(),
            residual=[_matrix(layer.residual) for layer in self.layers if layer.residual is not None],
            output=[_matrix(conv) for conv in (self.skip, self.hidden, self.logits)],
            dilations=[layer.dilation for layer in self.layers],
            start=audio.MIDPOINT,
        )

    @torch.inference_mode()
    def waveforms(self, latents: Tensor, speakers: Tensor, lanes: Lanes) -> Tensor:
        """The speech of latents `(batch, dimension, latents)` in the voices `speakers` `(batch,)`, drawn sample by
        sample: float32 `(batch, time)`. The pitch of the lanes is not used: the codes carry the melody."""
        uniforms = lanes.uniforms(latents.shape[2] * self.hop)
        return waves(generate(self.cell(), self.conditioning(latents, speakers), uniforms, lanes.temperature))


def _smooth_levels(width: int) -> Tensor:
    """A vector for each µ-law level, `(256, width)`: cosines over the levels, the slower ones stronger."""
    levels = (torch.arange(audio.LEVELS) + 0.5) / audio.LEVELS
    cycles = torch.arange(1, width + 1)
    return torch.cos(torch.pi * levels[:, None] * cycles) / (1 + cycles / 8)


def _matrix(convolution: nn.Conv1d) -> tuple[Tensor, Tensor]:
    """The weight `(inputs, outputs)` and bias `(outputs,)` of a convolution of window 1."""
    assert convolution.bias is not None
    return convolution.weight[:, :, 0].T.detach().contiguous(), convolution.bias.detach()
