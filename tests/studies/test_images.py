import numpy as np
import pytest
import torch

from tests.vision.images import blobs
from vqspeech.errors import ConfigError
from vqspeech.studies import images as image_study
from vqspeech.studies import quantised_images
from vqspeech.studies.images import ImageStudy
from vqspeech.studies.quantised_images import Images, mean_image, model, qualities, reconstructed, trained, unquantised
from vqspeech.studies.rates import called
from vqspeech.vision.metrics.quality import psnr

METHODS = ("gradient, never", "EMA, never", "NSVQ, never", "soft EM, τ = 1, never", "k-means, never")


@pytest.fixture(scope="module")
def seen() -> Images:
    pytest.importorskip("skimage")
    return Images(*(torch.from_numpy(blobs(number, 16, seed=seed)) for number, seed in ((200, 0), (40, 1))))


@pytest.fixture(scope="module")
def study(seen, tmp_path_factory) -> ImageStudy:
    study = ImageStudy(tmp_path_factory.mktemp("images"), seen, [(2,), (4,)], 2, 20, 8)
    study.methods = {name: ImageStudy.methods[name] for name in ("EMA", "k-means")}
    study.run()
    return study


def made(seen, row="EMA, never", codes=8, seed=0):
    study = ImageStudy.__new__(ImageStudy)
    study.steps = 20
    return model(study.rows[row], codes, seen, seed)


def test_all_methods_set_out_from_the_same(seen):
    first, other = made(seen), made(seen, seed=1)
    for row in METHODS:
        one = made(seen, row, 32)
        for part in ("encoder", "decoder"):
            wanted = getattr(first, part).state_dict()
            for name, tensor in getattr(one, part).state_dict().items():
                torch.testing.assert_close(tensor, wanted[name], rtol=0, atol=0)
        torch.testing.assert_close(one.quantizer.weight[:8], first.quantizer.weight, msg=row)
    assert not torch.equal(other.quantizer.weight, first.quantizer.weight)
    assert not torch.equal(other.encoder.projection.weight, first.encoder.projection.weight)
    strength = float(first.encoded(seen.train[:128]).detach().square().mean().sqrt())
    assert float(made(seen, codes=4096).quantizer.weight.detach().std()) == pytest.approx(strength, rel=0.02)


def test_all_methods_are_shown_the_same_images(seen, monkeypatch):
    shown = {}
    for row in METHODS:
        one, batches = made(seen, row), []
        forward = one.forward

        def kept(batch, forward=forward, batches=batches):
            batches.append(batch.images)
            return forward(batch)

        monkeypatch.setattr(one, "forward", kept)
        steps = []
        trained(one, seen, 5, 8, 1e-3, 3, False, steps.append)
        assert steps == [1, 2, 3, 4, 5] and not one.training
        shown[row] = torch.stack(batches)
    assert all(torch.equal(shown[row], shown[METHODS[0]]) for row in METHODS)
    assert len({tuple(batch.flatten().tolist()) for batch in shown[METHODS[0]]}) == 5


def test_a_code_for_every_latent_loses_nothing(seen):
    one = made(seen, codes=40 * 16)
    with torch.no_grad():
        one.quantizer.start(one.encoded(seen.held_out).transpose(1, 2).flatten(0, 1))
    found = qualities(one, seen.held_out)
    assert found["psnr"] == pytest.approx(found["psnr_unquantised"], abs=1e-3)
    assert found["dead"] < 5 and found["perplexity"] > 600


