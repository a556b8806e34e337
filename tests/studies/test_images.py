import numpy as np
import pytest
import torch

from tests.vision.images import blobs
from vqspeech.errors import ConfigError
from vqspeech.studies import images as image_study
from vqspeech.studies import quantised_images
from vqspeech.studies.images import ImageStudy
from vqspeech.studies.quantised_images import (
    Images,
    build_model,
    measure_mean_image,
    measure_quality,
    reconstruct_images,
    reconstruct_unquantised,
    train_model,
)
from vqspeech.studies.rates import name_rate
from vqspeech.vision.metrics.measures.quality import psnr

METHODS = ("gradient, never", "EMA, never", "NSVQ, never", "soft EM, τ = 1, never", "k-means, never")


@pytest.fixture(scope="module")
def images() -> Images:
    pytest.importorskip("skimage")
    return Images(*(torch.from_numpy(blobs(number, 16, seed=seed)) for number, seed in ((200, 0), (40, 1))))


@pytest.fixture(scope="module")
def study(images, tmp_path_factory) -> ImageStudy:
    study = ImageStudy(tmp_path_factory.mktemp("images"), images, [(2,), (4,)], 2, 20, 8)
    study.methods = {name: ImageStudy.methods[name] for name in ("EMA", "k-means")}
    study.run()
    return study


def build_row(images, row="EMA, never", codes=8, seed=0):
    study = ImageStudy.__new__(ImageStudy)
    study.steps = 20
    return build_model(study.rows[row], codes, images, seed)


def test_all_methods_set_out_from_the_same(images):
    first, other = build_row(images), build_row(images, seed=1)
    for row in METHODS:
        one = build_row(images, row, 32)
        for part in ("encoder", "decoder"):
            wanted = getattr(first, part).state_dict()
            for name, tensor in getattr(one, part).state_dict().items():
                torch.testing.assert_close(tensor, wanted[name], rtol=0, atol=0)
        torch.testing.assert_close(one.quantizer.weight[:8], first.quantizer.weight, msg=row)
    assert not torch.equal(other.quantizer.weight, first.quantizer.weight)
    assert not torch.equal(other.encoder.projection.weight, first.encoder.projection.weight)
    strength = float(first.encode_vectors(images.train[:128]).detach().square().mean().sqrt())
    assert float(build_row(images, codes=4096).quantizer.weight.detach().std()) == pytest.approx(strength, rel=0.02)


def test_all_methods_are_shown_the_same_images(images, monkeypatch):
    shown = {}
    for row in METHODS:
        one, batches = build_row(images, row), []
        forward = one.forward

        def kept(batch, forward=forward, batches=batches):
            batches.append(batch.images)
            return forward(batch)

        monkeypatch.setattr(one, "forward", kept)
        steps = []
        train_model(one, images, 5, 8, 1e-3, 3, False, steps.append)
        assert steps == [1, 2, 3, 4, 5] and not one.training
        shown[row] = torch.stack(batches)
    assert all(torch.equal(shown[row], shown[METHODS[0]]) for row in METHODS)
    assert len({tuple(batch.flatten().tolist()) for batch in shown[METHODS[0]]}) == 5


def test_a_code_for_every_latent_loses_nothing(images):
    one = build_row(images, codes=40 * 16)
    with torch.no_grad():
        one.quantizer.start(one.encode_vectors(images.held_out).transpose(1, 2).flatten(0, 1))
    found = measure_quality(one, images.held_out)
    assert found["psnr"] == pytest.approx(found["psnr_unquantised"], abs=1e-3)
    assert found["dead"] < 5 and found["perplexity"] > 600


