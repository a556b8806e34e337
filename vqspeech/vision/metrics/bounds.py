"""Bits a dimension of images, by bounds, by importance sampling, and exactly where all codes can be counted.

For a model with codes, p(x) = Σ_z p(x|z) p(z), with the uniform prior here unless told otherwise. The VQ-VAE is scored
by one term of the sum, p(x|z_q) p(z_q) (1711.00937, section 3.2), so that log p(x) is at least what is reported; with
any prior over codes, the learned one too.
"""

import itertools
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from vqspeech.errors import ConfigError
from vqspeech.vision.data.batches import ImageBatches
from vqspeech.vision.models import VIMCO, VQVAE, Autoencoder, CodeModel
from vqspeech.vision.models.prior import ImagePrior

MAX_MAPS = 1 << 16
"""Maps of codes that are enumerated at most."""


def bits_per_dimension(nats: Tensor, model: Autoencoder) -> np.ndarray:
    """Bits a dimension of log likelihoods in nats `(n,)`: float64 `(n,)`."""
    return -nats.double().cpu().numpy() / (model.dimensions * math.log(2))


def map_batches(images: ImageBatches, count: int, size: int, function: Callable[[Tensor], Tensor]) -> Tensor:
    """What `function` makes of at most `count` images, spread evenly, `size` at once, end to end."""
    batch = images.even(count).images
    parts = tqdm(range(0, len(batch), size), desc="score", unit="batch", disable=None, leave=False)
    return torch.cat([function(batch[start : start + size]).cpu() for start in parts])


def log_prior(prior: ImagePrior, codes: Tensor) -> Tensor:
    """log p(z) of maps of codes `(n, height, width * latents)` by a learned prior that is not told the class, in nats:
    float64 `(n,)`."""
    nobody = np.zeros(len(codes), np.int64)
    return -math.log(2) * torch.from_numpy(prior.bits(codes.cpu().numpy(), nobody)).flatten(1).sum(1)


@torch.inference_mode()
def exact_log_likelihood(model: CodeModel, images: Tensor, size: int = 1024) -> Tensor:
    """log p(x) of images uint8 under the uniform prior, by the sum over all maps of codes, in nats `(n,)`.

    Raises `ConfigError` where there are more than `MOST` of them.
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
    """log q of every code of every latent `(batch, time, codes)`: of VIMCO its posterior; of a VQ-VAE, a softmax of the
    squared distances in units of the mean least one. A share `even` is spread evenly, so that no map is left out."""
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
    """log of the mean of p(x|z) p(z) / q(z) over z drawn from `proposal`, in nats `(n,)`: log p(x) at most in
    expectation, and ever nearer to it with more samples (Burda et al. 2016, arXiv 1509.00519)."""
    images = model.check_images(images)
    log_q = proposal_log_probs(model, images, even)
    generator = torch.Generator(model.device).manual_seed(seed)
    flat, terms = log_q.exp().flatten(0, 1), []
    for _ in range(samples):
        codes = torch.multinomial(flat, 1, generator=generator).view(len(images), -1)
        chance = log_q.gather(2, codes[..., None])[..., 0].sum(1)
        terms.append(model.log_likelihood(images, codes) - codes.shape[1] * math.log(model.codes) - chance)
    return torch.logsumexp(torch.stack(terms), 0) - math.log(samples)
