"""Quantisers fitted to vectors, alone or between a small encoder and decoder.

Alone, encoder and decoder are the identity, and the loss is the mean squared error.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from vqspeech.errors import ConfigError, VqspeechError
from vqspeech.models.autoencoder import Autoencoder
from vqspeech.models.quantize import Codebook
from vqspeech.models.quantize.residual import ResidualCodebook
from vqspeech.training.optimizer import reset_moved_codes

Book = TypeVar("Book", bound=Codebook | ResidualCodebook)

LR_END = 0.01
"""The learning rate falls linearly to this share of itself, for the codebooks that have one."""


def fit_quantizer(
    quantizer: Book, vectors: Tensor, steps: int, batch: int, lr: float = 1e-2, seed: int = 0, progress: bool = False
) -> Book:
    """The quantiser after `steps` steps on `batch` vectors each, drawn from float32 `(vectors, dimension)`, and ready
    to use. Adam, with learning rates from `lr` down, moves the codebooks that learn by gradient. Stages are fitted one
    after the other, each by as many steps.

    The vectors of a step depend on the seed alone, so that several quantisers are fitted to the same. Raises
    `VqspeechError` where a vector is not finite, `ConfigError` where there are none or they have another dimension.
    """
    if isinstance(quantizer, ResidualCodebook):
        fit_stages(quantizer.stages, vectors, steps, batch, lr, seed)
        return quantizer.eval()
    if vectors.ndim != 2 or not len(vectors) or vectors.shape[1] != quantizer.weight.shape[1]:
        raise ConfigError(
            f"vectors of shape {tuple(vectors.shape)} for code vectors of {quantizer.weight.shape[1]} dimensions; "
            "give at least one, as (vectors, dimension)"
        )
    if not torch.isfinite(vectors).all():
        raise VqspeechError("vectors to fit a codebook to are not finite; look for silence under a logarithm")
    mask = torch.ones(1, batch, dtype=torch.bool, device=vectors.device)

    def loss(rows: Tensor) -> Tensor:
        z = rows.T[None]  # (1, dimension, batch)
        found = quantizer(z, mask)
        return nn.functional.mse_loss(found.vectors, z) + sum(found.losses.values())

    minimise(quantizer, loss, vectors, steps, batch, lr, seed, progress)
    return quantizer.eval()


def fit_stages(
    stages: Sequence[Codebook],
    vectors: Tensor,
    steps: int,
    batch: int,
    lr: float = 1e-2,
    seed: int = 0,
    begin: Callable[[Codebook, Tensor], None] | None = None,
) -> ResidualCodebook:
    """Quantisers in a row, each fitted to what the ones before it leave of the vectors; the first as `fitted` does.
    Before that, `begin` is called with each stage and the vectors it is to quantise.

    Raises as `fitted` and `ResidualCodebook` do.
    """
    whole, rest = ResidualCodebook(stages), vectors
    for number, stage in enumerate(stages):
        if begin:
            begin(stage, rest)
        fit_quantizer(stage, rest, steps, batch, lr, seed + number)
        rest = rest - stage.weight.detach()[stage.nearest(rest)]
    return whole.eval()


def fit_autoencoder(
    model: Autoencoder, vectors: Tensor, steps: int, batch: int, lr: float = 1e-2, seed: int = 0, progress: bool = False
) -> Autoencoder:
    """A small VQ-VAE after `steps` steps on `batch` vectors each, likewise."""

    def loss(rows: Tensor) -> Tensor:
        return torch.stack([*model(rows)[0].values()]).sum()

    minimise(model, loss, vectors, steps, batch, lr, seed, progress)
    return model.eval()


def minimise(
    module: nn.Module,
    loss: Callable[[Tensor], Tensor],
    items: Tensor,
    steps: int,
    batch: int,
    lr: float,
    seed: int,
    progress: bool = False,
    watch: Callable[[int], None] | None = None,
) -> None:
    """Takes the steps, each on the `loss` of `batch` rows of `items`, which the seed alone draws; a module without
    anything to learn by gradient is only shown them. `watch` is called after each with the number of steps taken."""
    draws = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # noise, samples, replacements
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learned, lr, fused=True) if learned else None
    module.train()
    for step in tqdm(range(steps), desc="fit", unit="step", disable=None if progress else True, leave=False):
        rows = torch.randint(len(items), (batch,), generator=draws).to(items.device)
        value = loss(items[rows])
        if optimizer:
            for group in optimizer.param_groups:
                group["lr"] = lr * (1 - (1 - LR_END) * step / max(1, steps - 1))
            optimizer.zero_grad()
            value.backward()
            reset_moved_codes(module, optimizer)
            optimizer.step()
        if watch:
            watch(step + 1)
