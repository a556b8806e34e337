"""Training of the second VQ-VAE, over codes of images."""

import math
from collections.abc import Mapping
from typing import Any

from vqspeech.errors import ConfigError
from vqspeech.metrics.measures.codebook import count_used, perplexity
from vqspeech.training.codes import CodesTask
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.prior import describe_codes
from vqspeech.vision.models.top import TopVQVAE
from vqspeech.vision.training.latents import NONE, OTHERS, OWN, measure_bits


class TopTask(CodesTask):
    """Task of training the second VQ-VAE.

    Args:
        config: The configuration.
        train: Codes to train on.
        dev: Codes to evaluate on.

    Raises:
        ConfigError: `config` describes another kind of model.
        UnitsError: `dev` has other codes.
    """

    items, length, groups = "images", 1, TopVQVAE.groups

    def __init__(self, config: Mapping[str, Any], train: ImageCodes, dev: ImageCodes):
        if "top" not in config:
            raise ConfigError("the configuration is of no VQ-VAE over codes; it has no group top")
        super().__init__(config, lambda groups: TopVQVAE(groups, describe_codes(train)), train, dev)
        self.batches, self.dev_batches = self.model.batches(train), self.model.batches(dev)

    def evaluate(self, size: int, batches: int) -> dict[str, float]:
        """Return the means of `measure_bits`, and the use of the codes.

        Returns:
            `bits` per map given its own latents; `shuffle_gap`, the bits lost with those of other maps; `spared`, the
            bits saved compared with none; `perplexity` and `used` of the codes of each latent (`perplexity_1`, …), and
            their means over the latents.
        """
        bits, counts = measure_bits(self.model, self.dev_batches.even(size * batches), size)
        means = {name: float(one.mean()) for name, one in bits.items()}
        figures = {"bits": means[OWN], "shuffle_gap": means[OTHERS] - means[OWN], "spared": means[NONE] - means[OWN]}
        by_latent = {
            "perplexity": [perplexity(one.numpy()) for one in counts],
            "used": [float(count_used(one.numpy())) for one in counts],
        }
        for name, values in by_latent.items():
            figures[name] = sum(values) / len(values)
            figures |= {f"{name}_{i}": value for i, value in enumerate(values, 1)}
        return figures

    def describe_figures(self, figures: Mapping[str, float]) -> str:
        """Describe the figures of an evaluation."""
        latents = self.model.encoder.latents
        price = latents * math.log2(self.codes)
        perplexities, numbers = (
            ", ".join(f"{figures[f'{name}_{i}']:.0f}" for i in range(1, latents + 1)) for name in ("perplexity", "used")
        )
        return (
            f"held out {figures['bits']:.1f} bits a map given its latents, {figures['shuffle_gap']:+.1f} with those of "
            f"others, {figures['spared']:+.1f} without any (they cost {price:.0f}); by latent: perplexity "
            f"{perplexities}, {numbers} of {self.codes} codes used"
        )

    def describe_speed(self, rate: float) -> str:
        """Describe the speed, in maps per second."""
        return f"{rate:,.1f} images/s"
