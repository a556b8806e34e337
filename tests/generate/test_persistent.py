"""The Triton kernel, on a GPU where there is one, else in Triton's interpreter."""

from typing import Any

import numpy as np
import pytest
import torch

from vqspeech.errors import ConfigError
from vqspeech.generate import ProjectedConditioning, cached, compute_logits, generate, persistent
from vqspeech.generate.cell import Cell
from vqspeech.models.wavenet import CausalStack

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
EXACT, BF16 = torch.float32, torch.bfloat16
BOUND = 0.05
"""Largest root mean square error of the logits in bfloat16, in their standard deviations."""

with pytest.MonkeyPatch.context() as _patch:
    if DEVICE == "cpu":  # Triton looks at it as it is imported
        _patch.setenv("TRITON_INTERPRET", "1")
    pytest.importorskip("triton", reason="no Triton: it has no release for this platform")
    from vqspeech.generate import persistent_kernel


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    """The interpreter, which multiplies bfloat16 as if it were integers; here its operands are widened first. On a GPU
    the parallel pass must not round to TF32."""
    if DEVICE == "cuda":
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
        return
    from triton import language
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

    def widened(operand):
        if operand.dtype.scalar != language.bfloat16:
            return operand
        return TensorHandle((operand.data.astype(np.uint32) << 16).view(np.float32), language.float32)

    plain = InterpreterBuilder.create_dot

    def dot(self, a, b, *rest):
        return plain(self, widened(a), widened(b), *rest)

    monkeypatch.setattr(InterpreterBuilder, "create_dot", dot)
    monkeypatch.setenv("TRITON_INTERPRET", "1")


def network(layers=4, cycle=3, residual=6, skip=7, classes=256, inputs=None, seed=0) -> CausalStack:
    """Return a small network that depends on its past: with small weights samples would be almost independent."""
    torch.manual_seed(seed)
    inputs = inputs or classes
    net = CausalStack(inputs, classes, inputs - 1, 16_000, layers, cycle, residual, skip).eval().to(DEVICE)
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(3)
    return net


