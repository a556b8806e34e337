"""Codes without a decoder: the projection, and a coder on its own."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.conftest import ROOT, buzz
from tests.models.test_vqvae import model as whole_model
from vqspeech import VQVAE
from vqspeech.conf import load_config
from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.models import coder
from vqspeech.models.coder import Coder
from vqspeech.models.encoder import Projection


def small(name="units_lda", *overrides):
    groups = load_config(name, list(overrides))
    torch.manual_seed(0)
    made = Coder({key: group for key, group in groups.items() if key != "training"}).eval()
    with torch.no_grad():
        for parameter in made.encoder.parameters():
            parameter.copy_(torch.randn_like(parameter))
        made.quantizer.weight.copy_(5 * torch.randn_like(made.quantizer.weight))  # pyright: ignore
    return made


def test_a_projection_begins_as_the_mean_of_each_hop():
    x, mask = torch.randn(2, 5, 24), torch.ones(2, 24, dtype=torch.bool)
    for window in (4, 8):
        mean = Projection(5, window, 4, 3)(x, mask)
        torch.testing.assert_close(mean, x.view(2, 5, 6, 4).mean(3)[:, :3])


def test_a_projection_is_its_windows_times_its_weights():
    x, mask = torch.randn(2, 5, 24), torch.ones(2, 24, dtype=torch.bool)
    made = Projection(5, 8, 4, 3)
    torch.nn.init.normal_(made.convolution.weight)
    torch.nn.init.normal_(made.convolution.get_parameter("bias"))
    by_hand = torch.einsum("bncw,lcw->bln", made.windows(x), made.convolution.weight)
    torch.testing.assert_close(made(x, mask), by_hand + made.convolution.get_parameter("bias")[:, None])
    assert torch.equal(made.windows(x)[1, 2, :, 1], x[1, :, 2 * 4 - 2 + 1]), "centred on the hop"


def test_windows_that_are_not_centred_are_an_error():
    for window in (3, 7):
        with pytest.raises(ConfigError, match=r"encoder.window=\d: give 4"):
            Projection(5, window, 4, 3)


@pytest.mark.parametrize("name", ["units_kmeans", "units_kmeans_static", "units_lda"])
def test_codes_of_a_long_utterance_are_those_of_its_pieces(name, monkeypatch):
    made = small(name)
    wave = buzz(2.1, 130)
    codes = made.encode(wave)
    assert made.rate == 25 and len(codes) == 53 and len(np.unique(codes)) > 5
    monkeypatch.setattr(coder, "PIECE", 0.5)
    np.testing.assert_array_equal(made.encode(wave), codes)


def test_a_coder_is_saved_and_read(tmp_path):
    made = small()
    made.save_pretrained(tmp_path / "best.safetensors")
    again = Coder.from_pretrained(tmp_path)
    assert again.fingerprint() == made.fingerprint() and again.units == made.units
    np.testing.assert_array_equal(again.encode(buzz(0.5, 100)), made.encode(buzz(0.5, 100)))
    with pytest.raises(CheckpointError, match="without decoder"):
        VQVAE.from_pretrained(tmp_path)


def test_a_whole_model_is_a_coder_too(tmp_path):
    whole = whole_model()
    whole.save_pretrained(tmp_path / "best.safetensors")
    half = Coder.from_pretrained(tmp_path)
    assert half.fingerprint() == whole.fingerprint() and not hasattr(half, "decoder")
    np.testing.assert_array_equal(half.encode(buzz(0.5, 100)), whole.encode(buzz(0.5, 100)))


def test_unknown_encoders_and_options_are_errors():
    for override, message in (
        ("+encoder.x=1", "encoder.x: no such option; there are window, hop, latents"),
        ("encoder.name=rnn", "no encoder 'rnn'"),
    ):
        with pytest.raises(ConfigError, match=message):
            small("units_lda", override)


RECORDINGS = """
import os
import numpy as np
import torch
from vqspeech import pretrained
from vqspeech.devices import keep_freed_memory, limit_kernel_cache
from vqspeech.models.coder import Coder

def read_memory():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

keep_freed_memory()
limit_kernel_cache()
torch.set_num_threads(1)
model = Coder.from_pretrained(pretrained.find_checkpoint("units-small"))
samples = np.random.default_rng(0).integers(-3000, 3000, 3200).astype(np.int16)
held = []
for i in range(1200):
    held.append(model.encode_normalised(samples))
    if i == 50:
        before = read_memory()
print(read_memory() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_codes_that_are_kept_take_no_more_memory_than_their_own():
    """Measured: 1 MB instead of 12; codes in memory of torch kept the heap from being used again."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", RECORDINGS]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert float(found.stdout) < 4
