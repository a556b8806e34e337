"""The sampling engines by name, and the one interface to them."""

import math
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from vqspeech.deprecation import warn_renamed
from vqspeech.errors import ConfigError
from vqspeech.generate.cell import Cell
from vqspeech.generate.conditioning import ProjectedConditioning
from vqspeech.progress import report

Engine = Callable[..., Tensor]
"""`(cell, conditioning, uniforms, *, temperature, top_p, given, logits, progress)` → classes int64 `(batch, time)`.

The arguments are those of `generate`; `logits`, where it is not None, is a float32 tensor `(batch, time, classes)` that
receives the logits of every step. An engine that cannot run here raises `ConfigError` with the fix before any work.
"""

ENGINES = {
    "cached": "the reference loop in PyTorch with ring buffers, on any device",
    "kernel": "compiled for the processor (numba)",
    "persistent": "one Triton kernel for all layers of a step (CUDA)",
}
"""Engines besides `auto`; each is the function `sample_classes` of the module of its name."""

_STEP_COST = {"cached": 50.0, "kernel": 3.0, "persistent": 1000.0}
"""Fixed cost of a step, in the cost of a stream: of the kernel on each core, of the others in total."""


def choose_engine(engine: str, device: torch.device) -> str:
    """Return the fastest engine on a device for `auto`; any other name is returned as it is.

    The old name `graph`, of the loop as a CUDA graph, stands for `cached` for one release.

    Raises:
        ConfigError: The name is unknown.
    """
    if engine == "graph":
        warn_renamed("engine graph", "engine cached")
        return "cached"
    if engine not in ("auto", *ENGINES):
        raise ConfigError(f"no engine '{engine}'; choose one of auto, {', '.join(ENGINES)}")
    if engine != "auto":
        return engine
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0) and find_spec("triton"):
        return "persistent"
    return "kernel" if device.type == "cpu" else "cached"


def choose_piece_length(steps: int, overlap: int, engine: str, device: torch.device, limit: int) -> int:
    """Return the length of pieces, in steps, with which `steps` steps take the least time side by side.

    n streams are steps / n + overlap steps long, and a step costs s + n / c with c cores and s of `_STEP_COST`. The
    total is least at n = sqrt(s c steps / overlap).

    Args:
        steps: Length of the whole.
        overlap: Steps that a piece shares with the next.
        engine: Name of the engine.
        device: Where it runs.
        limit: Streams at most.
    """
    name = choose_engine(engine, device)
    cores = torch.get_num_threads() if name == "kernel" else 1
    streams = math.sqrt(_STEP_COST[name] * cores * steps / overlap)
    return math.ceil(steps / min(limit, max(1, round(streams / cores)) * cores))


@torch.inference_mode()
def generate(
    cell: Cell,
    conditioning: Tensor | ProjectedConditioning,
    uniforms: Tensor,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    given: Tensor | None = None,
    engine: str = "auto",
    progress: bool = True,
) -> Tensor:
    """Sample classes one by one, and return them: int64 `(batch, time)`.

    Logits are divided by the temperature. Of their distribution the nucleus is kept: the fewest classes, most likely
    first and of equals the lower first, whose probability reaches `top_p`. The class is the one at which the cumulative
    probability of the kept classes, in the order of classes, passes uniform times its total. The buffers are zero at
    the start of every call.

    Args:
        cell: Weights of a step.
        conditioning: `(batch, layers * 2 * residual, latents)`; a latent holds for time / latents steps.
        uniforms: `(batch, time)` in [0, 1).
        temperature: 0 takes the most likely class.
        top_p: Probability of the nucleus, in (0, 1].
        given: The first classes, int64 `(batch, n)`, which are not sampled.
        engine: One of `ENGINES`, or "auto".
        progress: Whether progress and the speed are reported.

    Raises:
        ValueError: Time is not a multiple of latents, or a setting or a shape is invalid.
        ConfigError: The engine is unknown, or cannot run here.
    """
    return _run(cell, conditioning, uniforms, temperature, top_p, given, engine, None, progress)


@torch.inference_mode()
def compute_logits(
    cell: Cell, conditioning: Tensor | ProjectedConditioning, given: Tensor, engine: str = "auto"
) -> Tensor:
    """Return the logits `(batch, time, classes)` of every step for given classes `(batch, time)`."""
    logits = torch.empty(*given.shape, cell.classes, device=conditioning.device)
    uniforms = torch.zeros(given.shape, device=conditioning.device)
    _run(cell, conditioning, uniforms, 1.0, 1.0, given, engine, logits, False)
    return logits


def _run(
    cell: Cell,
    conditioning: Tensor | ProjectedConditioning,
    uniforms: Tensor,
    temperature: float,
    top_p: float,
    given: Tensor | None,
    engine: str,
    logits: Tensor | None,
    progress: bool,
) -> Tensor:
    batch, steps = uniforms.shape
    if conditioning.shape[:2] != (batch, cell.conditioning_channels):
        raise ValueError(
            f"conditioning {tuple(conditioning.shape)} is not ({batch}, {cell.conditioning_channels}, latents)"
        )
    if steps % conditioning.shape[2]:
        raise ValueError(f"{steps} steps for {conditioning.shape[2]} latents: not a multiple")
    if not (temperature >= 0 and 0 < top_p <= 1):
        raise ValueError(f"temperature {temperature}, top_p {top_p}: must be 0 or more, and in (0, 1]")
    if given is None:
        given = torch.empty(batch, 0, dtype=torch.long, device=conditioning.device)
    if given.shape[0] != batch or given.shape[1] > steps:
        raise ValueError(f"given classes {tuple(given.shape)} for {batch} x {steps} steps")
    name = choose_engine(engine, conditioning.device)
    sample_classes: Engine = import_module(f"vqspeech.generate.{name}").sample_classes
    started = time.perf_counter()
    classes = sample_classes(
        cell,
        conditioning,
        uniforms,
        temperature=temperature,
        top_p=top_p,
        given=given,
        logits=logits,
        progress=progress,
    )
    if progress:
        rate = batch * steps / (time.perf_counter() - started)
        factor = f", {rate / cell.rate:.2f}x real time in all streams" if cell.rate else ""
        report(f"{name}: {batch} x {steps:,} steps at {rate:,.0f} samples/s{factor}")
    return classes
