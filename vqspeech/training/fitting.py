"""Fitting of quantisers to vectors, alone or between a small encoder and decoder.

Alone, encoder and decoder are the identity, and the loss is the mean squared error.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from vqspeech.errors import ConfigError, VqspeechError
from vqspeech.models.autoencoder import Autoencoder
from vqspeech.models.quantize import Codebook
from vqspeech.models.quantize.residual import ResidualCodebook
from vqspeech.progress import track
from vqspeech.training.optimizer import reset_moved_codes

Book = TypeVar("Book", bound=Codebook | ResidualCodebook)

LR_END = 0.01
"""Share of the learning rate that is left at the last step."""


def fit_quantizer(
    quantizer: Book, vectors: Tensor, steps: int, batch: int, lr: float = 1e-2, seed: int = 0, progress: bool = False
) -> Book:
    """Fit a quantiser to vectors, and return it in evaluation mode.

    Adam moves the codebooks that learn by gradient, at a learning rate that falls linearly from `lr`. The stages of a
    residual codebook are fitted one after the other, each by as many steps. The vectors of a step depend on the seed
    alone, so that several quantisers are fitted to the same ones.

    Args:
        quantizer: The quantiser.
        vectors: float32 `(vectors, dimension)`.
        steps: Number of steps.
        batch: Vectors of a step.
        lr: The highest learning rate.
        seed: Of the draws.
        progress: Whether progress is reported.

    Raises:
        VqspeechError: A vector is not finite.
        ConfigError: There are no vectors, or they have another dimension.
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
    """Fit quantisers in a row, each to the residual of the ones before it, as `fit_quantizer` does.

    Args:
        stages: The quantisers.
        vectors: float32 `(vectors, dimension)`.
        steps: Number of steps of each.
        batch: Vectors of a step.
        lr: The highest learning rate.
        seed: Of the draws of the first stage; it grows by 1 with each stage.
        begin: Called with each stage and the vectors it quantises, before it is fitted.
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
    """Train a small VQ-VAE on vectors as `fit_quantizer` does, and return it in evaluation mode."""

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
    """Minimise a loss over random rows of some items with Adam.

    A module without trainable parameters only runs the loss, as codebooks by moving averages need it.

    Args:
        module: The module to train.
        loss: Maps rows `(batch, …)` to a scalar.
        items: `(items, …)`.
        steps: Number of steps.
        batch: Rows of a step.
        lr: The highest learning rate.
        seed: Of the draws.
        progress: Whether progress is reported.
        watch: Called after each step with the number of steps taken.
    """
    draws = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # noise, samples, replacements
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learned, lr, fused=True) if learned else None
    module.train()
    for step in track(range(steps), "fit", "step", shown=progress):
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
