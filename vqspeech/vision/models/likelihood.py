"""Likelihoods p(x|z) of the 256 levels of a pixel, given the outputs of a decoder.

Pixels are independent given the latents. All is computed in float32, under autocast too.
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
    """Base of the likelihoods; `outputs` is the number of decoder outputs for each pixel."""

    outputs: int

    @abstractmethod
    def log_prob(self, outputs: Tensor, images: Tensor) -> Tensor:
        """Return log p of images uint8 `(batch, channels, height, width)` in nats: float32 `(batch,)`.

        Args:
            outputs: Decoder outputs `(batch, outputs, height, width)`.
            images: The images.
        """

    @abstractmethod
    def mean(self, outputs: Tensor) -> Tensor:
        """Return the mean image, the least-squares estimate: float32 `(batch, channels, height, width)`."""

    @abstractmethod
    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw an image for each item: uint8 `(batch, channels, height, width)`."""

    def round_mean(self, outputs: Tensor) -> Tensor:
        """Return the mean image, rounded to levels: uint8 `(batch, channels, height, width)`."""
        return self.mean(outputs).round().clamp(0, LEVELS - 1).to(torch.uint8)


class Categorical(Likelihood):
    """Softmax over the 256 levels of each channel of each pixel."""

    def __init__(self, channels: int):
        self.channels, self.outputs = channels, LEVELS * channels

    def log_prob(self, outputs: Tensor, images: Tensor) -> Tensor:
        """Return log p of the images, see `Likelihood.log_prob`."""
        logits = self._logits(outputs)
        levels = images.long().permute(0, 2, 3, 1)  # (batch, height, width, channels)
        losses = F.cross_entropy(logits.flatten(0, 3), levels.flatten(), reduction="none")
        return -losses.view(len(images), -1).sum(1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the mean image."""
        levels = torch.arange(LEVELS, device=outputs.device, dtype=torch.float32)
        return (self._logits(outputs).softmax(-1) @ levels).permute(0, 3, 1, 2)

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw an image for each item."""
        odds = self._logits(outputs).softmax(-1)
        drawn = torch.multinomial(odds.flatten(0, 3), 1, generator=generator)
        return drawn.view(odds.shape[:4]).permute(0, 3, 1, 2).to(torch.uint8)

    def _logits(self, outputs: Tensor) -> Tensor:
        """Arrange outputs as `(batch, height, width, channels, levels)`: softmax is fastest over the last axis."""
        return outputs.permute(0, 2, 3, 1).float().contiguous().unflatten(-1, (self.channels, LEVELS))


class LogisticMixture(Likelihood):
    """Mixture of discretised logistics (Salimans et al. 2017, PixelCNN++, arXiv 1701.05517, section 2.1).

    The levels lie at -1 … 1, the tails belong to the outermost two. Unlike in the paper, channels are independent.
    """

    NARROWEST, USUAL = -7.0, -2.5
    """Minimum log scale, and the log scale of an output of 0: a deviation of 19 levels.

    Starting from a scale of 1, where all levels are alike, it would take hundreds of steps to get there.
    """

    def __init__(self, channels: int, mixtures: Annotated[int, Range(1, 1000)] = 10):
        self.channels, self.mixtures, self.outputs = channels, mixtures, 3 * mixtures * channels

    def log_prob(self, outputs: Tensor, images: Tensor) -> Tensor:
        """Return log p of the images, see `Likelihood.log_prob`."""
        weights, means, scales = self._parameters(outputs)
        half = 1 / (LEVELS - 1)
        x = (images.float() * (2 * half) - 1)[:, None]  # (batch, 1, channels, height, width)
        upper, lower = ((x + sign * half - means) * torch.exp(-scales) for sign in (1, -1))
        # log(σ(upper) - σ(lower)), stable in both tails: σ(a) - σ(b) = σ(a) σ(-b) (1 - exp(b - a)).
        inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
        level = torch.where(x < -1 + half, F.logsigmoid(upper), torch.where(x > 1 - half, F.logsigmoid(-lower), inside))
        return torch.logsumexp(weights + level, 1).flatten(1).sum(1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the mean image."""
        weights, means, _ = self._parameters(outputs)
        return ((weights.exp() * means.clamp(-1, 1)).sum(1) + 1) * (LEVELS - 1) / 2

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw an image for each item."""
        weights, means, scales = self._parameters(outputs)
        odds = weights.exp().movedim(1, -1)
        pick = torch.multinomial(odds.reshape(-1, self.mixtures), 1, generator=generator).view(odds.shape[:-1])
        mean, scale = (one.gather(1, pick[:, None])[:, 0] for one in (means, scales))
        u = torch.rand(mean.shape, generator=generator, device=mean.device).clamp(1e-5, 1 - 1e-5)
        x = mean + scale.exp() * (u.log() - torch.log1p(-u))
        return ((x + 1) * (LEVELS - 1) / 2).round().clamp(0, LEVELS - 1).to(torch.uint8)

    def _parameters(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log weights, means and log scales `(batch, mixtures, channels, height, width)`."""
        logits, means, scales = outputs.float().unflatten(1, (3, self.mixtures, self.channels)).unbind(1)
        return F.log_softmax(logits, 1), means, (scales + self.USUAL).clamp(min=self.NARROWEST)


class Normal(Likelihood):
    """Normal distribution with one fixed `deviation`, in levels: its log likelihood is the squared error.

    It is normalised over all integers (to 1e-8 for a deviation of at least one level) and loses the mass outside of the
    256 levels: its bits are an upper bound, far above those of the other likelihoods.
    """

    def __init__(self, channels: int, deviation: Annotated[float, Range(1, LEVELS)]):
        self.channels, self.outputs, self.deviation = channels, channels, deviation

    def log_prob(self, outputs: Tensor, images: Tensor) -> Tensor:
        """Return log p of the images, see `Likelihood.log_prob`."""
        errors = (images.float() - self.mean(outputs)) / self.deviation
        each = math.log(self.deviation * math.sqrt(2 * math.pi))
        return -(0.5 * errors.square() + each).flatten(1).sum(1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the mean image."""
        return (outputs.float() + 1) * (LEVELS - 1) / 2

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw an image for each item."""
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
"""The group `likelihood` of a configuration."""


def build_likelihood(name: str, channels: int, **options: float) -> Likelihood:
    """Build the likelihood of that name.

    Raises:
        ConfigError: The name or an option is unknown.
    """
    return LIKELIHOOD.make({"name": name, **options}, channels=channels)
