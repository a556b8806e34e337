"""Sampling on a GPU by a CUDA graph: the loop of `cached` with nothing left for the host to do between its kernels.

A step is some 170 small kernels, which the host alone would launch more slowly than the GPU runs them, whatever the
number of lanes. The graph launches `STEPS` steps at once. What differs from step to step (the slots of the rings, the
latent, the uniforms) it finds in tables on the GPU, by a position that it advances itself.
"""

from collections.abc import Callable
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from vqspeech.errors import ConfigError
from vqspeech.generate.cached import draw
from vqspeech.generate.cell import Cell
from vqspeech.generate.conditioning import Projected

STEPS = 8
"""Steps of the network in one graph."""
CHUNK = 1024
"""Steps whose tables are filled at once, at most: after them progress is shown and Ctrl-C is heard."""
HELD = 2**29
"""Bytes of conditioning that are laid out at once, about; where it holds for fewer than `CHUNK` steps, those."""


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
    precision: torch.dtype = torch.float32,
) -> Tensor:
    """Classes int64 `(batch, time)`; the arguments are those of an `Engine`, and `precision`, in which everything but
    the drawing is computed. Raises `ConfigError` where there is no CUDA GPU."""
    if conditioning.device.type != "cuda":
        raise ConfigError(f"the engine graph needs a CUDA GPU, not '{conditioning.device}'; choose --engine auto")
    loop = Loop(cell, conditioning, uniforms, temperature, top_p, given, logits, precision)
    with torch.cuda.device(conditioning.device):
        return run(loop, captured(loop), progress)


