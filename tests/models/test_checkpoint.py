"""Checkpoints: what is damaged, not finite, or describes what it does not hold is refused by name."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import ROOT
from vqspeech.commands.models import describe_checkpoint
from vqspeech.conf import load_config
from vqspeech.errors import CheckpointError
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.models.prior import LatentPrior
from vqspeech.models.vqvae import VQVAE

SMALL = ["encoder.channels=4", "encoder.latents=3", "quantizer.codes=8", "decoder.layers=1", "decoder.channels=4"]
TENSORS = {
    "model.a": torch.arange(6.0).view(2, 3),
    "model.half": torch.ones(5, dtype=torch.float16),
    "model.brain": torch.ones(2, dtype=torch.bfloat16),
    "model.fitted": torch.tensor(True),
    "model.none": torch.zeros(0, 3),
    "training.0.step": torch.tensor(3.0),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.safetensors"


@pytest.fixture(scope="module")
def model():
    groups = {name: group for name, group in load_config("mini_world", SMALL).items() if name != "training"}
    return VQVAE(groups, ["a", "b"]).eval()


def rewritten(path, hashed=True, **about):
    """Writes a checkpoint again with other things in its header, as one who knows how it is hashed, or an old one."""
    tensors, old = checkpoint.read(path)
    if hashed:
        checkpoint.write(path, tensors, old | about)
    else:
        header = {"format": checkpoint.FORMAT, "version": "1", "about": json.dumps(old | about)}
        save_file(tensors, path, metadata=header)


def test_all_is_read_as_it_was_written(path):
    checkpoint.write(path, TENSORS, {"step": 3})
    tensors, about = checkpoint.read(path)
    assert about == {"step": 3} and tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], one) and tensors[name].dtype == one.dtype for name, one in TENSORS.items())
    assert checkpoint.read(path, "training.")[0].keys() == {"0.step"} and not checkpoint.read(path, "none.")[0]


def test_every_damaged_byte_is_found(path):
    checkpoint.write(path, TENSORS, {"step": 3, "speakers": ["a"]})
    whole = path.read_bytes()
    body = 8 + int.from_bytes(whole[:8], "little")
    for place in [*range(0, body, 7), *range(body, len(whole))]:
        damaged = bytearray(whole)
        damaged[place] ^= 0x04
        path.write_bytes(damaged)
        try:
            tensors, about = checkpoint.read(path)
        except CheckpointError:
            continue
        # A space of the header, which is filled up with them, or the name of a key that is not ours.
        assert about == {"step": 3, "speakers": ["a"]} and place < body
        assert all(torch.equal(tensors[name], one) for name, one in TENSORS.items())
    path.write_bytes(whole[:-1])
    with pytest.raises(CheckpointError, match="truncated"):
        checkpoint.read(path)


def test_damage_is_named(path):
    checkpoint.write(path, TENSORS, {"step": 3})
    whole = path.read_bytes()
    path.write_bytes(whole.replace(TENSORS["model.a"].numpy().tobytes(), b"\x01" * 24))
    with pytest.raises(CheckpointError, match="damaged, model.a is not as written; copy it again, or use an older one"):
        checkpoint.read(path)
    assert checkpoint.read(path, "training.")[0], "only what is read is looked at"
    path.write_bytes(whole.replace(b'\\"step\\": 3', b'\\"step\\": 4'))
    with pytest.raises(CheckpointError, match="its header is not as it was written"):
        checkpoint.read(path)


def test_older_files_do_not_tell_what_they_hash_to_and_are_read(path, model):
    model.save_pretrained(path)
    rewritten(path, hashed=False)
    assert VQVAE.from_pretrained(path).fingerprint() == model.fingerprint()
    tensors = load_file(path)
    tensors["model.encoder.projection.bias"][1] = float("nan")
    header = {"format": checkpoint.FORMAT, "version": "1", "about": json.dumps(model.metadata)}
    save_file(tensors, path, metadata=header)
    with pytest.raises(CheckpointError, match="model.encoder.projection.bias is not finite"):
        VQVAE.from_pretrained(path)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_written(path, model, number):
    model.save_pretrained(path)
    old = path.read_bytes()
    assert model.pitch.isnan().all(), "of a voice that was never voiced; this may be"
    for wrong in ({"model.a": torch.tensor([0.0, number])}, {"training.3.exp_avg": torch.tensor(number)}):
        with pytest.raises(CheckpointError, match="is not finite, and not written; what was there stays"):
            checkpoint.write(path, TENSORS | wrong, {})
    with pytest.raises(CheckpointError, match="model.pitch"):
        checkpoint.write(path, {"model.pitch": torch.tensor(float("inf"))}, {})
    assert path.read_bytes() == old and os.listdir(path.parent) == [path.name]


def test_a_full_disk_leaves_the_old_file(path):
    """RLIMIT_FSIZE stands for it: no file may have more bytes."""
    checkpoint.write(path, TENSORS, {})
    program = """
