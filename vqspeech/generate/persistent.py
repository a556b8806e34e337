"""Sampling on a GPU by one persistent Triton kernel: a launch takes all streams through many steps.

Cost of a step, for 30 layers of 64 and 256 channels: 1.24 M multiply-adds per stream, and 2.5 MB of bf16 weights, which
every multiprocessor reads from L2, because they exceed its own memory. A single stream fills a tile of 16 as well, the
smallest that tensor cores multiply. On an H200 it is bound by the path from L2 to one multiprocessor: at 64 bytes a
clock, 20 to 25 us a step. With all 132 multiprocessors busy the bound is the bandwidth of L2, some 5.5 TB/s: 60 us a
step for tiles of 16 (2,112 streams) and for larger ones, until at 64 streams a tile the tensor cores are as busy. These
are estimates; `tools/bench/gpu.py` measures.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import accumulate
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F

from vqspeech.errors import ConfigError
from vqspeech.generate.cell import Cell
from vqspeech.generate.conditioning import ProjectedConditioning
from vqspeech.progress import Work

CHUNK = 1024
"""Steps per launch at most; between launches progress is reported and Ctrl-C takes effect."""
HELD = 2**28
"""Bytes of conditioning that are laid out for a launch at most; a launch covers fewer steps where it would be more."""


@dataclass(frozen=True)
class Tiling:
    """How the work is divided.

    Attributes:
        streams: Streams of a program: 16, 32 or 64.
        warps: Warps of a program: 4, 8 or 16.
        stages: One more than the layers whose weights are fetched ahead; fewer where shared memory is too small.
    """

    streams: int = 16
    warps: int = 8
    stages: int = 3


@dataclass(frozen=True)
class _Packed:
    """Weights and sizes as `persistent_kernel.sample` takes them, channels padded with zeros to powers of two."""

    tensors: list[Tensor]
    sizes: dict[str, int]


def sample_classes(
    cell: Cell,
    conditioning: Tensor | ProjectedConditioning,
    uniforms: Tensor,
    *,
    temperature: float,
    top_p: float,
    given: Tensor,
    logits: Tensor | None,
    progress: bool,
    precision: torch.dtype = torch.bfloat16,
    tiling: Tiling | None = None,
) -> Tensor:
    """Sample classes, int64 `(batch, time)`; the arguments are those of an `Engine`, and two more.

    In bfloat16 the root mean square error of the logits is below 5 % of their standard deviation in the tests, and
    0.5 % for the paper's network with the weights of the start of training. In float32, which is slow, it is rounding.

    Args:
        precision: Of weights, conditioning and the factors of products; sums are float32.
        tiling: Chosen by the number of streams where it is None.

    Raises:
        ConfigError: There is neither a GPU nor Triton's interpreter (TRITON_INTERPRET=1), or the shared memory of the
            GPU is too small for the network.
    """
    device = conditioning.device
    kernel = _import_kernel(device)
    batch, steps = uniforms.shape
    hold = steps // conditioning.shape[2]
    tiling = tiling or _choose_tiling(batch, precision, device)
    programs = -(-batch // tiling.streams)
    packed = _pack(cell, precision)
    sizes, streams = packed.sizes, programs * tiling.streams
    rooms = [sizes["SLOTS"] * sizes["RESIDUAL"], sizes["SKIP"], sizes["HIDDEN"]]
    state = [torch.full((streams,), cell.start, dtype=torch.int32, device=device)]
    state += [torch.zeros(streams * room, dtype=precision, device=device) for room in rooms]
    classes = torch.empty(batch, steps, dtype=torch.long, device=device)
    latent_bytes = streams * sizes["LAYERS"] * 2 * sizes["RESIDUAL"] * precision.itemsize
    chunk = min(CHUNK, max(1, HELD // latent_bytes) * hold)
    stages = tiling.stages
    with Work("sampling", steps, "step", shown=progress) as work:
        for first in range(0, steps, chunk):
            stop = min(steps, first + chunk)
            held = _lay_out_conditioning(
                cell, conditioning[:, :, first // hold : -(-stop // hold)], sizes["RESIDUAL"], tiling, precision
            )
            forced = torch.full((batch, stop - first), -1, dtype=torch.int32, device=device)
            part = given[:, first:stop]
            forced[:, : part.shape[1]] = part
            drawn = _split_tiles(forced, tiling)
            found = torch.empty(1 if logits is None else drawn.numel() * sizes["CLASSES"], device=device)
            buffers = [held, _split_tiles(uniforms[:, first:stop].float(), tiling), drawn, *state, found]
            numbers = [first, stop - first, held.shape[1], hold, 1 / (temperature or 1.0), float(top_p)]
            flags = {"GREEDY": temperature == 0, "NUCLEUS": top_p < 1, "KEEP": logits is not None}
            stages = _launch(kernel, programs, tiling, stages, [*packed.tensors, *buffers, *numbers], sizes | flags)
            classes[:, first:stop] = _join_tiles(drawn, batch)
            if logits is not None:
                rows = found.view(programs, stop - first, tiling.streams, -1)
                logits[:, first:stop] = _join_tiles(rows, batch)[:, :, : cell.classes]
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            work.update(stop - first)
    return classes


def _import_kernel(device: torch.device) -> ModuleType:
    """Import the module of the kernel. Raises `ConfigError` where it cannot run."""
    if device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        raise ConfigError(f"the engine persistent needs a CUDA GPU, not '{device}'; choose --engine auto")
    try:
        from vqspeech.generate import persistent_kernel
    except ImportError as error:
        raise ConfigError(
            f"the engine persistent needs Triton ({error}); pip install triton, or choose --engine cached"
        ) from None
    return persistent_kernel


def _choose_tiling(batch: int, precision: torch.dtype, device: torch.device) -> Tiling:
    """Choose tiles of 16 streams while all fit the GPU at once, else of 32; of 16 in float32, without tensor cores."""
    if device.type != "cuda" or precision == torch.float32:
        return Tiling()
    units = torch.cuda.get_device_properties(device).multi_processor_count
    return Tiling(streams=16 if batch <= 16 * units else 32)


def _launch(kernel: ModuleType, programs: int, tiling: Tiling, stages: int, arguments: list, constants: dict) -> int:
    """Run the kernel with `stages` stages, or fewer where they do not fit, and return their number."""
    from triton import OutOfResources

    device = arguments[0].device
    context: AbstractContextManager = torch.cuda.device(device) if device.type == "cuda" else nullcontext()
    for few in range(stages, 0, -1):
        try:
            with context:
                kernel.sample[(programs,)](
                    *arguments, **constants, TILE=tiling.streams, STAGES=few, num_warps=tiling.warps, num_stages=few
                )
            return few
        except OutOfResources as error:
            refused = error
    raise ConfigError(
        f"the network is too wide for the engine persistent on this GPU ({refused}); choose --engine cached"
    )


def _pack(cell: Cell, precision: torch.dtype) -> _Packed:
    layers, width = len(cell.dilations), cell.width
    (skip, skip_bias), (hidden, hidden_bias), (output, output_bias) = cell.output
    residual, skips, hiddens, classes = (_round_up(n) for n in (width, skip.shape[1], hidden.shape[1], output.shape[1]))

    def weights(x: Tensor, *shape: int) -> Tensor:
        return _pad(x, *shape).to(precision).contiguous()

    def biases(x: Tensor, *shape: int, value: float = 0.0) -> Tensor:
        return _pad(x, *shape, value=value).float().contiguous()

    # (layers, past and present, inputs, filter and gate, outputs), then filter and gate of each output side by side
    gated = _pad(cell.gated.view(layers, 2, width, 2, width), layers, 2, residual, 2, residual).transpose(3, 4)
    matrices = [matrix for matrix, _ in cell.residual] + [torch.zeros_like(cell.gated[0, :width, :width])]
    added = [bias for _, bias in cell.residual] + [torch.zeros_like(cell.gated_bias[0, :width])]
    slots = [dilation + 1 for dilation in cell.dilations]
    whole = {"dtype": torch.int32, "device": cell.gated.device}
    tensors = [
        weights(cell.embedding, len(cell.embedding), residual),
        gated.to(precision).contiguous(),
        weights(torch.stack(matrices), layers, residual, residual),
        biases(torch.stack(added), layers, residual),
        weights(skip.view(layers, width, -1), layers, residual, skips),
        biases(skip_bias, skips),
        weights(hidden, skips, hiddens),
        biases(hidden_bias, hiddens),
        weights(output, hiddens, classes),
        biases(output_bias, classes, value=-torch.inf),
        torch.tensor(cell.dilations, **whole),
        torch.tensor([0, *accumulate(slots)][:-1], **whole),
    ]
    sizes = {"LAYERS": layers, "SLOTS": sum(slots), "RESIDUAL": residual, "SKIP": skips, "HIDDEN": hiddens}
    return _Packed(tensors, sizes | {"CLASSES": classes, "LEVELS": cell.classes})


def _lay_out_conditioning(
    cell: Cell, conditioning: Tensor, residual: int, tiling: Tiling, precision: torch.dtype
) -> Tensor:
    """Return conditioning `(batch, layers * 2 * width, latents)` plus the gated bias in the layout of the kernel.

    That is `(programs, latents, layers, tiling.streams, 2 * residual)`, filter and gate of each channel side by side.
    """
    batch, layers, width = len(conditioning), len(cell.dilations), cell.width
    split = conditioning.unflatten(1, (layers, 2, width)) + cell.gated_bias.view(layers, 2, width, 1)
    streams = -(-batch // tiling.streams) * tiling.streams
    padded = _pad(split.to(precision), streams, layers, 2, residual, split.shape[4])
    tiles = padded.unflatten(0, (-1, tiling.streams))  # (programs, streams, layers, 2, residual, latents)
    return tiles.permute(0, 5, 2, 1, 4, 3).flatten(4).contiguous()


def _split_tiles(rows: Tensor, tiling: Tiling) -> Tensor:
    """Return `(batch, steps)` as `(programs, steps, tiling.streams)`, padded with streams of zeros."""
    streams = -(-len(rows) // tiling.streams) * tiling.streams
    return _pad(rows, streams, rows.shape[1]).unflatten(0, (-1, tiling.streams)).transpose(1, 2).contiguous()


def _join_tiles(tiles: Tensor, batch: int) -> Tensor:
    """Return `(programs, steps, streams, ...)` as `(batch, steps, ...)`."""
    return tiles.transpose(1, 2).flatten(0, 1)[:batch]


def _round_up(channels: int) -> int:
    """Return the next power of two, at least 16, the smallest size of tensor cores."""
    return max(16, 1 << (channels - 1).bit_length())


def _pad(x: Tensor, *shape: int, value: float = 0.0) -> Tensor:
    """Pad x at the end of every axis to a shape."""
    missing = [(0, size - had) for size, had in zip(shape, x.shape, strict=True)]
    return F.pad(x, [n for pair in reversed(missing) for n in pair], value=value)
