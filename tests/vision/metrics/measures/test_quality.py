"""PSNR and SSIM by their definitions; the nearest image by a loop."""

import numpy as np
import pytest

from tests.vision.images import blobs, image_files
from vqspeech.vision.metrics.evaluations.images import find_nearest
from vqspeech.vision.metrics.measures.quality import psnr, ssim
from vqspeech.vision.metrics.reports.pictures import GAP, label_sheet, place_labels, tile_images, tile_pairs, write_png


def test_psnr_by_hand():
    one = np.full((2, 3, 4, 4), 100, np.uint8)
    other = one.copy()
    other[0] += 10
    other[1, 0, 0, 0] = 0
    assert psnr(one, other) == pytest.approx([10 * np.log10(255**2 / 100), 10 * np.log10(255**2 * 48 / 100**2)])
    assert np.isinf(psnr(one, one)).all()


def test_ssim_against_its_definition():
    one, other = blobs(2, 16, seed=0), blobs(2, 16, seed=1)
    weights = np.exp(-((np.arange(-5, 6)) ** 2) / (2 * 1.5**2))
    window = np.outer(weights, weights) / weights.sum() ** 2
    wanted = []
    for x, y in zip(one.astype(float), other.astype(float), strict=True):
        values = []
        for channel in range(3):
            for i in range(5, 11):
                for j in range(5, 11):
                    a, b = (z[channel, i - 5 : i + 6, j - 5 : j + 6] for z in (x, y))
                    mean_a, mean_b = (window * a).sum(), (window * b).sum()
                    var_a, var_b = (window * a * a).sum() - mean_a**2, (window * b * b).sum() - mean_b**2
                    both = (window * a * b).sum() - mean_a * mean_b
                    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
                    values.append(
                        (2 * mean_a * mean_b + c1) * (2 * both + c2)
                        / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
                    )  # fmt: skip
        wanted.append(np.mean(values))
    assert ssim(one, other) == pytest.approx(wanted, abs=1e-6)
    assert ssim(one, one) == pytest.approx([1, 1])


def test_ssim_of_many_is_that_of_each():
    one, other = blobs(150, 16, seed=0), blobs(150, 16, seed=1)
    found = ssim(one, other)
    alone = [ssim(one[i : i + 1], other[i : i + 1])[0] for i in (0, 63, 64, 127, 128, 149)]
    assert found.shape == (150,) and found[[0, 63, 64, 127, 128, 149]] == pytest.approx(alone, abs=1e-12)
    grey = ssim(one[:2, :1, :, :12], other[:2, :1, :, :12])  # neither square nor of three channels
    assert grey.shape == (2,) and ssim(one[:2, :1, :, :12], one[:2, :1, :, :12]) == pytest.approx([1, 1])


def test_the_nearest_image(tmp_path):
    known = image_files(tmp_path, 30, seed=0)
    images = np.concatenate([blobs(5, seed=2), known.pixels([17])])
    for batch in (7, 4096):
        found = find_nearest(images, known, batch)
        apart = (images[:, None].astype(float) - known.pixels(slice(None))[None]) ** 2
        distances = np.sqrt(apart.reshape(6, 30, -1).mean(2))
        assert found.index.tolist() == distances.argmin(1).tolist()
        assert found.distance == pytest.approx(distances.min(1), abs=1e-4)
        assert found.index[5] == 17 and found.distance[5] == 0, "a copy"


def test_sheets(tmp_path):
    import torch
    from PIL import Image

    images = blobs(5, 4)
    made = tile_images([images[:3], images[3:]], scale=2)
    assert made.shape == (2 * (8 + GAP), 3 * (8 + GAP), 3)
    assert np.array_equal(made[:8:2, :8:2].transpose(2, 0, 1), images[0])
    assert np.array_equal(made[10:18:2, 10:18:2].transpose(2, 0, 1), images[4])
    assert (made[10:, 20:] == 255).all(), "an empty place"
    both = tile_pairs(torch.from_numpy(images), torch.from_numpy(255 - images), columns=3)
    assert both.shape == (4 * (4 + GAP), 3 * (4 + GAP), 3)
    assert np.array_equal(both[:4, :4] + both[6:10, :4], np.full((4, 4, 3), 255)), "the other one is under it"
    grey = tile_images([images[:1, :1]])
    assert (grey[:, :, 0] == grey[:, :, 2]).all()
    labelled = label_sheet(made, "a title that is wider than the three images", place_labels("ab", len(made)))
    views = np.lib.stride_tricks.sliding_window_view(labelled, made.shape)[:, :, 0]
    [(top, left)] = np.argwhere((views == made).all((2, 3, 4)))
    assert labelled[:top, left:].min() < 128, "a title above the sheet, in lines"
    for first, last in ((0, 10), (10, 20)):
        assert labelled[top + first : top + last, :left].min() < 128, "a label beside each row"
    write_png(made, tmp_path / "a.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), made)