def captured(loop: "Loop") -> Callable[[], None]:
    """A function that takes the loop through `STEPS` steps, by a graph that is captured here."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what libraries set up at their first call must not be captured
        for _ in range(2):
            loop.step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(STEPS):
            loop.step()
    loop.reset()
    return graph.replay


def run(loop: "Loop", advance: Callable[[], None], progress: bool) -> Tensor:
    """Classes int64 `(batch, time)` of the loop, which `advance` takes through `STEPS` steps at a call."""
    with tqdm(total=loop.steps, desc="sampling", unit="step", disable=None if progress else True, leave=False) as bar:
        for first in range(0, loop.steps, loop.chunk):
            count = min(loop.chunk, loop.steps - first)
            loop.fill(first, count)
            for _ in range(0, count, STEPS):
                advance()
            loop.collect(first, count)
            if loop.found.is_cuda:
                torch.cuda.synchronize()
            bar.update(count)
    return loop.found


class Loop:
    """The state of the loop in tensors that stay where they are, and a step that reads and writes only them.

    A residual bias is the same at every step: what the layers above it make of it in the present is added to their
    biases once, and the rings receive all biases in one addition. The past of all layers is one batched product.
    """

    def __init__(
        self,
        cell: Cell,
        conditioning: Tensor | Projected,
        uniforms: Tensor,
        temperature: float,
        top_p: float,
        given: Tensor,
        logits: Tensor | None,
        precision: torch.dtype,
    ):
        self.temperature, self.top_p, self.start = temperature, top_p, cell.start
        self.conditioning, self.given_uniforms, self.given, self.given_logits = conditioning, uniforms, given, logits
        (batch, self.steps), device = uniforms.shape, conditioning.device
        self.hold = self.steps // conditioning.shape[2]
        layers, width = len(cell.dilations), cell.width
        self.embedding = cell.embedding.to(precision)
        self.past, self.now = (half.to(precision).contiguous() for half in cell.gated.split(width, 1))
        self.residual = [matrix.to(precision) for matrix, _ in cell.residual]
        self.output = [(matrix.to(precision), bias.to(precision)) for matrix, bias in cell.output]
        biases = torch.stack([torch.zeros_like(cell.embedding[0]), *(bias for _, bias in cell.residual)]).cumsum(0)
        self.biases = biases[:, None].to(precision)  # (layers, 1, width), what lies on the residual path by then
        self.gated_bias = cell.gated_bias + torch.bmm(biases[:, None], cell.gated[:, width:])[:, 0]

        bytes_a_latent = batch * cell.conditions * precision.itemsize
        self.chunk = STEPS * min(CHUNK // STEPS, max(1, HELD // bytes_a_latent * self.hold // STEPS))
        ints = {"dtype": torch.long, "device": device}
        self.dilations = torch.tensor(cell.dilations, **ints)
        self.starts = torch.tensor([0, *accumulate(cell.dilations)][:-1], **ints)
        self.rings = torch.zeros(sum(cell.dilations), batch, width, dtype=precision, device=device)
        self.present = torch.zeros(layers, batch, width, dtype=precision, device=device)
        self.drawn = torch.full((batch,), cell.start, **ints)
        self.position = torch.zeros(1, **ints)
        # Tables of a chunk, a row a step; `held` has a row a latent.
        self.slots = torch.zeros(self.chunk, layers, **ints)
        self.latents = torch.zeros(self.chunk, **ints)
        self.uniforms = torch.zeros(self.chunk, batch, device=device)
        self.forced = torch.full((self.chunk, batch), -1, **ints)
        self.classes = torch.zeros(self.chunk, batch, **ints)
        rows = 0 if logits is None else self.chunk
        self.logits = torch.zeros(rows, batch, cell.classes, device=device)
        latents = min(conditioning.shape[2], self.chunk // self.hold + 2)
        self.held = torch.zeros(latents, layers, batch, 2 * width, dtype=precision, device=device)
        self.found = torch.empty(batch, self.steps, **ints)

    def reset(self) -> None:
        """The state before the first step."""
        self.rings.zero_()
        self.drawn.fill_(self.start)
        self.position.zero_()

    def fill(self, first: int, count: int) -> None:
        """Fills the tables for steps `first` to `first + count`; rows beyond are for steps that nobody asks for."""
        steps = torch.arange(first, first + self.chunk, device=self.position.device)
        self.slots.copy_(self.starts + steps[:, None] % self.dilations)
        lowest, highest = first // self.hold, (first + count - 1) // self.hold
        self.latents.copy_((steps // self.hold).clamp_(max=highest) - lowest)
        split = self.conditioning[:, :, lowest : highest + 1].unflatten(1, (len(self.dilations), -1))
        self.held[: highest + 1 - lowest].copy_(split.permute(3, 1, 0, 2) + self.gated_bias[:, None])
        self.uniforms[:count] = self.given_uniforms[:, first : first + count].T
        given = self.given[:, first : first + count].T
        self.forced.fill_(-1)[: len(given)] = given
        self.position.zero_()

    def collect(self, first: int, count: int) -> None:
        """Takes over what the steps of a chunk have drawn."""
        self.found[:, first : first + count] = self.classes[:count].T
        if self.given_logits is not None:
            self.given_logits[:, first : first + count] = self.logits[:count].transpose(0, 1)

    def step(self) -> None:
        """One step of all lanes. No number in it comes from the host."""
        row = self.position
        slots = self.slots.index_select(0, row)[0]
        conditions = self.held.index_select(0, self.latents.index_select(0, row))[0]
        gated = conditions.baddbmm_(self.rings.index_select(0, slots), self.past)  # (layers, batch, 2 * width)
        torch.index_select(self.embedding, 0, self.drawn, out=self.present[0])
        activations = []
        for layer, (z, x) in enumerate(zip(gated, self.present, strict=True)):
            filters, _ = z.addmm_(x, self.now[layer]).chunk(2, 1)
            filters.tanh_()
            h = F.glu(z, 1)
            activations.append(h)
            if layer < len(self.residual):
                torch.addmm(x, h, self.residual[layer], out=self.present[layer + 1])
        self.rings.index_copy_(0, slots, self.present + self.biases)
        x = torch.cat(activations, 1)
        for i, (weight, bias) in enumerate(self.output):
            x = torch.addmm(bias, x.relu_() if i else x, weight)
        found = x.float()
        drawn = draw(found, self.uniforms.index_select(0, row)[0], self.temperature, self.top_p)
        forced = self.forced.index_select(0, row)[0]
        self.drawn.copy_(torch.where(forced < 0, drawn, forced))
        self.classes.index_copy_(0, row, self.drawn[None])
        if len(self.logits):
            self.logits.index_copy_(0, row, found[None])
        self.position.add_(1)
