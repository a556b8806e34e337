"""The engines by name, and the one interface to them."""

import math
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from vqspeech.errors import ConfigError
from vqspeech.generate.cell import Cell
from vqspeech.generate.conditioning import Projected

Engine = Callable[..., Tensor]
"""`(cell, conditioning, uniforms, *, temperature, top_p, given, logits, progress)` → classes int64 `(batch, time)`.

As `generate`; `logits`, where it is not None, is a float32 tensor `(batch, time, classes)` to be filled with the logits
of every step. An engine that cannot run here raises `ConfigError` with the fix, before anything else.
"""

ENGINES = {
    "cached": "the loop in PyTorch over ring buffers, on any device: what the others are held against",
    "kernel": "compiled for the processor at hand (numba)",
    "graph": "that loop as a CUDA graph",
    "persistent": "one Triton kernel for all layers of a step (CUDA)",
}
"""What there is beside `auto`; each is the function `sampled` of the module of its name."""

_STEP = {"cached": 50.0, "kernel": 3.0, "graph": 500.0, "persistent": 1000.0}
"""What a step costs beside its lanes, in lanes: of the kernel on each core, of the others in all."""


def chosen(engine: str, device: torch.device) -> str:
    """The engine that `auto` stands for on a device: the fastest that runs there; any other name is itself.

    Raises `ConfigError` for an unknown name.
    """
    if engine not in ("auto", *ENGINES):
        raise ConfigError(f"no engine '{engine}'; there are auto, {', '.join(ENGINES)}")
    if engine != "auto":
        return engine
    if device.type == "cuda":
        new = torch.cuda.get_device_capability(device) >= (8, 0)
        return "persistent" if new and find_spec("triton") else "graph"
    return "kernel" if device.type == "cpu" else "cached"


def piece(steps: int, overlap: int, engine: str, device: torch.device, most: int) -> int:
    """Steps a piece, for pieces that overlap the next by `overlap` and run side by side, to take `steps` the fastest.

    n lanes are steps / n + overlap steps long, and a step costs s + n / c with c cores and s of `_STEP`: the least in
    all is at n = sqrt(s c steps / overlap), and `most` lanes there are.
    """
    name = chosen(engine, device)
    cores = torch.get_num_threads() if name == "kernel" else 1
    lanes = math.sqrt(_STEP[name] * cores * steps / overlap)
    return math.ceil(steps / min(most, max(1, round(lanes / cores)) * cores))


@torch.inference_mode()
def generate(
    cell: Cell,
    conditioning: Tensor | Projected,
    uniforms: Tensor,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    given: Tensor | None = None,
    engine: str = "auto",
    progress: bool = True,
) -> Tensor:
    """Classes drawn one by one: int64 `(batch, time)`.

    conditioning `(batch, layers * 2 * residual, latents)` holds for time / latents steps each (`Projected`, where it is
    too wide for long streams); uniforms `(batch, time)`
    in [0, 1) choose the classes. The order: logits are divided by the `temperature` (0: the likeliest class); of their
    distribution the nucleus is kept, the fewest classes, the likeliest first and of equals the lower one first, whose
    probability reaches `top_p`; the class is that at which the cumulative probability of what was kept, in the order of
    the classes, passes uniform times its sum. `given` int64 `(batch, n)` are the first n classes, drawn by somebody
    else. The buffers start empty (zero) at every call.

    Raises `ValueError` where time is no multiple of latents, or a setting or a shape is none; `ConfigError` for an
    unknown engine, or one that cannot run here.
    """
    return _run(cell, conditioning, uniforms, temperature, top_p, given, engine, None, progress)


@torch.inference_mode()
def logits(cell: Cell, conditioning: Tensor | Projected, given: Tensor, engine: str = "auto") -> Tensor:
    """The logits of every step of an engine that is given all classes `(batch, time)`: `(batch, time, classes)`."""
    found = torch.empty(*given.shape, cell.classes, device=conditioning.device)
    uniforms = torch.zeros(given.shape, device=conditioning.device)
    _run(cell, conditioning, uniforms, 1.0, 1.0, given, engine, found, False)
    return found


def _run(
    cell: Cell,
    conditioning: Tensor | Projected,
    uniforms: Tensor,
    temperature: float,
    top_p: float,
    given: Tensor | None,
    engine: str,
    logits: Tensor | None,
    progress: bool,
) -> Tensor:
    batch, steps = uniforms.shape
    if conditioning.shape[:2] != (batch, cell.conditions):
        raise ValueError(f"conditioning {tuple(conditioning.shape)} is not ({batch}, {cell.conditions}, latents)")
    if steps % conditioning.shape[2]:
        raise ValueError(f"{steps} steps for {conditioning.shape[2]} latents: not a multiple")
    if not (temperature >= 0 and 0 < top_p <= 1):
        raise ValueError(f"temperature {temperature}, top_p {top_p}: they are 0 or more, and in (0, 1]")
    if given is None:
        given = torch.empty(batch, 0, dtype=torch.long, device=conditioning.device)
    if given.shape[0] != batch or given.shape[1] > steps:
        raise ValueError(f"given classes {tuple(given.shape)} for {batch} x {steps} steps")
    name = chosen(engine, conditioning.device)
    sampled: Engine = import_module(f"vqspeech.generate.{name}").sampled
    started = time.perf_counter()
    classes = sampled(
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
        factor = f", {rate / cell.rate:.2f}x real time in all lanes" if cell.rate else ""
        print(f"{name}: {batch} x {steps:,} steps at {rate:,.0f} samples/s{factor}", file=sys.stderr)
    return classes
