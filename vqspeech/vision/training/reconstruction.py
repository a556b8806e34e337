"""Training of a model of images: VAE, VQ-VAE or VIMCO."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from vqspeech.errors import ImageError
from vqspeech.metrics.measures.codebook import count_used, perplexity
from vqspeech.schema import Count, Options, check_groups
from vqspeech.training.log import Log
from vqspeech.training.task import CHANGEABLE, TrainingOptions
from vqspeech.vision.data.batches import ImageBatches
from vqspeech.vision.data.images import ImageSet
from vqspeech.vision.metrics.reports.pictures import tile_pairs
from vqspeech.vision.models import Autoencoder, CodeModel, build_image_model, find_model_class

SHOWN = 8
"""Images that are logged with their reconstructions."""


@dataclass(frozen=True, kw_only=True)
class ImageTraining(TrainingOptions):
    """Options of the group `training`."""

    flip: bool
    show_every: Annotated[Count, CHANGEABLE]


class ImageTask:
    """Task of training a model of images.

    Args:
        config: The configuration.
        train: Images to train on.
        dev: Images to evaluate on.

    Raises:
        ConfigError: `config` describes something else.
        ImageError: The images of `dev` have another shape.
    """

    criterion, items, length, training = "bits", "images", 1, Options(ImageTraining)

    def __init__(self, config: Mapping[str, Any], train: ImageSet, dev: ImageSet):
        config = self.check_config(config)
        self.options = config["training"]
        if train.shape != dev.shape:
            raise ImageError(f"{dev.path}: images of {dev.shape}, {train.shape} in {train.path}; prepare both together")
        torch.manual_seed(self.options["seed"])
        self.model = build_image_model(
            {name: group for name, group in config.items() if name != "training"}, train.shape
        )
        self.sources = {"train": train.fingerprint, "dev": dev.fingerprint}
        self.batches, self.dev_batches = ImageBatches(train, self.options["flip"]), ImageBatches(dev)

    @classmethod
    def check_config(cls, config: Any) -> dict[str, Any]:
        """Return the whole configuration, checked. Raise `ConfigError` where it describes no such training."""
        return check_groups(config, {**find_model_class(config).groups, "training": cls.training}, exclusive=True)

    @property
    def codes(self) -> int:
        """Number of codes."""
        return self.model.codes

    @property
    def network(self) -> nn.Module:
        """The part that takes most of the time, for `torch.compile`."""
        return self.model.decoder

    def initialize(self) -> None:
        """Do nothing: there is nothing to estimate before the first step."""

    def evaluate(self, size: int, batches: int) -> dict[str, float]:
        """Return `measure_held_out` of the dev images."""
        return measure_held_out(self.model, self.dev_batches, size, batches)

    def describe_figures(self, figures: Mapping[str, float]) -> str:
        """Describe the figures of an evaluation."""
        text = f"held out at most {figures['bits']:.3f} bits a dimension"
        if self.codes:
            text += (
                f", {figures['shuffle_gap']:+.3f} with shuffled codes, perplexity {figures['perplexity']:.0f}, "
                f"{figures['used']:.0f} of {self.codes} codes used"
            )
        return text

    def describe_speed(self, rate: float) -> str:
        """Describe the speed, in images per second."""
        return f"{rate:,.1f} images/s"

    def log_examples(self, log: Log, step: int) -> None:
        """Log held-out images and their reconstructions, every `show_every` steps."""
        if step % self.options["show_every"] == 0:
            self.model.eval()
            images = self.dev_batches.even(SHOWN).images
            log.add_image(step, "reconstructions", tile_pairs(images, self.model.reconstruct(images).cpu()))
            self.model.train()


@torch.no_grad()
def measure_held_out(model: Autoencoder, images: ImageBatches, size: int, batches: int) -> dict[str, float]:
    """Measure at most `batches` times `size` held-out images.

    Returns:
        `bits` a dimension by the model's bound, an upper bound; with codes, also `perplexity` and `used` codes, and
        `shuffle_gap`, the bits a dimension that the decoder loses with shuffled codes.
    """
    training = model.training
    model.eval()
    torch.manual_seed(0)  # bounds that draw
    batch = images.even(size * batches)
    total, gap, counts = 0.0, 0.0, torch.zeros(model.codes)
    parts = range(0, len(batch.images), size)
    for part in (slice(start, start + size) for start in parts):
        one = batch.each(itemgetter(part)).to(model.device)
        total += float(model.bound(one.images).sum())
        if isinstance(model, CodeModel):
            codes = model.encode(one.images)
            right, wrong = (model.log_likelihood(one.images, some) for some in (codes, shuffle_codes(codes)))
            gap += float((right - wrong).sum())
            counts += codes.flatten().bincount(minlength=model.codes).cpu()
    model.train(training)
    scale = len(batch.images) * model.dimensions * math.log(2)
    figures = {"bits": -total / scale}
    if isinstance(model, CodeModel):
        figures |= {"shuffle_gap": gap / scale, "perplexity": perplexity(counts.numpy())}
        figures["used"] = float(count_used(counts.numpy()))
    return figures


def shuffle_codes(codes: Tensor) -> Tensor:
    """Shuffle codes of any shape, in the same order at every call."""
    order = torch.randperm(codes.numel(), generator=torch.Generator().manual_seed(0)).to(codes.device)
    return codes.flatten()[order].view(codes.shape)
