"""What a decoder's outputs say of the 256 levels of each pixel: log p(x|z), the likeliest image, a drawn one.

Pixels are independent of each other given the latents. All of it is computed in float32, under autocast too.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from vqspeech.schema import Kinds, Range

LEVELS = 256


class Likelihood(ABC):
    """For images of `channels` channels it takes `outputs` numbers a pixel."""

    outputs: int

    @abstractmethod
    def log_prob(self, outputs: Tensor, images: Tensor) -> Tensor:
        """log p of images uint8 `(batch, channels, height, width)` given `(batch, outputs, height, width)`, in nats:
        float32 `(batch,)`."""

    @abstractmethod
    def mean(self, outputs: Tensor) -> Tensor:
        """The mean image, which has the least expected square error: float32 `(batch, channels, height, width)`."""

    @abstractmethod
    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """An image drawn for each: uint8 `(batch, channels, height, width)`."""

    def best(self, outputs: Tensor) -> Tensor:
        """The mean image, rounded: uint8 `(batch, channels, height, width)`."""
        return self.mean(outputs).round().clamp(0, LEVELS - 1).to(torch.uint8)


class Categorical(Likelihood):
    """A softmax over the 256 levels of each channel of each pixel."""

    def __init__(self, channels: int):
        self.channels, self.outputs = channels, LEVELS * channels

    def log_prob(self, outputs: Tensor, images: Tensor) -> Tensor:
        logits = self._logits(outputs)
        levels = images.long().permute(0, 2, 3, 1)  # (batch, height, width, channels)
        losses = F.cross_entropy(logits.flatten(0, 3), levels.flatten(), reduction="none")
        return -losses.view(len(images), -1).sum(1)

    def mean(self, outputs: Tensor) -> Tensor:
        levels = torch.arange(LEVELS, device=outputs.device, dtype=torch.float32)
        return (self._logits(outputs).softmax(-1) @ levels).permute(0, 3, 1, 2)

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        odds = self._logits(outputs).softmax(-1)
        drawn = torch.multinomial(odds.flatten(0, 3), 1, generator=generator)
        return drawn.view(odds.shape[:4]).permute(0, 3, 1, 2).to(torch.uint8)

    def _logits(self, outputs: Tensor) -> Tensor:
        """`(batch, height, width, channels, levels)`: the levels last, where a softmax is several times faster."""
        return outputs.permute(0, 2, 3, 1).float().contiguous().unflatten(-1, (self.channels, LEVELS))


class LogisticMixture(Likelihood):
    """A mixture of discretised logistics a channel (Salimans et al. 2017, PixelCNN++, arXiv 1701.05517, section 2.1),
    with the levels at -1 … 1 and the tails in the outermost two; channels are independent here."""

    NARROWEST, USUAL = -7.0, -2.5
    """Least log of a scale, and the one that an output of 0 stands for, a deviation of 19 levels: to come there from a
    scale of 1, where all levels are alike, would take hundreds of steps."""

    def __init__(self, channels: int, mixtures: Annotated[int, Range(1, 1000)] = 10):
        self.channels, self.mixtures, self.outputs = channels, mixtures, 3 * mixtures * channels

    def log_prob(self, outputs: Tensor, images: Tensor) -> Tensor:
        weights, means, scales = self._parameters(outputs)
        half = 1 / (LEVELS - 1)
        x = (images.float() * (2 * half) - 1)[:, None]  # (batch, 1, channels, height, width)
        upper, lower = ((x + sign * half - means) * torch.exp(-scales) for sign in (1, -1))
        # log(σ(upper) - σ(lower)), stable in both tails: σ(a) - σ(b) = σ(a) σ(-b) (1 - exp(b - a)).
        inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
        level = torch.where(x < -1 + half, F.logsigmoid(upper), torch.where(x > 1 - half, F.logsigmoid(-lower), inside))
        return torch.logsumexp(weights + level, 1).flatten(1).sum(1)

    def mean(self, outputs: Tensor) -> Tensor:
        weights, means, _ = self._parameters(outputs)
        return ((weights.exp() * means.clamp(-1, 1)).sum(1) + 1) * (LEVELS - 1) / 2

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        weights, means, scales = self._parameters(outputs)
        odds = weights.exp().movedim(1, -1)
        pick = torch.multinomial(odds.reshape(-1, self.mixtures), 1, generator=generator).view(odds.shape[:-1])
        mean, scale = (one.gather(1, pick[:, None])[:, 0] for one in (means, scales))
        u = torch.rand(mean.shape, generator=generator, device=mean.device).clamp(1e-5, 1 - 1e-5)
        x = mean + scale.exp() * (u.log() - torch.log1p(-u))
        return ((x + 1) * (LEVELS - 1) / 2).round().clamp(0, LEVELS - 1).to(torch.uint8)

    def _parameters(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights, means and log scales `(batch, mixtures, channels, height, width)`."""
        logits, means, scales = outputs.float().unflatten(1, (3, self.mixtures, self.channels)).unbind(1)
        return F.log_softmax(logits, 1), means, (scales + self.USUAL).clamp(min=self.NARROWEST)


class Normal(Likelihood):
    """A normal of one `deviation`, in levels, for all pixels, over all whole numbers: to learn it is to minimise the
    squared error. Adding up to one over those, to 1e-8 where the deviation is a level or more, it gives away what it
    puts outside of the 256 levels: its bits are an upper limit, and far above those of the others."""

    def __init__(self, channels: int, deviation: Annotated[float, Range(1, LEVELS)]):
        self.channels, self.outputs, self.deviation = channels, channels, deviation

    def log_prob(self, outputs: Tensor, images: Tensor) -> Tensor:
        errors = (images.float() - self.mean(outputs)) / self.deviation
        each = math.log(self.deviation * math.sqrt(2 * math.pi))
        return -(0.5 * errors.square() + each).flatten(1).sum(1)

    def mean(self, outputs: Tensor) -> Tensor:
        return (outputs.float() + 1) * (LEVELS - 1) / 2

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        mean = self.mean(outputs)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        return (mean + self.deviation * noise).round().clamp(0, LEVELS - 1).to(torch.uint8)


LIKELIHOODS: dict[str, Callable[..., Likelihood]] = {
    "categorical": Categorical,
    "logistic": LogisticMixture,
    "normal": Normal,
}
"""Likelihoods by name."""
LIKELIHOOD = Kinds("likelihood", LIKELIHOODS, given=("channels",))
"""The group of a configuration."""


def likelihood(name: str, channels: int, **options: float) -> Likelihood:
    """The likelihood of that name. Raises `ConfigError` for an unknown name or option."""
    return LIKELIHOOD.make({"name": name, **options}, channels=channels)
