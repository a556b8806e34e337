"""Sampling on a GPU by one persistent Triton kernel: a launch takes all lanes through many steps.

What a step costs, for 30 layers of 64 and 256 channels: 1.24 M multiply-adds a lane, and 2.5 MB of bf16 weights, which
every multiprocessor reads from L2, for they are more than it can keep. One lane fills a tile of 16 all the same, the
least that tensor cores multiply. On an H200 its bound is the way from L2 to one multiprocessor: at 64 bytes a clock, 20
to 25 us a step. With all 132 multiprocessors at it the bound is L2 as a whole, some 5.5 TB/s: 60 us a step, for tiles
of 16 (2,112 lanes) as for larger ones, until at 64 lanes a tile the tensor cores are as busy. These are estimates;
`tools/bench/gpu.py` measures.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import accumulate
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from vqspeech.errors import ConfigError
from vqspeech.generate.cell import Cell
from vqspeech.generate.conditioning import Projected

CHUNK = 1024
"""Steps a launch, at most: between two of them progress is shown and Ctrl-C is heard."""
HELD = 2**28
"""Bytes of conditioning that are laid out for a launch, at most; then it covers fewer steps."""


@dataclass(frozen=True)
class Tiling:
    """How the work is laid out: `lanes` and `warps` of a program (16, 32 or 64; 4, 8 or 16), and `stages`: so many less
    one are the layers whose weights are fetched ahead, and fewer where the shared memory is too small for them."""

    lanes: int = 16
    warps: int = 8
    stages: int = 3


@dataclass(frozen=True)
class _Packed:
    """Weights and sizes as `persistent_kernel.sample` takes them, channels filled up with zeros to powers of two."""

    tensors: list[Tensor]
    sizes: dict[str, int]


def sampled(
    cell: Cell,
    conditioning: Tensor | Projected,
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
    """Classes int64 `(batch, time)`; the arguments are those of an `Engine`, and `precision`, in which weights,
    conditioning and what goes into a product are held; sums are float32. In bfloat16 the error of the logits (root mean
    square) is below 5 % of their deviation in the tests, and 0.5 % for the paper's network with weights as they are at
    the start of its training; in float32 no more than rounding, and slow. `tiling` follows from the number of lanes.

    Raises `ConfigError` where there is neither a GPU nor Triton's interpreter (TRITON_INTERPRET=1), or the GPU's shared
    memory is too small for the network.
    """
    device = conditioning.device
    kernel = _kernel(device)
    batch, steps = uniforms.shape
    hold = steps // conditioning.shape[2]
    tiling = tiling or _tiling(batch, precision, device)
    programs = -(-batch // tiling.lanes)
    packed = _packed(cell, precision)
    sizes, lanes = packed.sizes, programs * tiling.lanes
    rooms = [sizes["SLOTS"] * sizes["RESIDUAL"], sizes["SKIP"], sizes["HIDDEN"]]
    state = [torch.full((lanes,), cell.start, dtype=torch.int32, device=device)]
    state += [torch.zeros(lanes * room, dtype=precision, device=device) for room in rooms]
    classes = torch.empty(batch, steps, dtype=torch.long, device=device)
    latent_bytes = lanes * sizes["LAYERS"] * 2 * sizes["RESIDUAL"] * precision.itemsize
    chunk = min(CHUNK, max(1, HELD // latent_bytes) * hold)
    stages = tiling.stages
    with tqdm(total=steps, desc="sampling", unit="step", disable=None if progress else True, leave=False) as bar:
        for first in range(0, steps, chunk):
            stop = min(steps, first + chunk)
            held = _held(
                cell, conditioning[:, :, first // hold : -(-stop // hold)], sizes["RESIDUAL"], tiling, precision
            )
            forced = torch.full((batch, stop - first), -1, dtype=torch.int32, device=device)
            part = given[:, first:stop]
            forced[:, : part.shape[1]] = part
            drawn = _tiled(forced, tiling)
            found = torch.empty(1 if logits is None else drawn.numel() * sizes["CLASSES"], device=device)
            buffers = [held, _tiled(uniforms[:, first:stop].float(), tiling), drawn, *state, found]
            numbers = [first, stop - first, held.shape[1], hold, 1 / (temperature or 1.0), float(top_p)]
            flags = {"GREEDY": temperature == 0, "NUCLEUS": top_p < 1, "KEEP": logits is not None}
            stages = _launch(kernel, programs, tiling, stages, [*packed.tensors, *buffers, *numbers], sizes | flags)
            classes[:, first:stop] = _untiled(drawn, batch)
            if logits is not None:
                rows = found.view(programs, stop - first, tiling.lanes, -1)
                logits[:, first:stop] = _untiled(rows, batch)[:, :, : cell.classes]
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            bar.update(stop - first)
    return classes


def _kernel(device: torch.device) -> ModuleType:
    """The module of the kernel. Raises `ConfigError` where it cannot run."""
    if device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        raise ConfigError(f"the engine persistent needs a CUDA GPU, not '{device}'; choose --engine auto")
    try:
        from vqspeech.generate import persistent_kernel
    except ImportError as error:
        raise ConfigError(
            f"the engine persistent needs Triton ({error}); pip install triton, or --engine graph"
        ) from None
    return persistent_kernel


def _tiling(batch: int, precision: torch.dtype, device: torch.device) -> Tiling:
    """Tiles of 16 lanes while they fit the GPU at once, then of 32; float32, which no tensor core multiplies, in 16."""
    if device.type != "cuda" or precision == torch.float32:
        return Tiling()
    units = torch.cuda.get_device_properties(device).multi_processor_count
    return Tiling(lanes=16 if batch <= 16 * units else 32)


def _launch(kernel: ModuleType, programs: int, tiling: Tiling, stages: int, arguments: list, constants: dict) -> int:
    """Runs the kernel with so many stages, or fewer where they do not fit; how many they were."""
    from triton import OutOfResources

    device = arguments[0].device
    context: AbstractContextManager = torch.cuda.device(device) if device.type == "cuda" else nullcontext()
    for few in range(stages, 0, -1):
        try:
            with context:
                kernel.sample[(programs,)](
                    *arguments, **constants, TILE=tiling.lanes, STAGES=few, num_warps=tiling.warps, num_stages=few
                )
            return few
        except OutOfResources as error:
            refused = error
    raise ConfigError(f"the network is too wide for the engine persistent on this GPU ({refused}); use --engine graph")


def _packed(cell: Cell, precision: torch.dtype) -> _Packed:
    layers, width = len(cell.dilations), cell.width
    (skip, skip_bias), (hidden, hidden_bias), (output, output_bias) = cell.output
    residual, skips, hiddens, classes = (_size(n) for n in (width, skip.shape[1], hidden.shape[1], output.shape[1]))

    def weights(x: Tensor, *shape: int) -> Tensor:
        return _padded(x, *shape).to(precision).contiguous()

    def biases(x: Tensor, *shape: int, value: float = 0.0) -> Tensor:
        return _padded(x, *shape, value=value).float().contiguous()

    # (layers, past and present, inputs, filter and gate, outputs), then filter and gate of each output side by side
    gated = _padded(cell.gated.view(layers, 2, width, 2, width), layers, 2, residual, 2, residual).transpose(3, 4)
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


def _held(cell: Cell, conditioning: Tensor, residual: int, tiling: Tiling, precision: torch.dtype) -> Tensor:
    """Conditioning `(batch, layers * 2 * width, latents)` with the bias of the gated convolutions, as the kernel reads
    it: `(programs, latents, layers, tiling.lanes, 2 * residual)`, filter and gate of each channel side by side."""
    batch, layers, width = len(conditioning), len(cell.dilations), cell.width
    split = conditioning.unflatten(1, (layers, 2, width)) + cell.gated_bias.view(layers, 2, width, 1)
    lanes = -(-batch // tiling.lanes) * tiling.lanes
    padded = _padded(split.to(precision), lanes, layers, 2, residual, split.shape[4])
    tiles = padded.unflatten(0, (-1, tiling.lanes))  # (programs, lanes, layers, 2, residual, latents)
    return tiles.permute(0, 5, 2, 1, 4, 3).flatten(4).contiguous()


def _tiled(rows: Tensor, tiling: Tiling) -> Tensor:
    """`(batch, steps)` → `(programs, steps, tiling.lanes)`, lanes that are missing filled up with zeros."""
    lanes = -(-len(rows) // tiling.lanes) * tiling.lanes
    return _padded(rows, lanes, rows.shape[1]).unflatten(0, (-1, tiling.lanes)).transpose(1, 2).contiguous()


def _untiled(tiles: Tensor, batch: int) -> Tensor:
    """`(programs, steps, lanes, ...)` → `(batch, steps, ...)`."""
    return tiles.transpose(1, 2).flatten(0, 1)[:batch]


def _size(channels: int) -> int:
    """The power of two that holds so many channels, 16 at least: the tensor cores take no fewer."""
    return max(16, 1 << (channels - 1).bit_length())


def _padded(x: Tensor, *shape: int, value: float = 0.0) -> Tensor:
    """x, filled up at the end of every axis to this shape."""
    missing = [(0, size - had) for size, had in zip(shape, x.shape, strict=True)]
    return F.pad(x, [n for pair in reversed(missing) for n in pair], value=value)
