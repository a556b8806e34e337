"""One update of a model, as a function of tensors that stay in place; nothing in it waits for the device."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from vqspeech.training.capture import capture_step, report_plain
from vqspeech.training.optimizer import reset_moved_codes
from vqspeech.training.task import Batch


class TrainingStep:
    """Forward, backward, clipping and optimiser of one update; on a GPU one CUDA graph, where it can be captured.

    Batches of several shapes have a graph each.

    Args:
        accelerator: What wraps model and optimiser.
        model: The model.
        wrapped: The model as the accelerator prepared it.
        optimizer: The optimiser as the accelerator prepared it.
        options: Those of the training: `accumulate`, `clip`, `capture`.
        counts: Float32 `(codes,)`; how often each code was chosen is added to it.

    Attributes:
        figures: Float32 `(accumulate + 1,)`: the loss of each part of the last update, then the norm of its gradient.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        wrapped: Any,
        optimizer: Any,
        options: Mapping[str, Any],
        counts: Tensor,
    ):
        self._accelerator, self._model, self._wrapped, self._optimizer = accelerator, model, wrapped, optimizer
        self._accumulate, self._clip, self._counts = options["accumulate"], options["clip"], counts
        self._seeds: Sequence[int] = ()
        self.figures = torch.zeros(self._accumulate + 1, device=accelerator.device)
        obstacle = self._obstacle(options)
        self._plain = accelerator.device.type != "cuda" or bool(obstacle)
        if self._plain and accelerator.device.type == "cuda":
            report_plain(obstacle)
        self._steps: dict[Any, tuple[list[Any], Callable[[], None]]] = {}

    def __call__(self, batches: Sequence[Batch], seeds: Sequence[int]) -> None:
        """Take one step.

        Args:
            batches: One batch for each part of the update.
            seeds: The seed of each part, for dropout and other draws.
        """
        self._seeds = seeds
        take = self._choose(batches)
        torch.manual_seed(seeds[0])
        take()

    def _obstacle(self, options: Mapping[str, Any]) -> str:
        if not options.get("capture", True):
            return "training.capture=false"
        if self._accelerator.num_processes > 1:
            return "several processes exchange gradients"
        return "each part of an accumulated update has a seed of its own" if self._accumulate > 1 else ""

    def _choose(self, batches: Sequence[Batch]) -> Callable[[], None]:
        """Return the step for batches of these shapes, on tensors that these were copied to."""
        if self._plain:
            return partial(self._update, batches)
        shapes = tuple(tensor.shape for batch in batches for tensor in _tensors(batch))
        if shapes not in self._steps:
            ours = [*batches]
            self._steps[shapes] = ours, capture_step(partial(self._update, ours), self._accelerator.device)
            return self._steps[shapes][1]
        ours, take = self._steps[shapes]
        for one, batch in zip(ours, batches, strict=True):
            for place, tensor in zip(_tensors(one), _tensors(batch), strict=True):
                place.copy_(tensor, non_blocking=True)
        return take

    def _update(self, batches: Sequence[Any]) -> None:
        accelerator, count = self._accelerator, self._accumulate
        for part, batch in enumerate(batches):
            if part:
                torch.manual_seed(self._seeds[part])
            whole = part == count - 1
            # Processes exchange gradients once per update, with its last part.
            with nullcontext() if whole else accelerator.no_sync(self._wrapped):
                with accelerator.autocast():
                    losses, codes, mask = self._wrapped(batch)
                loss = torch.stack(list(losses.values())).sum()
                accelerator.backward(loss / count)
            self._count(codes, mask)
            self.figures[part] = loss.detach()
        reset_moved_codes(self._model, self._optimizer)
        norm = accelerator.clip_grad_norm_(self._model.parameters(), self._clip)
        if norm is not None:
            self.figures[count] = norm
        self._optimizer.step()
        self._optimizer.zero_grad()

    @torch.no_grad()
    def _count(self, codes: Tensor, mask: Tensor) -> None:
        size = len(self._counts)
        if size:
            weights = mask.reshape(mask.shape + (1,) * (codes.ndim - mask.ndim)).expand_as(codes).flatten()
            # Codes that do not count may be any numbers.
            self._counts.index_add_(0, codes.flatten().clamp(0, size - 1), weights.to(self._counts.dtype))


def _tensors(batch: Any) -> list[Tensor]:
    """Return the tensors of a batch in the order of its fields."""
    found: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    batch.each(keep)
    return found
