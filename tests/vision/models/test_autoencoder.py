"""What the image models share: the order of codes, independence of the batch, checkpoints, refusals."""

import pytest
import torch
from torch import nn

from tests.vision.images import blobs
from vqspeech.conf.vision import list_experiments, load_config
from vqspeech.errors import CheckpointError, ConfigError, ImageError
from vqspeech.vision.data.batches import ImageBatch
from vqspeech.vision.models import MODELS, Autoencoder, CodeModel, build_image_model
from vqspeech.vision.models.network import Decoder, Encoder, ResidualBlock

GROUPS = {
    "model": {"name": "vqvae", "latents": 3, "dimension": 4},
    "network": {"channels": 8, "halvings": 2, "blocks": 1},
    "likelihood": {"name": "logistic", "mixtures": 2},
    "quantizer": {"name": "ema", "codes": 16},
}
OPTIONS = {"vqvae": {}, "vae": {}, "vimco": {"codes": 16, "samples": 3}}


def tiny(name="vqvae", shape=(3, 16, 12), **model):
    torch.manual_seed(0)
    groups = GROUPS | {"model": {**GROUPS["model"], "name": name, **OPTIONS[name], **model}}
    return build_image_model(groups, shape).eval()


def some(count=5):
    return torch.from_numpy(blobs(count, 16))[:, :, :, :12].contiguous()


@pytest.mark.parametrize("name", list(MODELS))
def test_shapes_and_gradients(name):
    model = tiny(name).train()
    losses, codes, mask = model(ImageBatch(some(), torch.zeros(5, dtype=torch.long)))
    torch.stack([*losses.values()]).sum().backward()
    assert all(one.grad is not None and torch.isfinite(one.grad).all() for one in model.parameters())
    assert codes.shape == mask.shape == ((5, 4 * 3 * 3) if name != "vae" else (0,))
    model.eval()
    assert model.bound(some()).shape == (5,)
    made = model.reconstruct(some())
    assert made.shape == some().shape and made.dtype == torch.uint8


def test_the_latents_of_a_place_stand_side_by_side_in_its_row():
    model = tiny()
    assert isinstance(model, CodeModel)
    assert model.places == (4, 3) and model.code_shape == (4, 9)
    # With nothing in between, what the decoder is given is what the encoder gave.
    model.encoder, model.decoder = nn.Identity(), nn.Identity()  # pyright: ignore
    maps = torch.randint(0, 256, (2, 12, 4, 3), dtype=torch.uint8)  # 3 latents of 4 numbers
    vectors = model.encode_vectors(maps)
    assert vectors.shape == (2, 4, 36)
    torch.testing.assert_close(model.decode_vectors(vectors), maps.float() / 127.5 - 1)
    # place (1, 2) of latent 0 is code (1, 6) of the map, of latent 2 it is (1, 8)
    grid = vectors.unflatten(2, model.code_shape)
    for latent in range(3):
        wanted = maps[:, 4 * latent : 4 * latent + 4, 1, 2].float() / 127.5 - 1
        torch.testing.assert_close(grid[:, :, 1, 6 + latent], wanted)


def test_codes_look_at_what_is_near():
    model = tiny(shape=(3, 64, 64))
    images = torch.from_numpy(blobs(1, 64))
    changed = images.clone()
    changed[:, :, 60:, 60:] ^= 127
    with torch.no_grad():
        before, after = model.encode_vectors(images), model.encode_vectors(changed)
    different = (before != after).view(4, 16, 16, 3).any(3).any(0)
    assert different.any() and not different[:10].any() and not different[:, :10].any()


@pytest.mark.parametrize("name", ["vqvae", "vimco"])
def test_codes_do_not_depend_on_the_batch(name):
    model = tiny(name)
    assert isinstance(model, CodeModel)
    images = some()
    whole = model.encode(images)
    assert whole.shape == (5, 4, 9) and whole.dtype == torch.long
    for i in range(5):
        assert torch.equal(model.encode(images[i : i + 1])[0], whole[i])
    if name == "vqvae":  # VIMCO draws
        assert torch.equal(model.reconstruct(images), model.decode(whole))
    likelihoods = model.log_likelihood(images, whole)
    torch.testing.assert_close(model.log_likelihood(images[2:3], whole[2:3])[0], likelihoods[2])