def given_to(cell: Cell, batch: int, latents: int, hold: int, seed=0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    conditioning = torch.randn(batch, cell.conditioning_channels, latents, generator=generator)
    return conditioning.to(DEVICE), torch.rand(batch, latents * hold, generator=generator).to(DEVICE)


def drawn(cell, conditioning, uniforms, temperature=1.0, top_p=1.0, given=None, out=None, precision=EXACT, tiling=None):
    if given is None:
        given = torch.empty(len(uniforms), 0, dtype=torch.long, device=DEVICE)
    return persistent.sample_classes(
        cell,
        conditioning,
        uniforms,
        temperature=temperature,
        top_p=top_p,
        given=given,
        logits=out,
        progress=False,
        precision=precision,
        tiling=tiling,
    )


def forced_logits(cell, conditioning, classes, **options):
    out = torch.full((*classes.shape, cell.classes), float("nan"), device=DEVICE)
    uniforms = torch.zeros(classes.shape, device=DEVICE)
    assert torch.equal(drawn(cell, conditioning, uniforms, given=classes, out=out, **options), classes)
    return out


def shifted(net, classes):
    return torch.cat([torch.full_like(classes[:, :1], net.start), classes[:, :-1]], 1)


SHAPES = [
    # layers, cycle, residual, skip, classes, batch, latents, hold, streams
    (1, 1, 1, 1, 2, 1, 3, 1, 16),
    (4, 3, 6, 7, 256, 3, 4, 3, 16),
    (3, 2, 16, 80, 40, 17, 2, 2, 16),
    (5, 4, 20, 16, 17, 2, 1, 20, 16),
    (2, 2, 5, 70, 16, 33, 5, 1, 32),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("conditioned", [True, False])
def test_logits_are_those_of_the_parallel_forward_pass(shape, conditioned):
    *sizes, batch, latents, hold, streams = shape
    net = network(*sizes)
    conditioning, uniforms = given_to(net.cell(), batch, latents, hold)
    conditioning = conditioning * conditioned
    classes = (uniforms * net.logits.out_channels).long()
    found = forced_logits(net.cell(), conditioning, classes, tiling=persistent.Tiling(streams))
    with torch.no_grad():
        wanted = net.predict(shifted(net, classes), conditioning)
    assert wanted.std() > 0.1
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_samples_are_those_of_the_loop(shape):
    *sizes, batch, latents, hold, streams = shape
    cell = network(*sizes).cell()
    conditioning, uniforms = given_to(cell, batch, latents, hold)
    wanted = generate(cell, conditioning, uniforms, engine="cached", progress=False)
    assert torch.equal(drawn(cell, conditioning, uniforms, tiling=persistent.Tiling(streams)), wanted)


@pytest.mark.parametrize(("temperature", "top_p"), [(0.7, 1.0), (1.4, 0.6), (0.0, 1.0), (0.0, 0.5)])
def test_temperature_and_nucleus(temperature, top_p):
    cell = network().cell()
    conditioning, uniforms = given_to(cell, 3, 4, 4)
    options = {"temperature": temperature, "top_p": top_p}
    wanted = generate(cell, conditioning, uniforms, engine="cached", progress=False, **options)
    assert torch.equal(drawn(cell, conditioning, uniforms, **options), wanted)
    assert temperature == 0 or not torch.equal(drawn(cell, conditioning, uniforms), wanted)


@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.5, 0.25, 1e-6])
@pytest.mark.parametrize("classes", [8, 21])
def test_drawing_at_the_edges(top_p, classes):
    """Equal, impossible and certain classes; uniforms at both ends and on the steps of the distribution."""
    net = network(layers=1, residual=2, skip=3, classes=classes)
    rows = torch.randint(0, 4, (3, classes), generator=torch.Generator().manual_seed(3)).float().log()
    rows = torch.cat([rows, torch.zeros(1, classes), torch.full((1, classes), -1e4)])
    rows[-1, 3] = 0
    for row in rows:
        with torch.no_grad():
            net.logits.weight.zero_()
            net.logits.get_parameter("bias").copy_(row)
        cell = net.cell()
        steps = row.double().softmax(0).cumsum(0)
        uniforms = torch.cat([torch.tensor([0.0, 1 - 2**-24]), (steps - 1e-3).float(), (steps + 1e-3).float()])
        uniforms = uniforms.clamp(0, 1 - 2**-24)[:, None].to(DEVICE)
        found = drawn(
            cell, torch.zeros(len(uniforms), cell.conditioning_channels, 1, device=DEVICE), uniforms, 1.0, top_p
        )
        wanted = cached.draw_classes(row.expand(len(uniforms), -1).to(DEVICE), uniforms[:, 0], 1.0, top_p)
        assert found[:, 0].tolist() == wanted.tolist()


def test_bfloat16_stays_within_its_bound():
    net = network(layers=8, cycle=4, residual=32, skip=64)
    conditioning, uniforms = given_to(net.cell(), 4, 5, 4)
    classes = (uniforms * 256).long()
    found = forced_logits(net.cell(), conditioning, classes, precision=BF16)
    with torch.no_grad():
        wanted = net.predict(shifted(net, classes), conditioning)
    error = (found - wanted).square().mean().sqrt() / wanted.std()
    assert 1e-4 < error < BOUND


def test_the_interface_finds_the_engine():
    net = network()
    conditioning, uniforms = given_to(net.cell(), 2, 3, 2)
    found = generate(net.cell(), conditioning, uniforms, engine="persistent", progress=False)
    assert torch.equal(found, drawn(net.cell(), conditioning, uniforms, precision=BF16))
    own, of_loop = (compute_logits(net.cell(), conditioning, found, engine=name) for name in ("persistent", "cached"))
    assert (own - of_loop).square().mean().sqrt() < BOUND * of_loop.std()


def test_streams_do_not_leak_into_each_other():
    cell = network().cell()
    conditioning, uniforms = given_to(cell, 18, 3, 3)
    together = drawn(cell, conditioning, uniforms)
    for row in (0, 15, 16, 17):
        alone = drawn(cell, conditioning[row : row + 1], uniforms[row : row + 1])
        assert torch.equal(together[row], alone[0])


def test_every_program_has_room_of_its_own(monkeypatch):
    """The interpreter runs one program after the other, so it does not show whether they overwrite each other."""
    cell = network().cell()
    conditioning, uniforms = given_to(cell, 33, 1, 6)
    seen = []
    launch = persistent._launch
    monkeypatch.setattr(persistent, "_launch", lambda *a: seen.append(a[4]) or launch(*a))
    drawn(cell, conditioning, uniforms)
    names = persistent_kernel.sample.arg_names
    for name in ("last", "rings", "skipped_rows", "hidden_rows"):
        parts = seen[0][names.index(name)].view(3, -1)
        assert parts.any(1).all() and len(parts.unique(dim=0)) == 3