def test_images_are_those_of_the_nearest_codes(seen):
    one = made(seen, codes=5)
    again, counts = reconstructed(one, seen.held_out)
    latents = one.encoded(seen.held_out).detach().numpy()  # (images, dimension, places)
    weight = one.quantizer.weight.detach().numpy()
    codes = np.array([[np.square(weight - z).sum(1).argmin() for z in image.T] for image in latents])
    assert counts.tolist() == np.bincount(codes.ravel(), minlength=5).tolist()
    with torch.no_grad():
        outputs = one.decoded(torch.from_numpy(weight[codes].transpose(0, 2, 1)))
    wanted = ((outputs + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    assert np.abs(again.astype(int) - wanted).max() <= 1  # rounded either way
    assert one.training, "as it was"
    found = qualities(one, seen.held_out)
    assert found["psnr"] == pytest.approx(psnr(seen.held_out.numpy(), wanted).mean(), abs=0.01)


def test_codes_that_none_chooses_are_dead(seen):
    one = made(seen, codes=4)
    with torch.no_grad():
        one.quantizer.start(torch.cat([one.encoded(seen.held_out)[0, :, :1].T, torch.full((3, one.dimension), 1e3)]))
    found = qualities(one, seen.held_out)
    assert found["dead"] == 3 and found["perplexity"] == pytest.approx(1)


def test_k_means_is_fitted_beside_an_autoencoder_that_learns_without(study):
    # So the autoencoder is the same at every rate and under every policy, and others are not.
    free = {
        row: [[one["psnr_unquantised"] for one in study.found[called(bits)][row]] for bits in study.rates]
        for row in study.rows
    }
    assert free["k-means, never"][0] == pytest.approx(free["k-means, never"][1], abs=1e-4)
    assert free["k-means, never"] == pytest.approx(np.array(free["k-means, by batches"]), abs=1e-4)
    assert free["EMA, never"][0] != pytest.approx(free["EMA, never"][1], abs=1e-4)
    least, autoencoder = study.bounds()
    assert autoencoder["PSNR (dB)"].value == pytest.approx(np.mean(free["k-means, never"][0]))
    assert autoencoder["PSNR (dB)"].value > least["PSNR (dB)"] + 1, "it has learned something"


def test_the_mean_image_is_told_of_all(seen):
    mean = seen.train.numpy().astype(float).mean(0).round()
    errors = np.square(seen.held_out.numpy() - mean).mean((1, 2, 3))
    assert mean_image(seen)["psnr"] == pytest.approx((10 * np.log10(255**2 / errors)).mean())


def test_training_makes_images_better_and_curves_show_it(study, seen):
    for row in study.rows:
        for one in study.found["4 bits"][row]:
            points = [one[f"psnr_after_{step}"] for step in study.points]
            assert points[-1] > points[0] + 0.5, row
            assert one["psnr_on_the_way"] == pytest.approx(np.mean(points))
            # Fewer images than are watched: the last point is the figure of the table.
            assert points[-1] == pytest.approx(one["psnr"], abs=1e-3)
    assert study.points == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    estimate = study.curve((4,), "EMA, never")[-1]
    assert estimate.value == study.table((4,))[0]["PSNR (dB)"].value and estimate.n == 2
    rows = study.convergence((4,))
    assert rows[0]["row"] == "EMA, never" and rows[0]["20 steps (dB)"] == estimate


def test_less_is_lost_where_more_is_reached():
    one = {"psnr": 20.0, "ssim": 0.5, "perplexity": 100.0, "psnr_on_the_way": 18.0}
    for kinds in image_study.LOST.values():
        for lost in kinds.values():
            assert lost({name: 1.1 * value for name, value in one.items()}) < lost(one)


def test_runs_are_those_of_their_images_and_networks(study, seen, monkeypatch):
    assert len((study.out / "runs.jsonl").read_bytes().splitlines()) == 2 * 2 * 4
    monkeypatch.setattr(ImageStudy, "_figures", lambda self, *run: pytest.fail("made anew"))
    study.figures((4,), "EMA, never", 1)
    others = Images(seen.train, seen.held_out[:10])
    assert others.fingerprint != seen.fingerprint == Images(*seen).fingerprint
    with pytest.raises(pytest.fail.Exception, match="made anew"):
        ImageStudy(study.out, others, [(4,)], 2, 20, 8).figures((4,), "EMA, never", 1)
    monkeypatch.setitem(quantised_images.GROUPS, "network", {"channels": 24, "halvings": 2, "blocks": 0})
    with pytest.raises(pytest.fail.Exception, match="made anew"):
        study.figures((4,), "EMA, never", 1)


def test_unquantised_images_pass_the_decoder_alone(seen):
    one = made(seen)
    with torch.no_grad():
        wanted = one.likelihood.best(one.decoded(one.encoded(seen.held_out))).numpy()
    assert np.array_equal(unquantised(one, seen.held_out), wanted)


def test_sizes_that_do_not_fit_are_refused(seen):
    odd = Images(seen.train[..., :15], seen.held_out[..., :15])
    with pytest.raises(ConfigError, match="cannot be made 4 times smaller"):
        made(odd)
