"""Projections and codebooks that are fitted without gradient."""

import numpy as np
import pytest
import torch

from vqspeech.conf import load_config
from vqspeech.errors import ConfigError
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.models.encoder import Projection
from vqspeech.training import clustering
from vqspeech.training.clustering import cluster, fit_discriminant, stack_windows

SMALL = ["quantizer.codes=8", "training.steps=10"]
LDA = [*SMALL, "encoder.latents=5", "training.clusters=6", "training.rounds=2"]


def classes(count=2000, inputs=6, seed=0):
    """Vectors in 4 classes whose means differ in the first two of mixed directions, and their classes."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, count)
    means = np.zeros((4, inputs))
    means[:, :2] = [[0, 0], [2, 0], [0, 2], [3, 3]]
    mixing = random.standard_normal((inputs, inputs))
    x = (means[labels] + random.standard_normal((count, inputs)) * [1, 1, 9, 9, 9, 9]) @ mixing + 5
    return torch.tensor(x, dtype=torch.float32), torch.tensor(labels)


def test_discriminants_span_those_of_scikit_learn(monkeypatch):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    monkeypatch.setattr(clustering, "_SHRINKAGE", 0.0)
    x, y = classes()
    matrix, mean = fit_discriminant(x, y, 3)
    ours = ((x - mean) @ matrix).numpy()
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(x.numpy(), y.numpy()).transform(x.numpy())
    for i in range(3):
        assert abs(np.corrcoef(ours[:, i], theirs[:, i])[0, 1]) > 0.999


def test_the_spread_within_classes_is_one(monkeypatch):
    monkeypatch.setattr(clustering, "_SHRINKAGE", 0.0)
    x, y = classes()
    matrix, mean = fit_discriminant(x, y, 6)
    z = (x - mean) @ matrix
    assert z.mean(0).abs().max() < 1e-3
    within = sum((y == k).double().mean() * torch.cov(z[y == k].T.double(), correction=0) for k in range(4))
    torch.testing.assert_close(within, torch.eye(6).double(), atol=5e-3, rtol=0)
    assert fit_discriminant(x, y, 8)[0][:, 6:].abs().max() == 0, "no more directions than inputs"


def test_clusters_are_fitted_written_and_read(small_shards, tmp_path):
    figures = cluster(load_config("units_lda", LDA), small_shards, small_shards, tmp_path)
    assert 0 < figures["variance left over"] < 1 and figures["used"] <= 8
    assert figures["samples_seen"] == small_shards.length.sum()
    model = Coder.from_pretrained(tmp_path)
    assert checkpoint.read(tmp_path / "best.safetensors", "none.")[1]["step"] == 2
    windows = stack_windows(model, small_shards, 10**6, -np.inf)
    assert len(windows) == sum(-(-int(length) // model.hop) for length in small_shards.length)
    assert isinstance(model.encoder, Projection)
    z = clustering.project_windows(model.encoder, windows)
    codes = np.concatenate([model.encode_normalised(small_shards.samples(i)) for i in range(8)])
    assert (model.quantizer.nearest(z).numpy() == codes).mean() > 0.98  # sums in another order


def test_the_same_seed_gives_the_same_codebook(small_shards, tmp_path):
    prints = set()
    for i, seed in enumerate((0, 0, 1)):
        cluster(
            load_config("units_lda", [*LDA, f"training.seed={seed}"]), small_shards, small_shards, tmp_path / str(i)
        )
        prints.add(Coder.from_pretrained(tmp_path / str(i)).fingerprint())
    assert len(prints) == 2


def test_quiet_and_too_many_windows_are_left_out(small_shards):
    model = Coder({k: v for k, v in load_config("units_lda", LDA).items() if k != "training"})
    every = stack_windows(model, small_shards, 10**6, -np.inf)
    loud = stack_windows(model, small_shards, 10**6, 0.0)
    assert 0 < len(loud) < len(every)
    energies = every.view(len(every), 13, 16)[:, 0].mean(1)
    assert len(loud) == (energies > 0).sum()
    assert len(stack_windows(model, small_shards, len(every) // 2, -np.inf)) == pytest.approx(len(every) / 2, rel=0.15)


def test_what_cannot_be_clustered_is_an_error(small_shards, tmp_path):
    with pytest.raises(ConfigError, match="too few for 9999 clusters"):
        cluster(load_config("units_lda", ["training.clusters=9999"]), small_shards, small_shards, tmp_path)
    for override in (["frontend=waveform"], ["encoder=frames"]):
        with pytest.raises(ConfigError):
            cluster(load_config("units_kmeans", override), small_shards, small_shards, tmp_path)
