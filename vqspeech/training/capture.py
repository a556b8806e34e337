"""A training step as one CUDA graph: launched whole, it takes the time of its kernels and none of Python's.

What a step reads and writes stays in the same tensors from step to step; on a CPU the step is the plain function.
"""

import sys
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

WARM_UP = 4
"""Steps that run before the capture."""


def capture_step(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Return `step` as a CUDA graph; `step` itself on other devices, or where it cannot be captured, which is said.

    The function is run `WARM_UP` times first, with the optimiser's rate as it stands.
    """
    if device.type != "cuda":
        return step
    try:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        torch.cuda.synchronize()
        return graph.replay
    except RuntimeError as error:
        print(f"the step is not captured as a CUDA graph ({error}); it runs as it is", file=sys.stderr)
        torch.cuda.synchronize()
        return step


class Adam:
    """AdamW whose rate may change under a captured step."""

    def __init__(self, parameters: Iterable[Tensor], weight_decay: float = 0.01):
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        device = self.parameters[0].device
        # Vectors are biases, gains and norms, which decay would only pull off their place.
        groups = [
            {"params": [one for one in self.parameters if one.ndim > 1], "weight_decay": weight_decay},
            {"params": [one for one in self.parameters if one.ndim <= 1], "weight_decay": 0.0},
        ]
        on_gpu = device.type == "cuda"
        self.rate = torch.zeros((), device=device)
        self.optimizer = torch.optim.AdamW(
            groups, lr=self.rate if on_gpu else 0.0, betas=(0.9, 0.98), fused=True, capturable=on_gpu
        )

    def set_rate(self, rate: float) -> None:
        """Set the rate of the next steps."""
        self.rate.fill_(rate)
        if not self.optimizer.defaults["capturable"]:
            for group in self.optimizer.param_groups:
                group["lr"] = rate

    def step(self, largest: float = 1.0) -> None:
        """Take one step along the gradients, of norm `largest` at most."""
        torch.nn.utils.clip_grad_norm_(self.parameters, largest)
        self.optimizer.step()


def schedule_rate(
    done: float, step: int, highest: float, warm_up: int = 200, constant: float = 0.4, least: float = 0.0
) -> float:
    """Return the learning rate when a share `done` of the time is over: a linear rise over `warm_up` steps, or faster
    where a part `least` of it must be over by now; `highest` for a share `constant` of the time, then a straight line
    to a fiftieth."""
    fall = 1.0 if done < constant else max(0.02, (1 - done) / (1 - constant))
    return highest * min(1.0, max((step + 1) / warm_up, least)) * fall
