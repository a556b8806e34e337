"""Bits of codes without a prior, and the table."""

import numpy as np
import pytest

from tests.vision.code_maps import SIZE, image_codes, moving
from vqspeech.vision.metrics import prior as measures
from vqspeech.vision.models.prior import ImagePrior, described


def test_unigrams_against_counting_one_by_one():
    random = np.random.default_rng(0)
    train, held = random.integers(0, 4, (9, 2, 3)), random.integers(0, 5, (4, 2, 3))
    everywhere = [(sum(int(c == k) for c in train.flat) + 1) / (train.size + 5) for k in range(5)]
    anywhere, places = (measures.unigram_bits(held, train, 5, one) for one in (False, True))
    for n, i, j in np.ndindex(*held.shape):
        k = held[n, i, j]
        assert anywhere[n, i, j] == pytest.approx(-np.log2(everywhere[k]))
        at_place = (sum(int(one[i, j] == k) for one in train) + 16 * everywhere[k]) / (9 + 16)
        assert places[n, i, j] == pytest.approx(-np.log2(at_place))


def test_codes_that_each_place_always_has_cost_a_place_nothing():
    maps = np.tile(np.arange(6).reshape(1, 2, 3), (5000, 1, 1))
    assert measures.unigram_bits(maps[:2], maps, 6, True).max() < 0.01
    assert measures.unigram_bits(maps[:2], maps, 6, False) == pytest.approx(np.full((2, 2, 3), np.log2(6)), rel=1e-3)


def test_the_table(tmp_path):
    codes = image_codes(tmp_path, moving(8), frames=2)
    options = {"layers": 1, "width": 4, "window": 3, "hidden": 4, "dropout": 0.0, "hidden_codes": 0.0, "withheld": 0.0}
    prior = ImagePrior({"prior": options}, codes.classes, described(codes)).eval()
    held = measures.held_out_bits(prior, measures.spread(codes, 6), codes)
    assert list(held) == ["uniform", "unigram", measures.PLACES, "prior", "prior, class not told"]
    assert held["uniform"] == pytest.approx(np.log2(SIZE))
    rows = {row["row"]: row for row in measures.rows(held, held, measures.groups_of(measures.spread(codes, 6)))}
    for name, bits in held.items():
        assert rows[name]["bits/code, held out"].value == pytest.approx(bits.mean()) and rows[name]["gap"] == 0
        assert rows[name]["bits/image, held out"].value == pytest.approx(25 * bits.mean())
        assert rows[name]["bits/code, held out"].n == 6
    spared = rows[f"spared by the prior beside the {measures.PLACES}"]["bits/code, held out"].value
    assert spared == pytest.approx(held[measures.PLACES].mean() - held["prior"].mean())


def test_images_spread_evenly_keep_their_rows(tmp_path):
    codes = image_codes(tmp_path, moving(9), frames=3)
    some = measures.spread(codes, 3)
    assert some.table.names == ["000", "004", "008"] and (some.codes == codes.codes[[0, 4, 8]]).all()
    assert measures.groups_of(some) == ["0", "1", "2"] and len(measures.spread(codes, 99)) == 9