def test_buffers_are_clean_at_the_next_call():
    cell = network().cell()
    conditioning, uniforms = given_to(cell, 2, 4, 3)
    first = drawn(cell, conditioning, uniforms)
    drawn(cell, conditioning + 1, uniforms.flip(1))
    assert torch.equal(drawn(cell, conditioning, uniforms), first)


@pytest.mark.parametrize("chunk", [1, 5, 7])
def test_many_launches_are_one(chunk, monkeypatch):
    cell = network(cycle=4).cell()
    conditioning, uniforms = given_to(cell, 2, 7, 3)
    given = (uniforms[:, :11] * 256).long()
    outs = [torch.zeros(2, 21, 256, device=DEVICE) for _ in range(2)]
    once = drawn(cell, conditioning, uniforms, given=given, out=outs[0])
    monkeypatch.setattr(persistent, "CHUNK", chunk)
    assert torch.equal(drawn(cell, conditioning, uniforms, given=given, out=outs[1]), once)
    assert torch.equal(*outs) and torch.equal(once[:, :11], given)


def test_a_launch_covers_what_fits(monkeypatch):
    cell = network().cell()
    conditioning, uniforms = given_to(cell, 1, 5, 3)
    once = drawn(cell, conditioning, uniforms)
    counts = []
    launch = persistent._launch
    monkeypatch.setattr(persistent, "_launch", lambda *a: counts.append(a[4][-5]) or launch(*a))
    monkeypatch.setattr(persistent, "HELD", 2 * 16 * 4 * 2 * 16 * 4)  # two latents of 16 streams
    assert torch.equal(drawn(cell, conditioning, uniforms), once)
    assert counts == [6, 6, 3]


def test_an_expanded_conditioning_will_do():
    cell = network().cell()
    conditioning, uniforms = given_to(cell, 1, 3, 2)
    found = drawn(cell, conditioning.expand(3, -1, -1), uniforms.expand(3, -1))
    assert torch.equal(found, drawn(cell, conditioning, uniforms).expand(3, -1))


def test_the_conditioning_may_be_computed_where_it_is_read():
    cell = network().cell()
    features, uniforms = torch.randn(2, 3, 9, device=DEVICE), given_to(cell, 2, 9, 2)[1]
    weight, bias = (torch.randn(cell.conditioning_channels, *rest, device=DEVICE) for rest in ((3,), ()))
    projected = ProjectedConditioning(features, weight, bias)
    assert torch.equal(drawn(cell, projected, uniforms), drawn(cell, projected[:, :, :9], uniforms))


def test_fewer_stages_where_shared_memory_is_small(monkeypatch):
    from triton import OutOfResources

    cell = network().cell()
    conditioning, uniforms = given_to(cell, 1, 2, 2)
    wanted, tried = drawn(cell, conditioning, uniforms), []
    plain: Any = persistent_kernel.sample

    class Small:
        def __init__(self, stages):
            self.stages = stages

        def __getitem__(self, grid):
            def launched(*arguments, num_stages, **constants):
                tried.append(num_stages)
                if num_stages > self.stages:
                    raise OutOfResources(2**18, 2**16, "shared memory")
                plain[grid](*arguments, num_stages=num_stages, **constants)

            return launched

    monkeypatch.setattr(persistent, "CHUNK", 3)
    monkeypatch.setattr(persistent_kernel, "sample", Small(2))
    assert torch.equal(drawn(cell, conditioning, uniforms), wanted)
    assert tried == [3, 2, 2]  # the second launch asks for no more than the first had
    monkeypatch.setattr(persistent_kernel, "sample", Small(0))
    with pytest.raises(ConfigError, match="too wide .* --engine cached"):
        drawn(cell, conditioning, uniforms)


@pytest.mark.skipif(DEVICE == "cuda", reason="it runs here")
def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET")
    cell = network().cell()
    conditioning, uniforms = given_to(cell, 1, 2, 2)
    with pytest.raises(ConfigError, match="needs a CUDA GPU, not 'cpu'"):
        drawn(cell, conditioning, uniforms)
