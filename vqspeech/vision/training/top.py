"""Training of the second VQ-VAE, over codes of images, and what its latents are worth to its decoder."""

import math
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor

from vqspeech.errors import ConfigError
from vqspeech.metrics.measures.codebook import count_used, perplexity
from vqspeech.training.codes import CodesTask
from vqspeech.vision.data.code_batches import CodeBatch
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.prior import describe_codes
from vqspeech.vision.models.top import TopVQVAE

OWN, OTHERS, NONE = "its own latents", "those of another image", "no latents"
"""Latents that a map is decoded from."""
_ORDINALS = ("first", "second", "third", *(f"{i}th" for i in range(4, 100)))


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


@torch.no_grad()
def measure_bits(
    model: TopVQVAE, batch: CodeBatch, size: int, one_by_one: bool = False
) -> tuple[dict[str, Tensor], Tensor]:
    """Measure the bits of each whole map given its own latents, those of another map, and none.

    Args:
        model: The model.
        batch: The maps.
        size: Maps at once.
        one_by_one: Also replace each latent alone by that of another map.

    Returns:
        Bits float64 `(maps,)` by latents, and counts of the codes of each latent, int64 `(latents, codes)`.
    """
    training = model.training
    model.eval()
    parts = [
        batch.each(itemgetter(slice(i, i + size))).codes.to(model.device) for i in range(0, len(batch.codes), size)
    ]
    own = torch.cat([model.summarise(part) for part in parts])  # (maps, latents)
    others = own.roll(len(own) // 2, 0)
    conditions: dict[str, Tensor | None] = {OWN: own, OTHERS: others, NONE: None}
    for i in range(own.shape[1] if one_by_one else 0):
        conditions[f"its own latents, but the {_ORDINALS[i]} of another image"] = own.index_copy(
            1, torch.tensor([i], device=own.device), others[:, i : i + 1]
        )
    bits = {}
    for name, latents in conditions.items():
        split = [None] * len(parts) if latents is None else latents.split(size)
        bits[name] = torch.cat([model.bits(part, some).cpu() for part, some in zip(parts, split, strict=True)])
    model.train(training)
    return bits, torch.stack([one.bincount(minlength=model.size) for one in own.T]).cpu()
