"""Bits a dimension of images: by bounds, by importance sampling, and exactly if all codes can be enumerated.

For a model with codes, p(x) = Σ_z p(x|z) p(z), with the uniform prior unless another is given. The VQ-VAE is scored by
one term of the sum, p(x|z_q) p(z_q) (1711.00937, section 3.2), a lower bound of p(x) for any prior over codes.
"""

import itertools
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vqspeech.errors import ConfigError
from vqspeech.progress import track
from vqspeech.vision.data.batches import ImageBatches
from vqspeech.vision.models import VIMCO, VQVAE, Autoencoder, CodeModel
from vqspeech.vision.models.prior import ImagePrior

MAX_MAPS = 1 << 16
"""Maximum number of maps of codes that are enumerated."""


def bits_per_dimension(nats: Tensor, model: Autoencoder) -> np.ndarray:
    """Convert log likelihoods in nats `(n,)` to bits a dimension: float64 `(n,)`."""
    return -nats.double().cpu().numpy() / (model.dimensions * math.log(2))


def map_batches(images: ImageBatches, count: int, size: int, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply `function` to at most `count` evenly spaced images, `size` at once, and concatenate the results."""
    batch = images.even(count).images
    parts = track(range(0, len(batch), size), "score", "batch")
    return torch.cat([function(batch[start : start + size]).cpu() for start in parts])


def log_prior(prior: ImagePrior, codes: Tensor) -> Tensor:
    """Return log p(z) of maps of codes under a learned prior, class unknown, in nats: float64 `(n,)`.

    Args:
        prior: The prior.
        codes: `(n, height, width * latents)`.
    """
    nobody = np.zeros(len(codes), np.int64)
    return -math.log(2) * torch.from_numpy(prior.bits(codes.cpu().numpy(), nobody)).flatten(1).sum(1)


@torch.inference_mode()
def exact_log_likelihood(model: CodeModel, images: Tensor, size: int = 1024) -> Tensor:
    """Return log p(x) of images uint8 under the uniform prior by the sum over all maps of codes, in nats `(n,)`.

    Raises:
        ConfigError: There are more than `MAX_MAPS` maps.
    """
    places = math.prod(model.code_shape)
    if model.codes**places > MAX_MAPS:
        raise ConfigError(f"{places} codes of {model.codes} make too many maps; take a smaller model, or fewer codes")
    images = model.check_images(images)
    every = torch.tensor(list(itertools.product(range(model.codes), repeat=places)), device=model.device)
    found = []
    for some in every.split(size):
        outputs = model.decode_vectors(model.lookup(some))
        for image in images:
            repeated = image.expand(len(some), *image.shape)
            found.append(torch.logsumexp(model.likelihood.log_prob(outputs, repeated), 0))
    terms = torch.stack(found).view(-1, len(images))
    return torch.logsumexp(terms, 0) - places * math.log(model.codes)


@torch.inference_mode()
def proposal_log_probs(model: CodeModel, images: Tensor, even: float = 0.1) -> Tensor:
    """Return log q of every code of every latent `(batch, time, codes)`.

    For VIMCO q is its posterior; for a VQ-VAE, a softmax of the squared distances in units of the mean smallest one.

    Args:
        model: The model.
        images: uint8 `(batch, channels, height, width)`.
        even: Share of q that is uniform, so that every map has a probability.
    """
    images = model.check_images(images)
    if isinstance(model, VIMCO):
        log_q = model.posterior(images)
    elif isinstance(model, VQVAE):
        vectors = model.encode_vectors(images).float().transpose(1, 2)  # (batch, time, dimension)
        squares = torch.cdist(vectors, model.quantizer.weight.float()[None]).square()
        log_q = F.log_softmax(-squares / (2 * squares.amin(2).mean() + 1e-6), 2)
    else:
        raise ConfigError("there is no proposal for a model of this kind")
    return torch.logaddexp(log_q + math.log1p(-even), torch.full_like(log_q, math.log(even / model.codes)))


@torch.inference_mode()
def importance_log_likelihood(
    model: CodeModel, images: Tensor, samples: int, seed: int = 0, even: float = 0.1
) -> Tensor:
    """Return the log of the mean of p(x|z) p(z) / q(z) over samples z from the proposal, in nats `(n,)`.

    Its expectation is a lower bound of log p(x) that tightens with more samples (Burda et al. 2016, arXiv 1509.00519).
    """
    images = model.check_images(images)
    log_q = proposal_log_probs(model, images, even)
    generator = torch.Generator(model.device).manual_seed(seed)
    flat, terms = log_q.exp().flatten(0, 1), []
    for _ in range(samples):
        codes = torch.multinomial(flat, 1, generator=generator).view(len(images), -1)
        chance = log_q.gather(2, codes[..., None])[..., 0].sum(1)
        terms.append(model.log_likelihood(images, codes) - codes.shape[1] * math.log(model.codes) - chance)
    return torch.logsumexp(torch.stack(terms), 0) - math.log(samples)