def test_images_are_those_of_the_nearest_codes(images):
    one = build_row(images, codes=5)
    again, counts = reconstruct_images(one, images.held_out)
    latents = one.encode_vectors(images.held_out).detach().numpy()  # (images, dimension, places)
    weight = one.quantizer.weight.detach().numpy()
    codes = np.array([[np.square(weight - z).sum(1).argmin() for z in image.T] for image in latents])
    assert counts.tolist() == np.bincount(codes.ravel(), minlength=5).tolist()
    with torch.no_grad():
        outputs = one.decode_vectors(torch.from_numpy(weight[codes].transpose(0, 2, 1)))
    wanted = ((outputs + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    assert np.abs(again.astype(int) - wanted).max() <= 1  # rounded either way
    assert one.training, "as it was"
    found = measure_quality(one, images.held_out)
    assert found["psnr"] == pytest.approx(psnr(images.held_out.numpy(), wanted).mean(), abs=0.01)


def test_codes_that_none_chooses_are_dead(images):
    one = build_row(images, codes=4)
    with torch.no_grad():
        one.quantizer.start(
            torch.cat([one.encode_vectors(images.held_out)[0, :, :1].T, torch.full((3, one.dimension), 1e3)])
        )
    found = measure_quality(one, images.held_out)
    assert found["dead"] == 3 and found["perplexity"] == pytest.approx(1)


def test_k_means_is_fitted_beside_an_autoencoder_that_learns_without(study):
    # So the autoencoder is the same at every rate and under every policy, and others are not.
    free = {
        row: [[one["psnr_unquantised"] for one in study.results[name_rate(bits)][row]] for bits in study.rates]
        for row in study.rows
    }
    assert free["k-means, never"][0] == pytest.approx(free["k-means, never"][1], abs=1e-4)
    assert free["k-means, never"] == pytest.approx(np.array(free["k-means, by batches"]), abs=1e-4)
    assert free["EMA, never"][0] != pytest.approx(free["EMA, never"][1], abs=1e-4)
    least, autoencoder = study.tabulate_bounds()
    assert autoencoder["PSNR (dB)"].value == pytest.approx(np.mean(free["k-means, never"][0]))
    assert autoencoder["PSNR (dB)"].value > least["PSNR (dB)"] + 1, "it has learned something"


def test_the_mean_image_is_told_of_all(images):
    mean = images.train.numpy().astype(float).mean(0).round()
    errors = np.square(images.held_out.numpy() - mean).mean((1, 2, 3))
    assert measure_mean_image(images)["psnr"] == pytest.approx((10 * np.log10(255**2 / errors)).mean())


def test_training_makes_images_better_and_curves_show_it(study, images):
    for row in study.rows:
        for one in study.results["4 bits"][row]:
            points = [one[f"psnr_after_{step}"] for step in study.points]
            assert points[-1] > points[0] + 0.5, row
            assert one["psnr_on_the_way"] == pytest.approx(np.mean(points))
            # Fewer images than are watched: the last point is the figure of the table.
            assert points[-1] == pytest.approx(one["psnr"], abs=1e-3)
    assert study.points == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    estimate = study.estimate_curve((4,), "EMA, never")[-1]
    assert estimate.value == study.tabulate((4,))[0]["PSNR (dB)"].value and estimate.n == 2
    rows = study.tabulate_convergence((4,))
    assert rows[0]["row"] == "EMA, never" and rows[0]["20 steps (dB)"] == estimate


def test_less_is_lost_where_more_is_reached():
    one = {"psnr": 20.0, "ssim": 0.5, "perplexity": 100.0, "psnr_on_the_way": 18.0}
    for kinds in image_study.LOSSES.values():
        for lost in kinds.values():
            assert lost({name: 1.1 * value for name, value in one.items()}) < lost(one)


def test_runs_are_those_of_their_images_and_networks(study, images, monkeypatch):
    assert len((study.out / "runs.jsonl").read_bytes().splitlines()) == 2 * 2 * 4
    monkeypatch.setattr(ImageStudy, "_run_one", lambda self, *run: pytest.fail("made anew"))
    study.load_or_run((4,), "EMA, never", 1)
    others = Images(images.train, images.held_out[:10])
    assert others.fingerprint != images.fingerprint == Images(*images).fingerprint
    with pytest.raises(pytest.fail.Exception, match="made anew"):
        ImageStudy(study.out, others, [(4,)], 2, 20, 8).load_or_run((4,), "EMA, never", 1)
    monkeypatch.setitem(quantised_images.GROUPS, "network", {"channels": 24, "halvings": 2, "blocks": 0})
    with pytest.raises(pytest.fail.Exception, match="made anew"):
        study.load_or_run((4,), "EMA, never", 1)


def test_unquantised_images_pass_the_decoder_alone(images):
    one = build_row(images)
    with torch.no_grad():
        wanted = one.likelihood.round_mean(one.decode_vectors(one.encode_vectors(images.held_out))).numpy()
    assert np.array_equal(reconstruct_unquantised(one, images.held_out), wanted)


def test_sizes_that_do_not_fit_are_refused(images):
    odd = Images(images.train[..., :15], images.held_out[..., :15])
    with pytest.raises(ConfigError, match="cannot be made 4 times smaller"):
        build_row(odd)
