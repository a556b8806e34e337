"""What the quantiser of a small VQ-VAE does to held-out images."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vqspeech.metrics.codebook import perplexity, used
from vqspeech.training.fitting import minimised
from vqspeech.vision.data.batches import ImageBatch, ImageBatches
from vqspeech.vision.data.images import ImageSet
from vqspeech.vision.metrics.quality import psnr, ssim
from vqspeech.vision.models import VQVAE

GROUPS: Mapping[str, dict[str, Any]] = {
    "model": {"name": "vqvae", "latents": 1, "dimension": 16},
    "network": {"channels": 16, "halvings": 2, "blocks": 0},
    "likelihood": {"name": "normal", "deviation": 45},
}
"""The VQ-VAE, but for its quantiser: minutes for hundreds of it. The likelihood is the squared error as a share of the
variance of CIFAR-10."""
_BLOCK = 128  # images that are encoded at once


class Images(NamedTuple):
    """Images to learn from and held-out ones to be measured on, uint8 `(images, channels, height, width)`, the former
    where models are fitted."""

    train: Tensor
    held_out: Tensor

    @property
    def fingerprint(self) -> str:
        """A hash of all of it: figures of other images are no figures of these."""
        return hashlib.sha256(self.train.cpu().numpy().tobytes() + self.held_out.numpy().tobytes()).hexdigest()[:12]


def images(train: ImageSet, test: ImageSet, number: int, device: str | torch.device = "cpu") -> Images:
    """All images of a set to learn from, and at most `number`, spread over another one, to be measured on."""
    return Images(torch.from_numpy(train.pixels(slice(None))).to(device), ImageBatches(test).even(number).images)


def model(options: Mapping[str, Any], codes: int, seen: Images, seed: int) -> VQVAE:
    """A VQ-VAE with that quantiser, before its first step. Its encoder and decoder depend on the seed alone, and so do
    its code vectors: normal noise, as strong as what the encoder gives."""
    torch.manual_seed(seed)
    groups = dict(GROUPS) | {"quantizer": {**options, "codes": codes}}
    made = VQVAE(groups, seen.train.shape[1:]).to(seen.train.device)
    for weight in made.parameters():
        if weight.ndim == 4:  # convolutions of so few channels are faster where those lie together
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    draws = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        strength = made.encoded(seen.train[:_BLOCK]).square().mean().sqrt()
    made.quantizer.start(torch.randn(codes, made.dimension, generator=draws).to(strength.device) * strength)
    return made


def trained(
    made: VQVAE, seen: Images, steps: int, batch: int, lr: float, seed: int, bf16: bool, watch: Callable[[int], None]
) -> VQVAE:
    """The model after `steps` steps on `batch` images each, ready to use; `watch` is called after each."""
    device = seen.train.device

    def loss(rows: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            losses, _, _ = made(ImageBatch(rows, torch.full((len(rows),), -1)))
        return torch.stack([*losses.values()]).sum()

    minimised(made, loss, seen.train, steps, batch, lr, seed, watch=watch)
    return made.eval()


@torch.no_grad()
def reconstructed(made: VQVAE, some: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 `(images, channels, height, width)` through their codes and back, in float32, and how often each
    code was chosen, `(codes,)`."""
    training = made.training
    made.eval()
    codes = torch.cat([made.encode(part).cpu() for part in some.split(_BLOCK)])
    again = torch.cat([made.decode(part).cpu() for part in codes.split(_BLOCK)])
    made.train(training)
    return again.numpy(), codes.flatten().bincount(minlength=made.codes).numpy()


@torch.no_grad()
def unquantised(made: VQVAE, some: Tensor) -> np.ndarray:
    """Images through encoder and decoder alone, likewise."""
    parts = (part.to(made.device) for part in some.split(_BLOCK))
    return torch.cat([made.likelihood.best(made.decoded(made.encoded(part))).cpu() for part in parts]).numpy()


def qualities(made: VQVAE, held_out: Tensor) -> dict[str, float]:
    """`psnr` (dB) and `ssim`, means over held-out images, and `psnr_unquantised`; of the codes of all of them
    `perplexity`, and `dead`, the number that none chooses. Raises `MissingExtra` without scikit-image."""
    (again, counts), originals = reconstructed(made, held_out), held_out.numpy()
    return {
        "psnr": float(psnr(originals, again).mean()),
        "ssim": float(ssim(originals, again).mean()),
        "psnr_unquantised": float(psnr(originals, unquantised(made, held_out)).mean()),
        "perplexity": perplexity(counts),
        "dead": float(made.codes - used(counts)),
    }


def mean_image(seen: Images) -> dict[str, float]:
    """`psnr` and `ssim` where every image is told by the mean training image: what is reached without any code."""
    mean = seen.train.float().mean(0).round().to(torch.uint8).cpu()
    originals, told = seen.held_out.numpy(), mean.expand_as(seen.held_out).numpy()
    return {"psnr": float(psnr(originals, told).mean()), "ssim": float(ssim(originals, told).mean())}