import resource, signal, sys, torch
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from vqspeech.models import checkpoint
try:
    checkpoint.write(sys.argv[1], {"model.a": torch.zeros(10**6)}, {})
except checkpoint.CheckpointError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "cannot be written" in done.stdout and "what was there stays" in done.stdout
    assert checkpoint.read(path)[0].keys() == TENSORS.keys() and os.listdir(path.parent) == [path.name]


CRAFTED = {
    "a stride of 0": {"encoder": {"channels": 4, "latents": 3, "layers": [[5, 0]]}},
    "a stride of null": {"encoder": {"channels": 4, "latents": 3, "layers": [[5, None]]}},
    "a stride of a million": {"encoder": {"channels": 4, "latents": 3, "layers": [[5, 10**6]]}},
    "a far larger encoder": {"encoder": {"channels": 60_000, "latents": 3, "layers": [[1000, 1]] * 4}},
    "a codebook of millions": {"quantizer": {"name": "ema", "codes": 1 << 24}},
    "a thousand layers": {"decoder": {"name": "world", "layers": 1000, "channels": 3000}},
    "no front end": {"frontend": None},
    "no option": {"frontend": {"name": "mfcc", "hop": 0}},
}


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("what", list(CRAFTED))
def test_a_configuration_within_is_checked_like_any(path, model, what, hashed):
    model.save_pretrained(path)
    rewritten(path, hashed, config=model.config | CRAFTED[what])
    for kind in (VQVAE, Coder):
        if kind is Coder and "decoder" in CRAFTED[what]:
            continue
        with pytest.raises(CheckpointError, match="do not fit together"):
            kind.from_pretrained(path)
    if what not in ("a far larger encoder", "a codebook of millions", "a thousand layers"):
        with pytest.raises(CheckpointError, match="not a model of speech"):
            describe_checkpoint(path)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"config": [1]}, "header.config=.*: give values by name"),
        ({"speakers": 5}, "header.speakers=5: give a list"),
        ({"speakers": ["a", 5]}, r"header.speakers\[1\]=5: give a text"),
        ({"genders": "f"}, "header.genders=f: give values by name"),
        ({"shape": [3, 0, 1]}, r"header.shape\[1\]=0"),
        ({"units": {"codes": "x"}}, "header.units.codes=x"),
        ({"step": "x"}, "header.step=x"),
    ],
)
def test_what_else_a_header_says(path, model, about, message):
    model.save_pretrained(path)
    header = {"format": checkpoint.FORMAT, "version": "1", "about": json.dumps(model.metadata | about)}
    save_file(load_file(path), path, metadata=header)
    for read in (VQVAE.from_pretrained, describe_checkpoint):
        with pytest.raises(CheckpointError, match=message):
            read(path)
    save_file(load_file(path), path, metadata=header | {"about": "[]"})
    with pytest.raises(CheckpointError, match="describes nothing"):
        VQVAE.from_pretrained(path)


def test_of_a_prior_too(path):
    units = {"rate_hz": 50.0, "codes": 8, "model": "m", "sha256": "0" * 64}
    options = {"name": "wavenet", "condition_dropout": 0.1, "layers": 2, "cycle": 2, "residual": 4, "skip": 4}
    made = LatentPrior({"prior": options}, [], units)
    made.save_pretrained(path)
    assert LatentPrior.from_pretrained(path).size == 8
    for about, message in (
        ({"units": units | {"codes": 9}}, "do not fit together"),
        ({"units": units | {"rate_hz": 0}}, "header.units.rate_hz=0: give a number above 0"),
        ({"config": {"prior": options | {"cycle": 64}}}, "prior.cycle=64: give a whole number from 1 to 20"),
        ({"config": {"prior": options | {"residual": 60_000}}}, "far larger model"),
    ):
        rewritten_path = path.with_name("b.safetensors")
        tensors, old = checkpoint.read(path)
        header = {"format": checkpoint.FORMAT, "version": "1", "about": json.dumps(old | about)}
        save_file(tensors, rewritten_path, metadata=header)
        with pytest.raises(CheckpointError, match=message):
            LatentPrior.from_pretrained(rewritten_path)


