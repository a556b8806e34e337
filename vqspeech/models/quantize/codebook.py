"""Base of all codebooks: nearest neighbours, straight-through gradient, initialisation, replacement.

All of it is computed in float32, under autocast too. Counts are summed over processes, so that several processes keep
one codebook.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from vqspeech.errors import ConfigError, DivergenceError
from vqspeech.models.quantize import search
from vqspeech.models.quantize.processes import sum_over_processes
from vqspeech.models.quantize.replacement import Batches, Unit, Usage, draw_vectors, make_policy
from vqspeech.schema import Codes, NonNegative, Options, Share, Width

Initial = Literal["kmeans", "uniform"]
"""Where codes begin."""


class Quantised(NamedTuple):
    """Output of a quantiser.

    Attributes:
        vectors: float32 `(batch, dimension, time)` for the decoder, with the gradient; in evaluation the code vectors.
        codes: int64 `(batch, time)`, always the nearest.
        losses: By name, to be added up.
        usage: float32 `(codes,)`, how many of this process's vectors chose each code.
    """

    vectors: Tensor
    codes: Tensor
    losses: dict[str, Tensor]
    usage: Tensor


class Codebook(nn.Module):
    """`codes` vectors of `dimension` numbers, chosen by Euclidean distance (1711.00937, eq. 1 and 2).

    `initial` is where the codes begin: at `lloyd` rounds of k-means of the first training batch, or uniformly within
    ±√(3/dimension), as in the authors' code (Sonnet's VectorQuantizer; the paper does not say). In training `counts` is
    the running number of vectors per code and batch (decay γ). `revive_below`, `revive_by` and `revive_until` choose
    the policy for dead codes (`replacement`); a revived code gets the mean count.
    """

    lloyd = 10
    learned = False
    """Whether gradients move the code vectors."""
    frozen = False
    """Whether the code vectors stay as they are in training too."""
    moved: Tensor | None = None
    """Codes that were put elsewhere and not learned, bool `(codes,)`; None: none was since the optimiser last asked."""

    def __init__(
        self,
        codes: Codes,
        dimension: Width,
        decay: Share = 0.99,
        revive_below: NonNegative = 0.02,
        revive_by: Unit = "vectors",
        revive_until: Batches = 0,
        initial: Initial = "kmeans",
    ):
        super().__init__()
        self.decay, self.initial = decay, initial
        self.replacement = make_policy(revive_by, codes, revive_below, revive_until)
        self.register_buffer("counts", torch.zeros(codes))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))
        weight = torch.randn(codes, dimension) / codes
        if self.learned:
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", weight)
        self.register_statistics()
        self.begin()

    @staticmethod
    def check_options(where: str, options: Mapping[str, Any]) -> None:
        """Raise `ConfigError` where an option has no effect with the others."""
        if options["revive_until"] and options["revive_by"] != "nsvq":
            raise ConfigError(
                f"{where}.revive_until={options['revive_until']}: only {where}.revive_by=nsvq ends before"
            )

    def begin(self) -> None:
        """Initialise the codes as `initial` says, unless by the first batch."""
        if self.initial == "uniform":
            width = math.sqrt(3 / self.weight.shape[1])
            self.start(torch.empty_like(self.weight).uniform_(-width, width))
            self.moved = None  # the first gradient is of where they are

    counts: Tensor
    fitted: Tensor
    weight: Tensor
    """The code vectors, float32 `(codes, dimension)`."""

    @property
    def size(self) -> int:
        """Number of codes, K."""
        return len(self.counts)

    @property
    def sizes(self) -> list[int]:
        """Number of codes of each stage: of one."""
        return [self.size]

    def nearest(self, flat: Tensor) -> Tensor:
        """Return the nearest code of each vector: `(vectors, dimension)` → int64 `(vectors,)`."""
        return search.nearest(flat, self.weight)

    def lookup(self, codes: Tensor) -> Tensor:
        """Return the vectors of codes: int `(batch, time)` → float32 `(batch, dimension, time)`."""
        return nn.functional.embedding(codes, self.weight).transpose(1, 2)

    def forward(self, z: Tensor, mask: Tensor) -> Quantised:
        """Quantise the encoder's output and, in training, update the codebook.

        Args:
            z: `(batch, dimension, time)`.
            mask: bool `(batch, time)`, vectors that count for losses and statistics.

        Raises:
            DivergenceError: z is not finite.
        """
        with torch.autocast(z.device.type, enabled=False):
            z = z.float()
            flat = z.detach().transpose(1, 2).reshape(-1, z.shape[1])  # (batch * time, dimension)
            # On a GPU a step of training would wait here; the trainer finds losses that are not finite.
            checked = not (self.training and flat.is_cuda)
            if checked and not torch.isfinite(flat.sum()):
                raise DivergenceError("the encoder's output is not finite; lower the learning rate, check the data")
            learning = self.training and not self.frozen
            if learning and not self._is_fitted():
                self._fit(flat[mask.reshape(-1)])
            if learning:
                codes, choices = self.assign(flat)
            else:
                codes = self.nearest(flat)
                choices = codes[:, None]
            chosen = self._mean_of(choices).view(*mask.shape, -1).transpose(1, 2)
            weights = mask.float()
            losses = self.losses(z, chosen, weights)
            vectors = self.substitute(z, chosen) if learning else straight_through(z, chosen)
            usage = self._numbers(choices, weights)
            if learning:
                self._update(flat, choices, mask, usage)
            return Quantised(vectors, codes.view(mask.shape), losses, usage)

    def _is_fitted(self) -> bool:
        # Nothing can be read back while a CUDA graph is captured; the steps before it have fitted the codebook.
        return (self.fitted.is_cuda and torch.cuda.is_current_stream_capturing()) or bool(self.fitted)

    # What kinds of codebooks differ in

    def register_statistics(self) -> None:
        """Register the buffers of what is counted besides `counts`."""

    def assign(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes of vectors `(vectors, dimension)` in training.

        Returns:
            The nearest code of each, int64 `(vectors,)`, and those it updates, `(vectors, choices)`.
        """
        codes = self.nearest(flat)
        return codes, codes[:, None]

    def substitute(self, z: Tensor, chosen: Tensor) -> Tensor:
        """Return the decoder's input in training for z with code vectors `chosen`: `(batch, dimension, time)`."""
        return straight_through(z, chosen)

    def losses(self, z: Tensor, chosen: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """Return terms of the loss by name; weights `(batch, time)` are 1 for vectors that count."""
        return {}

    def set_vectors(self, rows: Tensor, vectors: Tensor, count: Tensor | float) -> None:
        """Set the codes `rows` to `vectors`, as if each had been chosen `count` times per batch."""
        self.counts[rows] = count
        if self.moved is None:
            self.moved = torch.zeros_like(self.counts, dtype=torch.bool)
        self.moved[rows] = True
        with torch.no_grad():
            self.weight[rows] = vectors

    def move(self, numbers: Tensor, sums: Tensor) -> None:
        """Update the codebook after a batch: how often each code was chosen, and the sum of its vectors."""

    # Learning

    def start(self, vectors: Tensor, count: Tensor | float = 1.0) -> None:
        """Set all codes to `vectors` `(codes, dimension)`, instead of fitting them to the first batch."""
        self.set_vectors(torch.arange(self.size, device=vectors.device), vectors, count)
        self.fitted.fill_(True)

    @torch.no_grad()
    def _fit(self, flat: Tensor) -> None:
        self.start(draw_vectors(flat, self.size))
        every = torch.ones(len(flat), device=flat.device)
        for _ in range(self.lloyd):
            choices = self.nearest(flat)[:, None]
            numbers, sums = (
                sum_over_processes(self._numbers(choices, every)),
                sum_over_processes(self._sums(flat, choices, every)),
            )
            empty = numbers == 0
            means = sums / numbers.clamp(min=1)[:, None]
            means[empty] = draw_vectors(flat, self.size)[empty]
            self.start(means, numbers.clamp(min=1))

    @torch.no_grad()
    def _update(self, flat: Tensor, choices: Tensor, mask: Tensor, usage: Tensor) -> None:
        numbers = sum_over_processes(usage.clone())
        self.counts.lerp_(numbers, 1 - self.decay)
        self.move(numbers, sum_over_processes(self._sums(flat, choices, mask.reshape(-1).float())))
        if self.replacement:
            some = partial(_drawn_of, flat, mask.reshape(-1))
            moved = self.replacement(Usage(self.weight, self.counts, numbers, some))
            if moved:
                self.set_vectors(moved.rows, moved.vectors, self.counts.mean())

    def _mean_of(self, choices: Tensor) -> Tensor:
        """Return the mean of the code vectors of each row: int `(vectors, choices)` → `(vectors, dimension)`."""
        if choices.shape[1] == 1:
            return nn.functional.embedding(choices[:, 0], self.weight)
        return nn.functional.embedding_bag(choices, self.weight, mode="mean")

    def _numbers(self, choices: Tensor, weights: Tensor) -> Tensor:
        """Return how many vectors chose each code, `(codes,)`; several choices of a vector count in parts."""
        each = weights.reshape(-1)
        if choices.shape[1] > 1:
            each = each.repeat_interleave(choices.shape[1]) / choices.shape[1]
        return each.new_zeros(self.size).index_add_(0, choices.reshape(-1), each)

    def _sums(self, flat: Tensor, choices: Tensor, weights: Tensor) -> Tensor:
        """Return the sum of the vectors of each code, `(codes, dimension)`, in parts likewise."""
        sums = flat.new_zeros(self.size, flat.shape[1])
        weighted = flat * (weights / choices.shape[1])[:, None]
        for column in choices.T:
            sums.index_add_(0, column, weighted)
        return sums


CODEBOOK = Options(Codebook, given=("dimension",))
"""The options of every codebook."""


def _drawn_of(flat: Tensor, counting: Tensor, number: int) -> Tensor:
    return draw_vectors(flat[counting], number)


def straight_through(z: Tensor, chosen: Tensor) -> Tensor:
    """Return `chosen`, with the gradient of z (1711.00937, section 3.2)."""
    return z + (chosen - z).detach()


def commitment_loss(beta: float, z: Tensor, chosen: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Return the commitment loss β ‖z − sg(e)‖² (1711.00937, eq. 3, third term)."""
    return {"commitment": beta * mean_square(z - chosen.detach(), weights)}


def mean_square(difference: Tensor, weights: Tensor) -> Tensor:
    """Return the mean square of `(batch, dimension, time)` over dimensions and the vectors that count."""
    return (difference.square().mean(1) * weights).sum() / weights.sum().clamp(min=1)
