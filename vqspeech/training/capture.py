"""A training step as one CUDA graph: launched whole, it takes the time of its kernels and none of Python's.

What a step reads and writes stays in the same tensors from step to step; on a CPU the step is the plain function.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from vqspeech.progress import report

WARM_UP = 4
"""Steps that run before the capture."""


def capture_step(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Return `step` as a function that becomes a CUDA graph after `WARM_UP` calls.

    Every call takes one step, those before the capture as well. On other devices it is `step` itself. Where the step
    cannot be captured it runs as it is, with a message that says why.

    Args:
        step: One step, on tensors that stay in place. It must read nothing back from the device.
        device: The device of the tensors.
    """
    return _CapturedStep(step) if device.type == "cuda" else step


def report_plain(reason: str) -> None:
    """Say why steps are not captured."""
    report(f"the training step is not captured as a CUDA graph ({reason}); it runs as it is")


class _CapturedStep:
    def __init__(self, step: Callable[[], None]):
        self._step, self._run = step, self._warm_up
        self._calls, self._stream = 0, torch.cuda.Stream()

    def __call__(self) -> None:
        self._run()

    def _warm_up(self) -> None:
        if self._calls == WARM_UP:
            self._run = self._capture()
            self._run()
            return
        self._calls += 1
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._step()
        torch.cuda.current_stream().wait_stream(self._stream)

    def _capture(self) -> Callable[[], None]:
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            # Threads that copy batches go on meanwhile.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._step()
        except RuntimeError as error:
            report_plain(" ".join(str(error).split("\n")[0].split()))
            torch.cuda.synchronize()
            return self._step
        return graph.replay


class AdamW(torch.optim.AdamW):
    """AdamW whose learning rate may change under a captured step.

    Args:
        groups: Groups of parameters, each with its `weight_decay`.
        device: The device that the parameters are on, or will be on when the first step is taken.
        betas: Decay rates of the two moments.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], device: torch.device, betas: tuple[float, float]):
        on_gpu = device.type == "cuda"
        rate = torch.zeros((), device=device) if on_gpu else 0.0
        super().__init__(groups, lr=rate, betas=betas, fused=True, capturable=on_gpu)

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next steps."""
        for group in self.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


class ClippedAdam:
    """`AdamW` over parameters of which matrices alone decay, along clipped gradients.

    Args:
        parameters: The parameters; those without gradient are left out.
        weight_decay: Of tensors with two axes or more.
    """

    def __init__(self, parameters: Iterable[Tensor], weight_decay: float = 0.01):
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        # Vectors are biases, gains and norms, which decay would only pull off their place.
        groups = [
            {"params": [one for one in self.parameters if one.ndim > 1], "weight_decay": weight_decay},
            {"params": [one for one in self.parameters if one.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = AdamW(groups, self.parameters[0].device, (0.9, 0.98))

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next steps."""
        self.optimizer.set_rate(rate)

    def step(self, largest: float = 1.0) -> None:
        """Take one step along the gradients, of norm `largest` at most."""
        torch.nn.utils.clip_grad_norm_(self.parameters, largest)
        self.optimizer.step()


def schedule_rate(
    done: float, step: int, highest: float, warm_up: int = 200, constant: float = 0.4, least: float = 0.0
) -> float:
    """Return the learning rate when a share of the time is over.

    It rises linearly over the warm-up, stays at `highest` for a share of the time, then falls linearly to a fiftieth.

    Args:
        done: Share of the time that is over.
        step: Steps taken.
        highest: The highest learning rate.
        warm_up: Steps of the rise.
        constant: Share of the time that ends before the fall.
        least: Share of the rise that is over at least.
    """
    fall = 1.0 if done < constant else max(0.02, (1 - done) / (1 - constant))
    return highest * min(1.0, max((step + 1) / warm_up, least)) * fall
