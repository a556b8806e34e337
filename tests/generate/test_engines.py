"""Every engine that runs on a CPU, compared with the network and with the reference loop."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import vqspeech
from tests import reference
from vqspeech import audio, deprecation
from vqspeech.errors import ConfigError
from vqspeech.generate import (
    ENGINES,
    ProjectedConditioning,
    choose_engine,
    choose_piece_length,
    compute_logits,
    conditioning,
    engines,
    generate,
    kernel,
)
from vqspeech.models.decoders import Streams, WaveNet

HERE = ["cached", "kernel"]
"""Engines that are tested here; test_persistent.py tests the other one."""
every_engine = pytest.mark.parametrize("engine", HERE)


def network(latents=5, hop=8, layers=5, cycle=3, residual=6, skip=7, condition=4, seed=0):
    """Return a small network that depends on its past: with small weights samples would be almost independent."""
    torch.manual_seed(seed)
    net = WaveNet(latents, hop, 3, layers, cycle, residual, skip, condition).eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(3)
    return net


def inputs(net, batch, codes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(batch, net.smooth.in_channels, codes, generator=generator)
    with torch.no_grad():
        told = net.conditioning(latents, torch.arange(batch) % 3)
    return told, torch.rand(batch, codes * net.hop, generator=generator)


def oracle(net, told):
    state = {name: tensor.double().numpy() for name, tensor in net.state_dict().items()}
    split = told.double().numpy().reshape(len(net.layers), -1, told.shape[-1])
    return state, [layer.dilation for layer in net.layers], split


def nucleus(row, top_p):
    """The logits of a row, those outside the nucleus minus infinity; class by class, the likeliest first."""
    odds = np.exp(row - row.max())
    odds, kept, reached = odds / odds.sum(), np.full(len(row), -np.inf), 0.0
    for k in sorted(range(len(row)), key=lambda k: (-odds[k], k)):
        if reached < top_p:
            kept[k] = row[k]
        reached += odds[k]
    return kept


@every_engine
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_samples_are_those_of_the_reference_loop(engine, temperature):
    net = network()
    told, uniforms = inputs(net, 2, 6)
    found = generate(net.cell(), told, uniforms, temperature=temperature, engine=engine, progress=False)
    for row in range(2):
        state, dilations, split = oracle(net, told[row])
        slow = reference.wavenet_samples(state, dilations, split, net.hop, uniforms[row].numpy(), temperature)
        assert found[row].tolist() == slow.tolist()


@every_engine
@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 11), st.integers(1, 5), st.integers(1, 6), st.integers(1, 5), st.integers(1, 9),
    st.sampled_from([1, 6, 33]), st.sampled_from([1, 7, 40]), st.integers(0, 99),
)  # fmt: skip
def test_logits_are_those_of_the_parallel_forward(engine, batch, codes, layers, cycle, hop, residual, skip, seed):
    net = network(hop=hop, layers=layers, cycle=cycle, residual=residual, skip=skip, seed=seed)
    told, uniforms = inputs(net, batch, codes, seed)
    found = generate(net.cell(), told, uniforms, engine=engine, progress=False)
    with torch.no_grad():
        parallel = net(found.to(torch.uint8), told).transpose(1, 2)
    torch.testing.assert_close(compute_logits(net.cell(), told, found, engine), parallel, atol=1e-4, rtol=0)
    state, dilations, split = oracle(net, told[0])
    slow = reference.wavenet_logits(state, dilations, found[0].numpy(), split, hop)
    np.testing.assert_allclose(parallel[0].numpy(), slow, atol=1e-4)
    again = [reference.drawn(one, float(u), 1.0) for one, u in zip(slow, uniforms[0], strict=True)]
    assert again == found[0].tolist()


@every_engine
def test_the_networks_of_the_configurations(engine):
    net = network(hop=64, layers=30, cycle=10, residual=64, skip=256, condition=16)
    with torch.no_grad():
        for weight in net.parameters():
            weight.div_(3)
        net.logits.weight.mul_(20)
    told, uniforms = inputs(net, 3, 1)
    found = generate(net.cell(), told, uniforms, engine=engine, progress=False)
    with torch.no_grad():
        parallel = net(found.to(torch.uint8), told).transpose(1, 2)
    torch.testing.assert_close(compute_logits(net.cell(), told, found, engine), parallel, atol=1e-4, rtol=0)
    assert torch.equal(found, generate(net.cell(), told, uniforms, engine="cached", progress=False))


@every_engine
@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 0.6), (0.6, 0.9), (1.0, 1e-6), (2.0, 0.999)])
def test_the_nucleus_is_kept(engine, temperature, top_p):
    net = network()
    told, uniforms = inputs(net, 2, 8)
    found = generate(net.cell(), told, uniforms, temperature=temperature, top_p=top_p, engine=engine, progress=False)
    with torch.no_grad():
        parallel = net(found.to(torch.uint8), told).transpose(1, 2).double().numpy()
    for row in range(2):
        kept = [nucleus(one / temperature, top_p) for one in parallel[row]]
        slow = [reference.drawn(one, float(u), 1.0) for one, u in zip(kept, uniforms[row], strict=True)]
        assert found[row].tolist() == slow
    if top_p < 1e-3:
        assert torch.equal(found, generate(net.cell(), told, uniforms, temperature=0.0, engine=engine, progress=False))


@every_engine
def test_no_uniform_leaves_the_nucleus(engine):
    net = network()
    told, uniforms = inputs(net, 1, 8)
    for uniform in (0.0, 1.0):  # a uniform times the sum may be rounded up to the sum
        found = generate(net.cell(), told, torch.full_like(uniforms, uniform), top_p=0.5, engine=engine, progress=False)
        with torch.no_grad():
            parallel = net(found.to(torch.uint8), told)[0].T.double().numpy()
        inside = [np.isfinite(nucleus(one, 0.5)).nonzero()[0] for one in parallel]
        assert found[0].tolist() == [int(one[0 if uniform == 0 else -1]) for one in inside]


@every_engine
def test_temperature_zero_takes_the_likeliest(engine):
    net = network()
    told, uniforms = inputs(net, 1, 4)
    greedy = generate(net.cell(), told, uniforms, temperature=0.0, engine=engine, progress=False)
    with torch.no_grad():
        assert torch.equal(net(greedy.to(torch.uint8), told).argmax(1), greedy)


@every_engine
def test_a_prompt_is_followed(engine):
    net = network()
    told, uniforms = inputs(net, 3, 5)
    whole = generate(net.cell(), told, uniforms, engine=engine, progress=False)
    after = generate(net.cell(), told, uniforms, given=whole[:, :13], engine=engine, progress=False)
    assert torch.equal(after, whole), "what it would have drawn itself changes nothing"
    prompt = (whole[:, :13] + 100) % 256
    after = generate(net.cell(), told, uniforms, given=prompt, engine=engine, progress=False)
    assert torch.equal(after[:, :13], prompt) and not torch.equal(after[:, 13:], whole[:, 13:])
    with torch.no_grad():
        parallel = net(after.to(torch.uint8), told)
    for row in range(3):
        slow = [reference.drawn(parallel[row, :, t].numpy(), float(uniforms[row, t]), 1.0) for t in range(13, 40)]
        assert after[row, 13:].tolist() == slow


@every_engine
def test_it_starts_from_the_midpoint_with_empty_buffers(engine):
    net = network()
    told, uniforms = inputs(net, 1, 3)
    cell = net.cell()
    assert cell.start == audio.MIDPOINT == int(audio.encode_mulaw(np.zeros(1))[0]) == 128
    first = generate(cell, told, uniforms, engine=engine, progress=False)
    generate(cell, told + 1, uniforms.flip(1), engine=engine, progress=False)  # another utterance in between
    assert torch.equal(generate(cell, told, uniforms, engine=engine, progress=False), first)
    silent = compute_logits(cell, told[:, :, :1], torch.full((1, 1), 77), engine)
    wanted = reference.wavenet_logits(*oracle(net, told[0])[:2], np.array([77]), oracle(net, told[0])[2], net.hop)
    np.testing.assert_allclose(silent[0].numpy(), wanted, atol=1e-5)


@every_engine
def test_streams_do_not_leak_into_each_other(engine):
    net = network()
    told, uniforms = inputs(net, 4, 5)
    together = generate(net.cell(), told, uniforms, engine=engine, progress=False)
    for row in range(4):
        alone = generate(net.cell(), told[row : row + 1], uniforms[row : row + 1], engine=engine, progress=False)
        assert torch.equal(together[row], alone[0])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_lane_of_the_kernel_is_the_same_bits_in_any_company(threads):
    net, before = network(residual=40, skip=70), torch.get_num_threads()
    told, uniforms = inputs(net, 19, 2)
    classes = (uniforms * 256).long()
    alone = torch.cat([compute_logits(net.cell(), told[i : i + 1], classes[i : i + 1], "kernel") for i in range(19)])
    try:
        torch.set_num_threads(threads)
        for count in (2, 3, 5, 8, 9, 19):
            assert torch.equal(compute_logits(net.cell(), told[:count], classes[:count], "kernel"), alone[:count])
    finally:
        torch.set_num_threads(before)


def test_forward_is_causal():
    net = network()
    told, _ = inputs(net, 1, 6)
    embedded = torch.zeros(1, net.embedding.embedding_dim, 48, requires_grad=True)
    net.embedding.forward = lambda input: embedded.transpose(1, 2)
    out = net(torch.zeros(1, 48, dtype=torch.uint8), told)
    (gradient,) = torch.autograd.grad(out[0, :, 20].sum(), embedded)
    touched = gradient[0].abs().sum(0).nonzero()[:, 0]
    # Position i of the embedding holds the sample before i: the prediction of 20 may see positions up to 20.
    assert touched.max() == 20
    assert touched.min() == 20 - (net.receptive_field - 1)
    assert net.cell().receptive_field == net.receptive_field


def test_functions_of_the_kernel_are_within_their_bounds():
    from vqspeech.generate import compiled

    x = np.linspace(-87, 87, 20_001, dtype=np.float32)
    found = np.array([compiled.exponential(one) for one in x], dtype=np.float64)
    assert np.abs(found / np.exp(x.astype(np.float64)) - 1).max() < 5e-7
    filters, gates = (grid.ravel() for grid in np.meshgrid(*2 * [np.linspace(-50, 50, 2001, dtype=np.float32)]))
    found = np.empty_like(filters)
    compiled.gate(filters, gates, found)
    exact = np.tanh(filters.astype(np.float64)) / (1 + np.exp(-gates.astype(np.float64)))
    assert np.abs(found - exact).max() < 5e-7


def test_projected_conditioning_is_the_conditioning():
    net = network(latents=3)
    latents, voices = torch.randn(3, 3, 150), torch.arange(3)
    with torch.no_grad():
        whole = net.conditioning(latents, voices)
        lazy = ProjectedConditioning(
            net._features(latents, voices), net.project.weight[:, :, 0], net.project.get_parameter("bias")
        )
        assert lazy.shape == whole.shape and lazy.device == whole.device
        torch.testing.assert_close(lazy[:, :, :], whole, atol=1e-5, rtol=1e-5)
        for first, until in ((0, 1), (63, 65), (70, 150), (149, 150)):
            assert torch.equal(lazy[:, :, first:until], lazy[:, :, :][:, :, first:until])
        alone = ProjectedConditioning(
            net._features(latents, voices)[1:2], net.project.weight[:, :, 0], net.project.get_parameter("bias")
        )
        assert torch.equal(alone[:, :, 5:9], lazy[:, :, 5:9][1:2])
    uniforms = torch.rand(3, 150 * net.hop)
    drawn = [generate(net.cell(), lazy, uniforms, engine=engine, progress=False) for engine in HERE]
    assert torch.equal(*drawn) and conditioning.BLOCK < 150


def test_settings_and_shapes_that_make_no_sense():
    net = network()
    told, uniforms = inputs(net, 1, 3)
    cell = net.cell()
    changes: list[tuple[dict[str, Any], str]] = [
        ({"uniforms": uniforms[:, :-1]}, "not a multiple"),
        ({"conditioning": told[:, 1:]}, "conditioning"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"given": torch.zeros(1, 25, dtype=torch.long)}, "given"),
        ({"given": torch.zeros(2, 2, dtype=torch.long)}, "given"),
    ]
    for change, message in changes:
        with pytest.raises(ValueError, match=message):
            generate(**{"cell": cell, "conditioning": told, "uniforms": uniforms, "progress": False} | change)


def test_an_engine_that_cannot_run_says_so(monkeypatch):
    net = network()
    told, uniforms = inputs(net, 1, 1)
    with pytest.raises(ConfigError, match="no engine 'fast'; choose one of auto, cached, kernel, persistent"):
        generate(net.cell(), told, uniforms, engine="fast")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ConfigError, match="persistent needs a CUDA GPU, not 'cpu'; choose"):
        generate(net.cell(), told, uniforms, engine="persistent")
    with pytest.raises(ConfigError, match="kernel runs on the CPU, not on 'meta'; choose"):
        generate(net.cell(), told.to("meta"), uniforms, engine="kernel")


def test_auto_is_the_fastest_of_a_device(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda _: True)  # Triton is there
    for version, expected in (((7, 5), "cached"), ((9, 0), "persistent")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, version=version: version)
        assert choose_engine("auto", torch.device("cuda")) == expected
    assert (
        choose_engine("auto", torch.device("cpu")) == "kernel"
        and choose_engine("auto", torch.device("meta")) == "cached"
    )
    assert choose_engine("cached", torch.device("cuda")) == "cached" and set(ENGINES) == set(engines._STEP_COST)


def test_the_old_engine_graph_is_the_loop_with_a_warning(monkeypatch):
    monkeypatch.setattr(deprecation, "_warned", set())
    with pytest.warns(FutureWarning, match="'engine graph' is now 'engine cached'"):
        assert choose_engine("graph", torch.device("cpu")) == "cached"


def test_speed_is_said(messages):
    net = network()
    told, uniforms = inputs(net, 2, 3)
    generate(net.cell(), told, uniforms)
    assert "kernel: 2 x 24 steps at" in (said := messages()) and "x real time in all streams" in said


@given(
    st.integers(1, 10**7), st.integers(1, 10**5), st.sampled_from(HERE), st.integers(1, 40), st.sampled_from([1, 2, 16])
)
def test_pieces_cost_about_the_least(steps, overlap, engine, most, threads):
    cores = threads if engine == "kernel" else 1

    def cost(streams: int) -> float:
        return (engines._STEP_COST[engine] + -(-streams // cores)) * (steps / streams + overlap)

    with patch("torch.get_num_threads", lambda: threads):
        found = choose_piece_length(steps, overlap, engine, torch.device("cpu"), most * cores)
    streams = round(steps / found)
    assert found * min(streams, steps) >= steps - found and streams <= most * cores
    if found > 100:  # else whole steps are too coarse to tell
        assert cost(streams) <= 1.1 * min(cost(count) for count in range(1, most * cores + 1))


def test_overlapping_pieces_draw_with_the_same_numbers():
    lanes = Streams(torch.zeros(3), torch.zeros(3, 1), [7, 7, 8], [0, 100, 100])
    uniforms = lanes.uniforms(400)
    assert uniforms.dtype == torch.float32 and uniforms.min() >= 0 and uniforms.max() < 1
    assert torch.equal(uniforms[0, 100:], uniforms[1, :300]) and not torch.equal(uniforms[1], uniforms[2])
    assert abs(float(uniforms.mean()) - 0.5) < 0.05


def test_long_streams_need_no_more_memory(monkeypatch):
    """What is laid out at once, in latents; the buffers do not know the length."""
    asked = []
    told = ProjectedConditioning.__getitem__
    monkeypatch.setattr(
        ProjectedConditioning, "__getitem__", lambda self, index: asked.append(index[2]) or told(self, index)
    )
    monkeypatch.setattr(kernel, "CHUNK", 0.001)
    net = network(hop=64)
    features = torch.zeros(1, net.smooth.out_channels, 3000)
    projected = ProjectedConditioning(
        features, net.project.weight[:, :, 0].detach(), net.project.get_parameter("bias").detach()
    )
    generate(net.cell(), projected, torch.rand(1, 64 * 3000), engine="kernel", progress=False)
    assert max(part.stop - part.start for part in asked) < 1000


PROGRAM = """
import torch
from vqspeech.console import show_progress
from vqspeech.generate import generate
from vqspeech.models.wavenet import CausalStack
cell = CausalStack(4, 4, 2, 1, 1, 1, 3, 3).cell()
with show_progress():
    generate(cell, torch.zeros(1, cell.conditioning_channels, 1), torch.zeros(1, 1), progress=False)
"""


def test_the_kernel_is_compiled_once_where_the_package_cannot_be_written(tmp_path: Path):
    copytree(Path(vqspeech.__file__).parent, tmp_path / "vqspeech", ignore=ignore_patterns("__pycache__"))
    (tmp_path / "vqspeech" / "generate" / "__pycache__").touch()  # a folder no more
    places = {"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"} | places

    def said() -> str:
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert "compiling the sampling kernel, once" in said()
    assert "compiling" not in said()
    assert [*tmp_path.glob("cache/**/*.nbi")] or [*tmp_path.glob("home/**/*.nbi")]