def test_eight_bits_a_weight_take_a_quarter_and_come_back_within_half_a_step(tmp_path):
    torch.manual_seed(0)
    tensors = {"model.matrix": torch.randn(40, 300) * torch.logspace(-3, 1, 40)[:, None], "model.bias": torch.randn(40)}
    tensors["model.convolution"] = torch.randn(8, 4, 5)
    tensors["model.convolution"][3] = 0
    path = tmp_path / "small.safetensors"
    checkpoint.write(path, checkpoint.round_weights(tensors, torch.int8), {"config": {}})
    found, _ = checkpoint.read(path, "model.")
    assert set(found) == {"matrix", "bias", "convolution"} and found["bias"].dtype == torch.float16
    for name in ("matrix", "convolution"):
        wanted = tensors[f"model.{name}"]
        step = wanted.flatten(1).abs().amax(1) / 127
        apart = (found[name] - wanted).flatten(1).abs().amax(1)
        assert (apart <= 0.5001 * step + 1e-12).all()
    assert not found["convolution"][3].any()
    assert path.stat().st_size < 40 * 300 + 20_000


def test_what_two_models_have_in_common_is_written_once(path):
    base = path.with_name("base.safetensors")
    checkpoint.write(base, TENSORS, {"step": 1})
    changed = TENSORS | {"model.half": torch.zeros(5, dtype=torch.float16), "model.own": torch.ones(2)}
    checkpoint.write(path, changed, {"step": 2}, base)
    assert set(load_file(path)) == {"model.half", "model.own"}
    tensors, about = checkpoint.read(path)
    assert about == {"step": 2} and tensors.keys() == changed.keys()
    assert all(torch.equal(tensors[name], one) for name, one in changed.items())
    assert checkpoint.read(path, "training.")[0].keys() == {"0.step"}


def test_eight_bit_weights_are_shared_with_their_scales(path):
    base = path.with_name("base.safetensors")
    weights = checkpoint.round_weights({"model.a": torch.randn(4, 6), "model.b": torch.randn(3)}, torch.int8)
    checkpoint.write(base, weights, {})
    checkpoint.write(path, weights | {"model.c": torch.ones(1)}, {}, base)
    assert set(load_file(path)) == {"model.c"}
    tensors, whole = checkpoint.read(path)[0], checkpoint.read(base)[0]
    assert torch.equal(tensors["model.a"], whole["model.a"]) and torch.equal(tensors["model.b"], whole["model.b"])


def test_a_file_that_is_shared_is_there_and_the_same(path, tmp_path):
    base = path.with_name("base.safetensors")
    checkpoint.write(base, TENSORS, {})
    checkpoint.write(path, TENSORS, {}, base)
    checkpoint.write(base, TENSORS | {"model.a": torch.zeros(2, 3)}, {})
    with pytest.raises(CheckpointError, match=r"damaged, model\.a is not as written"):
        checkpoint.read(path)
    checkpoint.write(base, {"model.half": TENSORS["model.half"]}, {})
    with pytest.raises(CheckpointError, match="is not what it shares tensors with"):
        checkpoint.read(path)
    base.unlink()
    with pytest.raises(CheckpointError, match=r"lies in base\.safetensors, which is not beside it"):
        checkpoint.read(path)
    (tmp_path / "elsewhere").mkdir()
    checkpoint.write(tmp_path / "elsewhere" / "base.safetensors", TENSORS, {})
    with pytest.raises(CheckpointError, match="of its own folder only"):
        checkpoint.write(path, TENSORS, {}, tmp_path / "elsewhere" / "base.safetensors")


@pytest.mark.parametrize("shared", ['{"file": "../base.safetensors", "tensors": ["model.a"]}', '{"file": 3}', "[]"])
def test_headers_that_share_nonsense(path, shared):
    checkpoint.write(path, TENSORS, {})
    checkpoint.write(path.parent.parent / "base.safetensors", TENSORS, {})
    header = {"format": checkpoint.FORMAT, "version": "1", "about": "{}", "shared": shared}
    save_file({"model.half": TENSORS["model.half"]}, path, metadata=header)
    with pytest.raises(CheckpointError, match="truncated or not a safetensors file"):
        checkpoint.read(path)
