"""The loop of the CUDA graph; where there is no GPU, its steps one by one, which are what a graph is captured from."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vqspeech.errors import ConfigError
from vqspeech.generate import Projected, generate, graph, logits
from vqspeech.models.wavenet import CausalStack

CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"
BOUND = 0.05
"""Of the logits in bfloat16: the largest root mean square error, in their deviations."""


def network(layers=5, cycle=3, residual=6, skip=7, classes=256, seed=0) -> CausalStack:
    """A small network that hangs on its past: with small weights every sample would be all but independent."""
    torch.manual_seed(seed)
    net = CausalStack(classes, classes, classes // 2, 16_000, layers, cycle, residual, skip).eval().to(DEVICE)
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(3)
    return net


def given_to(cell, batch, latents, hold, seed=0):
    generator = torch.Generator().manual_seed(seed)
    conditioning = torch.randn(batch, cell.conditions, latents, generator=generator)
    return conditioning.to(DEVICE), torch.rand(batch, latents * hold, generator=generator).to(DEVICE)


def eager(loop: graph.Loop):
    def advance():
        for _ in range(graph.STEPS):
            loop.step()

    return advance


@torch.inference_mode()
def drawn(cell, conditioning, uniforms, temperature=1.0, top_p=1.0, given=None, out=None, precision=torch.float32):
    if given is None:
        given = torch.empty(len(uniforms), 0, dtype=torch.long, device=DEVICE)
    loop = graph.Loop(cell, conditioning, uniforms, temperature, top_p, given, out, precision)
    return graph.run(loop, graph.captured(loop) if CUDA else eager(loop), progress=False)


SHAPES = [
    # layers, cycle, residual, skip, classes, batch, latents, hold
    (1, 1, 1, 1, 2, 1, 3, 1),
    (5, 3, 6, 7, 256, 3, 7, 3),
    (4, 4, 16, 40, 17, 18, 1, 33),
    (2, 1, 5, 9, 8, 2, 5, 8),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_samples_and_logits_are_those_of_the_loop(shape):
    *sizes, batch, latents, hold = shape
    cell = network(*sizes).cell()
    conditioning, uniforms = given_to(cell, batch, latents, hold)
    out = torch.full((*uniforms.shape, cell.classes), float("nan"), device=DEVICE)
    found = drawn(cell, conditioning, uniforms, out=out)
    assert torch.equal(found, generate(cell, conditioning, uniforms, engine="cached", progress=False))
    torch.testing.assert_close(out, logits(cell, conditioning, found, engine="cached"), atol=1e-4, rtol=0)


def test_logits_are_those_of_the_parallel_forward_pass(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    net = network()
    conditioning, uniforms = given_to(net.cell(), 3, 6, 4)
    classes = (uniforms * 256).long()
    with torch.no_grad():
        before = torch.cat([torch.full_like(classes[:, :1], net.start), classes[:, :-1]], 1)
        wanted = net.predicted(before, conditioning)
    for precision, largest in ((torch.float32, 1e-4), (torch.bfloat16, 5 * BOUND)):
        found = torch.full_like(wanted, float("nan"))
        drawn(net.cell(), conditioning, uniforms, given=classes, out=found, precision=precision)
        assert (found - wanted).abs().max() < largest * wanted.std()
        assert (found - wanted).square().mean().sqrt() < BOUND * wanted.std()


@pytest.mark.parametrize(("temperature", "top_p"), [(0.7, 1.0), (1.4, 0.6), (0.0, 1.0)])
def test_temperature_and_nucleus(temperature, top_p):
    cell = network().cell()
    conditioning, uniforms = given_to(cell, 3, 4, 4)
    wanted = generate(
        cell, conditioning, uniforms, temperature=temperature, top_p=top_p, engine="cached", progress=False
    )
    assert torch.equal(drawn(cell, conditioning, uniforms, temperature, top_p), wanted)


@pytest.mark.parametrize(("chunk", "held"), [(8, 2**29), (16, 2**29), (1024, 1)])
@pytest.mark.parametrize("hold", [3, 11])
def test_chunks_change_nothing(chunk, held, hold, monkeypatch):
    cell = network(cycle=5).cell()
    conditioning, uniforms = given_to(cell, 2, 5, hold)
    given = (uniforms[:, :9] * 256).long()
    outs = [torch.zeros(*uniforms.shape, 256, device=DEVICE) for _ in range(2)]
    once = drawn(cell, conditioning, uniforms, given=given, out=outs[0])
    monkeypatch.setattr(graph, "CHUNK", chunk)
    monkeypatch.setattr(graph, "HELD", held)
    assert torch.equal(drawn(cell, conditioning, uniforms, given=given, out=outs[1]), once)
    assert torch.equal(*outs) and torch.equal(once[:, :9], given)


def test_lanes_do_not_leak_and_buffers_are_clean():
    cell = network().cell()
    conditioning, uniforms = given_to(cell, 4, 3, 3)
    together = drawn(cell, conditioning, uniforms)
    for row in range(4):
        assert torch.equal(drawn(cell, conditioning[row : row + 1], uniforms[row : row + 1])[0], together[row])


def test_the_conditioning_may_be_computed_where_it_is_read():
    cell = network().cell()
    features, uniforms = torch.randn(2, 3, 9, device=DEVICE), given_to(cell, 2, 9, 2)[1]
    weight, bias = (torch.randn(cell.conditions, *rest, device=DEVICE) for rest in ((3,), ()))
    projected = Projected(features, weight, bias)
    assert torch.equal(drawn(cell, projected, uniforms), drawn(cell, projected[:, :, :9], uniforms))


def test_reset_forgets_all_steps():
    cell = network().cell()
    conditioning, uniforms = given_to(cell, 2, 4, 3)
    wanted = drawn(cell, conditioning, uniforms)
    with torch.inference_mode():
        loop = graph.Loop(cell, conditioning, uniforms, 1.0, 1.0, wanted[:, :0], None, torch.float32)
        loop.fill(0, 8)
        eager(loop)()
        loop.reset()
        assert torch.equal(graph.run(loop, eager(loop), progress=False), wanted)


class OnTheDevice(TorchDispatchMode):
    """Fails where the host would have to wait for a number, or for a shape that depends on one."""

    WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "_to_copy", "unique")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in self.WAITING and not (name == "_to_copy" and "dtype" in (kwargs or {})):
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("top_p", [1.0, 0.8])
def test_a_step_can_be_captured(top_p):
    """No number leaves the device, and all that one step leaves to the next stays where it is."""
    cell = network().cell()
    conditioning, uniforms = given_to(cell, 2, 4, 3)
    given = torch.empty(2, 0, dtype=torch.long, device=DEVICE)
    out = torch.zeros(2, 12, 256, device=DEVICE)
    loop = graph.Loop(cell, conditioning, uniforms, 0.9, top_p, given, out, torch.float32)
    loop.fill(0, 8)

    def places():
        return {name: value.data_ptr() for name, value in vars(loop).items() if isinstance(value, torch.Tensor)}

    before = places()
    with OnTheDevice():
        loop.step()
    assert places() == before
    assert loop.position.item() == 1


@pytest.mark.skipif(CUDA, reason="it runs here")
def test_without_a_gpu_it_says_so():
    cell = network().cell()
    conditioning, uniforms = given_to(cell, 1, 2, 2)
    with pytest.raises(ConfigError, match="needs a CUDA GPU, not 'cpu'"):
        generate(cell, conditioning, uniforms, engine="graph", progress=False)


@pytest.mark.skipif(not CUDA, reason="needs a CUDA GPU")
def test_the_interface_finds_the_engine():
    cell = network().cell()
    conditioning, uniforms = given_to(cell, 2, 30, 5)
    wanted = generate(cell, conditioning, uniforms, engine="cached", progress=False)
    assert torch.equal(generate(cell, conditioning, uniforms, engine="graph", progress=False), wanted)
