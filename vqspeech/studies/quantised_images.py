"""The small VQ-VAE of the study of images: building, training, and measuring it on held-out images."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vqspeech.metrics.measures.codebook import count_used, perplexity
from vqspeech.training.fitting import minimise
from vqspeech.vision.data.batches import ImageBatch, ImageBatches
from vqspeech.vision.data.images import ImageSet
from vqspeech.vision.metrics.measures.quality import psnr, ssim
from vqspeech.vision.models import VQVAE

GROUPS: Mapping[str, dict[str, Any]] = {
    "model": {"name": "vqvae", "latents": 1, "dimension": 16},
    "network": {"channels": 16, "halvings": 2, "blocks": 0},
    "likelihood": {"name": "normal", "deviation": 45},
}
"""Configuration of the VQ-VAE without its quantiser, small enough to train hundreds in minutes.

The likelihood is the squared error as a share of the variance of CIFAR-10."""
_BLOCK = 128  # images encoded at once


class Images(NamedTuple):
    """Training and held-out images, uint8 `(images, channels, height, width)`; the training ones on the device."""

    train: Tensor
    held_out: Tensor

    @property
    def fingerprint(self) -> str:
        """Hash of all images, which is part of the settings of a run."""
        return hashlib.sha256(self.train.cpu().numpy().tobytes() + self.held_out.numpy().tobytes()).hexdigest()[:12]


def select_images(train: ImageSet, test: ImageSet, limit: int, device: str | torch.device = "cpu") -> Images:
    """Return all training images, and at most `limit` test images, spread evenly over their set."""
    return Images(torch.from_numpy(train.pixels(slice(None))).to(device), ImageBatches(test).even(limit).images)


def build_model(quantizer: Mapping[str, Any], codes: int, images: Images, seed: int) -> VQVAE:
    """Return an untrained VQ-VAE with a quantiser of these options.

    Encoder and decoder depend on the seed alone, and so do the code vectors: normal noise with the root mean square of
    the encoder's output.
    """
    torch.manual_seed(seed)
    groups = dict(GROUPS) | {"quantizer": {**quantizer, "codes": codes}}
    model = VQVAE(groups, images.train.shape[1:]).to(images.train.device)
    for weight in model.parameters():
        if weight.ndim == 4:  # convolutions of so few channels are faster with the channels last
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        scale = model.encode_vectors(images.train[:_BLOCK]).square().mean().sqrt()
    model.quantizer.start(torch.randn(codes, model.dimension, generator=generator).to(scale.device) * scale)
    return model


def train_model(
    model: VQVAE, images: Images, steps: int, batch: int, lr: float, seed: int, bf16: bool, watch: Callable[[int], None]
) -> VQVAE:
    """Train a model for `steps` steps on `batch` images each, and return it in evaluation mode.

    `watch` is called with the number of steps after each step.
    """
    device = images.train.device

    def loss(rows: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            losses, _, _ = model(ImageBatch(rows, torch.full((len(rows),), -1)))
        return torch.stack([*losses.values()]).sum()

    minimise(model, loss, images.train, steps, batch, lr, seed, watch=watch)
    return model.eval()


@torch.no_grad()
def reconstruct_images(model: VQVAE, images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Reconstruct images from their codes, in float32.

    Returns:
        Images, uint8 `(images, channels, height, width)`, and the number of uses of each code, `(codes,)`.
    """
    training = model.training
    model.eval()
    codes = torch.cat([model.encode(part).cpu() for part in images.split(_BLOCK)])
    reconstructions = torch.cat([model.decode(part).cpu() for part in codes.split(_BLOCK)])
    model.train(training)
    return reconstructions.numpy(), codes.flatten().bincount(minlength=model.codes).numpy()


@torch.no_grad()
def reconstruct_unquantised(model: VQVAE, images: Tensor) -> np.ndarray:
    """Reconstruct images by encoder and decoder alone, without the codebook."""
    parts = (part.to(model.device) for part in images.split(_BLOCK))
    return torch.cat(
        [model.likelihood.round_mean(model.decode_vectors(model.encode_vectors(part))).cpu() for part in parts]
    ).numpy()


def measure_quality(model: VQVAE, held_out: Tensor) -> dict[str, float]:
    """Return the figures of a model on held-out images.

    Returns:
        `psnr` (dB), `ssim` and `psnr_unquantised` (dB), means over images; `perplexity` of all codes; `dead`, the
        number of unused codes.

    Raises:
        MissingExtra: scikit-image is not installed.
    """
    (reconstructions, counts), originals = reconstruct_images(model, held_out), held_out.numpy()
    return {
        "psnr": float(psnr(originals, reconstructions).mean()),
        "ssim": float(ssim(originals, reconstructions).mean()),
        "psnr_unquantised": float(psnr(originals, reconstruct_unquantised(model, held_out)).mean()),
        "perplexity": perplexity(counts),
        "dead": float(model.codes - count_used(counts)),
    }


def measure_mean_image(images: Images) -> dict[str, float]:
    """Return `psnr` (dB) and `ssim` of the mean training image as the reconstruction of every held-out image."""
    mean = images.train.float().mean(0).round().to(torch.uint8).cpu()
    originals, means = images.held_out.numpy(), mean.expand_as(images.held_out).numpy()
    return {"psnr": float(psnr(originals, means).mean()), "ssim": float(ssim(originals, means).mean())}