@pytest.mark.parametrize("name", list(MODELS))
def test_checkpoints(name, tmp_path):
    model = tiny(name)
    model.save_pretrained(tmp_path / "best.safetensors", step=3)
    for path in (tmp_path, tmp_path / "best.safetensors"):
        again = Autoencoder.from_pretrained(path)
        assert again.metadata == model.metadata and again.fingerprint() == model.fingerprint()
        torch.manual_seed(1)
        made = model.bound(some())
        torch.manual_seed(1)
        torch.testing.assert_close(again.bound(some()), made)
    if name == "vae":
        with pytest.raises(ConfigError, match="vae has no codes"):
            CodeModel.from_pretrained(tmp_path)
    else:
        assert CodeModel.from_pretrained(tmp_path).codes == 16
    with pytest.raises(ImageError, match=r"the model has uint8 of \(3, 16, 12\)"):
        again.bound(some().float())
    with pytest.raises(ImageError, match=r"the model has uint8 of \(3, 16, 12\)"):
        again.reconstruct(some()[:, :, :8])


def test_the_fingerprint_is_that_of_the_codes():
    model = tiny()
    before = model.fingerprint()
    with torch.no_grad():
        model.decoder.outputs.bias.add_(1)  # pyright: ignore
    assert model.fingerprint() == before
    with torch.no_grad():
        model.encoder.projection.bias.add_(1)  # pyright: ignore
    assert model.fingerprint() != before


def test_refusals(tmp_path):
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        Autoencoder.from_pretrained(tmp_path)
    from vqspeech.models import checkpoint

    checkpoint.write(tmp_path / "best.safetensors", {"model.a": torch.zeros(1)}, {"config": {}, "speakers": []})
    with pytest.raises(CheckpointError, match="not a model of images"):
        Autoencoder.from_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="cannot be made 4 times smaller"):
        tiny(shape=(3, 16, 14))
    with pytest.raises(ConfigError, match="of no model of images .nothing"):
        build_image_model({"model": {"name": "nothing"}}, (3, 8, 8))
    with pytest.raises(ConfigError, match="has no group network; it needs model, network, likelihood, quantizer"):
        build_image_model({"model": GROUPS["model"]}, (3, 8, 8))
    with pytest.raises(ConfigError, match="model.samples=1: give a whole number from 2"):
        tiny("vimco", samples=1)
    with pytest.raises(ConfigError, match="has no group quantizer"):
        build_image_model({name: group for name, group in GROUPS.items() if name != "quantizer"}, (3, 8, 8))


def test_the_papers_sizes():
    """Section 4.1: 8x8x10 latents of 512 for CIFAR-10; 4.2: 32x32x1 for photographs, 21x21x1 for frames."""
    sizes, found = {"cifar10_vqvae": 32, "cifar10_vimco": 32, "imagenet": 128, "frames": 84}, {}
    for name, size in sizes.items():
        groups = load_config(name)
        assert groups["network"] == {"channels": 256, "halvings": 2, "blocks": 2}
        assert groups["training"]["lr"] == groups["training"]["lr_end"] == 2e-4
        assert groups["training"]["batch"] * groups["training"]["accumulate"] == 128
        with torch.device("meta"):
            model = build_image_model(groups, (3, size, size))
        found[name] = (*model.places, model.latents, model.codes)
    assert found["cifar10_vqvae"] == found["cifar10_vimco"] == (8, 8, 10, 512)
    assert found["imagenet"] == (32, 32, 1, 512) and found["frames"] == (21, 21, 1, 512)
    assert load_config("cifar10_vimco")["model"]["samples"] == 50
    assert pytest.approx(42.67, abs=0.01) == 8 * 3 * 128 * 128 / (32 * 32 * 9)
    assert {"cifar10_vae", "cifar10_vae_small", "imagenet_small"} <= set(list_experiments())


def test_the_encoder_is_the_papers():
    encoder, decoder = Encoder(3, 64, 256, 2, 2), Decoder(64, 768, 256, 2, 2)
    assert [one.kernel_size for one in encoder.convolutions] == [(4, 4)] * 2  # pyright: ignore
    assert [one.stride for one in (*encoder.convolutions, *decoder.convolutions)] == [(2, 2)] * 4  # pyright: ignore
    block = ResidualBlock(8)
    x = torch.randn(1, 8, 5, 5)
    with torch.no_grad():
        block.narrow.weight.normal_()
        wanted = x + block.narrow(torch.relu(block.wide(torch.relu(x))))
        torch.testing.assert_close(block(x), wanted)
        assert (block.wide.kernel_size, block.narrow.kernel_size) == ((3, 3), (1, 1))


def test_features_keep_their_size_at_first():
    """Else what is seen at the end is the biases alone, and learning begins late."""
    torch.manual_seed(0)
    encoder, decoder = Encoder(3, 64, 64, 2, 2), Decoder(64, 64, 64, 2, 2)
    with torch.no_grad():
        z = encoder(torch.randn(4, 3, 32, 32))
        made = decoder(torch.randn(4, 64, 8, 8))
        apart = (decoder(torch.randn(4, 64, 8, 8)) - made).std()
    assert 0.2 < float(z.std()) < 3 and 0.2 < float(apart) < 3
