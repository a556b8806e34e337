"""One update of a model, as a function of tensors that stay in place; nothing in it waits for the device."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from vqspeech.training.capture import capture_step
from vqspeech.training.optimizer import reset_moved_codes
from vqspeech.training.task import Batch


class TrainingStep:
    """Forward, backward, clipping and optimiser of one update; on a GPU one CUDA graph, where it can be captured.

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
        self._batches: list[Any] = []
        self._seeds: Sequence[int] = ()
        self.figures = torch.zeros(self._accumulate + 1, device=accelerator.device)
        self._run = capture_step(self._update, accelerator.device, self._obstacle(options))

    def __call__(self, batches: Sequence[Batch], seeds: Sequence[int]) -> None:
        """Take one step.

        Args:
            batches: One batch for each part of the update.
            seeds: The seed of each part, for dropout and other draws.
        """
        self._load(batches)
        self._seeds = seeds
        torch.manual_seed(seeds[0])
        self._run()

    def _obstacle(self, options: Mapping[str, Any]) -> str:
        if not options.get("capture", True):
            return "training.capture=false"
        if self._accelerator.num_processes > 1:
            return "several processes exchange gradients"
        return "each part of an accumulated update has a seed of its own" if self._accumulate > 1 else ""

    def _load(self, batches: Sequence[Batch]) -> None:
        """Copy batches to where a captured step reads them."""
        if not self._batches or self._accelerator.device.type != "cuda":
            self._batches = [*batches]
            return
        for ours, batch in zip(self._batches, batches, strict=True):
            for place, tensor in zip(_tensors(ours), _tensors(batch), strict=True):
                if place.shape != tensor.shape:
                    raise RuntimeError(f"a batch has a tensor of {tuple(tensor.shape)}, {tuple(place.shape)} before")
                place.copy_(tensor, non_blocking=True)

    def _update(self) -> None:
        accelerator, count = self._accelerator, self._accumulate
        for part, batch in enumerate(self._batches):
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
