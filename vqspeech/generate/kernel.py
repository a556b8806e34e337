"""Sampling by a kernel that is compiled for the processor: packed weights, ring buffers, one core per group."""

import atexit
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from vqspeech.errors import ConfigError
from vqspeech.extras import import_extra, recompile_damaged
from vqspeech.files import temporary_folder
from vqspeech.generate.cell import Cell
from vqspeech.generate.conditioning import ProjectedConditioning
from vqspeech.progress import Work, report

CHUNK = 0.2
"""Seconds between reports of progress, about, after which Ctrl-C takes effect; conditioning is laid out for as
long."""


class PackedWeights:
    """The weights of a cell in the order in which the kernel reads them, all padded to its blocks.

    Args:
        cell: Weights of a step.
        block: Outputs per block.
    """

    def __init__(self, cell: Cell, block: int):
        self.width, self.layers = _round_up(cell.width, block), len(cell.dilations)
        width, residual = self.width, cell.width
        weights, biases = [], []
        for layer in range(self.layers):
            gated = torch.zeros(2, width, 2, width)  # past and present, their channels, filters and gates, theirs
            gated[:, :residual, :, :residual] = cell.gated[layer].cpu().view(2, residual, 2, residual)
            bias = torch.zeros(2, width)
            bias[:, :residual] = cell.gated_bias[layer].cpu().view(2, residual)
            weights.append(_split_blocks(gated.view(2 * width, 2 * width), block))
            biases.append(bias.flatten())
            if layer < self.layers - 1:
                weight, bias = cell.residual[layer]
                weights.append(_split_blocks(_pad(weight, width, width), block))
                biases.append(_pad(bias[None], 1, width)[0])
        inputs = [self.layers * width]
        (skip, skip_bias), *rest = cell.output
        whole = torch.zeros(self.layers, width, skip.shape[1])  # the activations of every layer are padded
        whole[:, :residual] = skip.cpu().view(self.layers, residual, -1)
        for weight, bias in [(whole.flatten(0, 1), skip_bias), *rest]:
            outputs = _round_up(weight.shape[1], block)
            weights.append(_split_blocks(_pad(weight, inputs[-1], outputs), block))
            biases.append(_pad(bias[None], 1, outputs)[0])
            inputs.append(outputs)
        self.outputs = inputs[1:]
        self.weights, self.biases = (torch.cat([one.flatten() for one in many]).numpy() for many in (weights, biases))
        self.embedding = _pad(cell.embedding, len(cell.embedding), width).numpy()
        self.dilations = np.array(cell.dilations)
        self.classes, self.start = cell.classes, cell.start

    def make_buffers(self, streams: int) -> tuple[np.ndarray, ...]:
        """Return empty buffers for `streams` streams, as `compiled.run_steps` takes them."""
        wide = streams * self.width
        sizes = [int(self.dilations.sum()) * wide, self.layers * 2 * wide, 2 * wide, 2 * wide, self.layers * wide]
        sizes += [streams * outputs for outputs in self.outputs] + [self.outputs[-1]]
        rings, *rooms = (torch.zeros(size).numpy() for size in sizes)  # torch aligns them
        return rings, np.full(streams, self.start), *rooms


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
) -> Tensor:
    """Sample classes, int64 `(batch, time)`, on as many cores as torch may use; the arguments are those of an `Engine`.

    Raises:
        ConfigError: The tensors are not on the CPU.
    """
    if conditioning.device.type != "cpu":
        raise ConfigError(f"the engine kernel runs on the CPU, not on '{conditioning.device}'; choose auto")
    compiled = _import_compiled()
    packed = PackedWeights(cell, compiled.BLOCK)
    batch, steps = uniforms.shape
    hold = steps // conditioning.shape[2]
    classes = torch.empty(batch, steps, dtype=torch.long)
    found = torch.empty(batch, 0, cell.classes) if logits is None else logits
    arrays = [tensor.contiguous().numpy() for tensor in (uniforms.float(), given, classes, found)]
    groups = [
        slice(part[0], part[-1] + 1) for part in np.array_split(range(batch), torch.get_num_threads()) if len(part)
    ]
    states = [packed.make_buffers(group.stop - group.start) for group in groups]
    settings, sizes = (float(temperature), float(top_p)), (hold, *packed.outputs, packed.classes)

    def run_group(group: slice, state: tuple[np.ndarray, ...], conditions: np.ndarray, now: int, until: int) -> None:
        compiled.run_steps(
            packed.weights,
            packed.biases,
            packed.embedding,
            packed.dilations,
            sizes,
            conditions[group],
            *(array[group] for array in arrays),
            state,
            now,
            until,
            settings,
        )

    now, size = 0, 16
    with ThreadPoolExecutor(len(groups)) as pool, Work("sampling", steps, "step", shown=progress) as work:
        while now < steps:
            until, started = min(now + size, steps), time.perf_counter()
            part = conditioning[:, :, now // hold : -(-until // hold)]
            part = part.reshape(batch, packed.layers, 2, cell.width, -1).contiguous().numpy()
            list(pool.map(run_group, groups, states, repeat(part), repeat(now), repeat(until)))
            work.update(until - now)
            now = until
            size = max(16, min(4 * size, int(size * CHUNK / (time.perf_counter() - started))))
    return classes


def _round_up(size: int, block: int) -> int:
    return -(-size // block) * block


def _pad(matrix: Tensor, rows: int, columns: int) -> Tensor:
    whole = torch.zeros(rows, columns)
    whole[: matrix.shape[0], : matrix.shape[1]] = matrix.cpu()
    return whole


def _split_blocks(matrix: Tensor, block: int) -> Tensor:
    """Return a matrix `(inputs, outputs)` as `(outputs / block, inputs, block)`."""
    return matrix.view(matrix.shape[0], -1, block).transpose(0, 1)


def _import_compiled() -> ModuleType:
    """Import the compiled half.

    Machine code is cached in $NUMBA_CACHE_DIR, else beside the source, else in the user's cache; where none of them can
    be written, every process compiles it anew.
    """
    config = import_extra("numba", "train").config
    try:
        compiled = import_extra("vqspeech.generate.compiled", "train")
    except RuntimeError:  # numba finds no folder for its cache
        folder = ExitStack()
        atexit.register(folder.close)
        place = folder.enter_context(temporary_folder(Path(tempfile.gettempdir()) / "vqspeech-kernel"))
        config.CACHE_DIR = str(place)
        compiled = import_extra("vqspeech.generate.compiled", "train")
    recompile_damaged(compiled.run_steps)
    source = Path(str(compiled.__file__))
    kept = list(Path(str(compiled.run_steps.stats.cache_path)).glob(f"{source.stem}.run_steps-*.nbi"))
    if not compiled.run_steps.signatures and all(index.stat().st_mtime < source.stat().st_mtime for index in kept):
        report("compiling the sampling kernel, once: about 6 s")
    return compiled
