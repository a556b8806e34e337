import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import reference
from vqspeech import audio
from vqspeech.generate import generate
from vqspeech.models.decoders import WaveNet


def network(latents=5, hop=8, layers=5, cycle=3, residual=6, skip=7, condition=4, seed=0):
    """A small network that hangs on its past: with small weights every sample would be all but independent."""
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
        conditioning = net.conditioning(latents, torch.arange(batch) % 3)
    return conditioning, torch.rand(batch, codes * net.hop, generator=generator)


def oracle(net, conditioning, uniforms, temperature=1.0):
    state = {name: tensor.double().numpy() for name, tensor in net.state_dict().items()}
    split = conditioning.double().numpy().reshape(len(net.layers), -1, conditioning.shape[-1])
    dilations = [layer.dilation for layer in net.layers]
    return (
        state,
        dilations,
        split,
        lambda: reference.wavenet_samples(state, dilations, split, net.hop, uniforms.numpy(), temperature),
    )


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_samples_are_those_of_the_reference_loop(temperature):
    net = network()
    conditioning, uniforms = inputs(net, 2, 6)
    found = generate(net.cell(), conditioning, uniforms, temperature, progress=False)
    for row in range(2):
        *_, samples = oracle(net, conditioning[row], uniforms[row], temperature)
        assert found[row].tolist() == samples().tolist()


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 5), st.integers(1, 6), st.integers(1, 4), st.integers(1, 9), st.integers(0, 99)
)
def test_parallel_forward_predicts_what_was_sampled(batch, codes, layers, cycle, hop, seed):
    net = network(hop=hop, layers=layers, cycle=cycle, seed=seed)
    conditioning, uniforms = inputs(net, batch, codes, seed)
    found = generate(net.cell(), conditioning, uniforms, progress=False)
    with torch.no_grad():
        logits = net(found.to(torch.uint8), conditioning)
    for row in range(batch):
        state, dilations, split, _ = oracle(net, conditioning[row], uniforms[row])
        slow = reference.wavenet_logits(state, dilations, found[row].numpy(), split, hop)
        np.testing.assert_allclose(logits[row].T.numpy(), slow, atol=1e-4)
        again = [reference.drawn(one, float(u), 1.0) for one, u in zip(slow, uniforms[row], strict=True)]
        assert again == found[row].tolist()


def test_forward_is_causal():
    net = network()
    conditioning, _ = inputs(net, 1, 6)
    embedded = torch.zeros(1, net.embedding.embedding_dim, 48, requires_grad=True)
    net.embedding.forward = lambda input: embedded.transpose(1, 2)
    out = net(torch.zeros(1, 48, dtype=torch.uint8), conditioning)
    (gradient,) = torch.autograd.grad(out[0, :, 20].sum(), embedded)
    touched = gradient[0].abs().sum(0).nonzero()[:, 0]
    # Position i of the embedding holds the sample before i: the prediction of 20 may see positions up to 20.
    assert touched.max() == 20
    assert touched.min() == 20 - (net.receptive_field - 1)


def test_generation_starts_from_the_midpoint_with_empty_buffers():
    net = network()
    conditioning, uniforms = inputs(net, 1, 3)
    cell = net.cell()
    assert cell.start == audio.MIDPOINT == int(audio.mulaw(np.zeros(1))[0]) == 128
    first = generate(cell, conditioning, uniforms, progress=False)
    generate(cell, conditioning + 1, uniforms.flip(1), progress=False)  # another utterance in between
    assert torch.equal(generate(cell, conditioning, uniforms, progress=False), first)
    with torch.no_grad():
        silent = net(torch.full((1, 1), 77, dtype=torch.uint8), conditioning[:, :, :1])
        *_, logits = oracle(net, conditioning[0], uniforms[0])
    state, dilations, split, _ = oracle(net, conditioning[0], uniforms[0])
    wanted = reference.wavenet_logits(state, dilations, np.array([77]), split, net.hop)
    np.testing.assert_allclose(silent[0, :, 0].numpy(), wanted[0], atol=1e-5)


def test_lanes_do_not_leak_into_each_other():
    net = network()
    conditioning, uniforms = inputs(net, 4, 5)
    together = generate(net.cell(), conditioning, uniforms, progress=False)
    for row in range(4):
        alone = generate(net.cell(), conditioning[row : row + 1], uniforms[row : row + 1], progress=False)
        assert torch.equal(together[row], alone[0])


def test_temperature_zero_takes_the_likeliest():
    net = network()
    conditioning, uniforms = inputs(net, 1, 4)
    greedy = generate(net.cell(), conditioning, uniforms, 0.0, progress=False)
    with torch.no_grad():
        assert torch.equal(net(greedy.to(torch.uint8), conditioning).argmax(1), greedy)


def test_steps_must_fill_the_latents():
    net = network()
    conditioning, uniforms = inputs(net, 1, 3)
    with pytest.raises(ValueError, match="not a multiple"):
        generate(net.cell(), conditioning, uniforms[:, :-1], progress=False)
