"""Training the second VQ-VAE, over codes of images."""

import math
from collections.abc import Mapping
from typing import Any

from vqspeech.errors import ConfigError
from vqspeech.metrics.codebook import perplexity, used
from vqspeech.training.codes import CodesTask
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.prior import described
from vqspeech.vision.models.top import TopVQVAE
from vqspeech.vision.training.latents import NONE, OTHERS, OWN, bits_given


class TopTask(CodesTask):
    """The second VQ-VAE of `config`, the codes `train` to learn from, and what is measured of it on `dev`.

    Raises `ConfigError` where `config` is of another kind of model, `UnitsError` where `dev` has other codes.
    """

    items, length, groups = "images", 1, TopVQVAE.groups

    def __init__(self, config: Mapping[str, Any], train: ImageCodes, dev: ImageCodes):
        if "top" not in config:
            raise ConfigError("the configuration is of no VQ-VAE over codes; it has no group top")
        super().__init__(config, lambda groups: TopVQVAE(groups, described(train)), train)
        self.sources = {"train": train.fingerprint, "dev": dev.fingerprint}
        self.batches, self.held = self.model.batches(train), self.model.batches(dev)

    def held_out(self, size: int, batches: int) -> dict[str, float]:
        """Means of `bits_given`: `bits` a map given its own latents, what is lost by those of others (`shuffle_gap`),
        and what is spared beside none (`spared`); `perplexity` and `used` of the latents' codes."""
        bits, counts = bits_given(self.model, self.held.even(size * batches), size)
        means = {name: float(one.mean()) for name, one in bits.items()}
        figures = {"bits": means[OWN], "shuffle_gap": means[OTHERS] - means[OWN], "spared": means[NONE] - means[OWN]}
        return figures | {"perplexity": perplexity(counts.numpy()), "used": float(used(counts.numpy()))}

    def summary(self, figures: Mapping[str, float]) -> str:
        """The figures of an evaluation in words."""
        price = self.model.encoder.latents * math.log2(self.codes)
        return (
            f"held out {figures['bits']:.1f} bits a map given its latents, {figures['shuffle_gap']:+.1f} with those of "
            f"others, {figures['spared']:+.1f} without any (they cost {price:.0f}), perplexity "
            f"{figures['perplexity']:.0f}, {figures['used']:.0f} of {self.codes} codes used"
        )

    def speed(self, rate: float) -> str:
        """Maps a second."""
        return f"{rate:,.1f} images/s"
