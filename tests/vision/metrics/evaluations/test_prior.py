"""Bits of codes without a prior, and the table."""

from dataclasses import replace

import numpy as np
import pytest

from tests.vision.code_maps import SIZE, image_codes, moving
from vqspeech.vision.data.table import ImageTable
from vqspeech.vision.metrics.evaluations import prior as evaluation
from vqspeech.vision.metrics.evaluations.images import redraw_episodes
from vqspeech.vision.metrics.measures.unigram import unigram_bits
from vqspeech.vision.models.prior import ImagePrior, describe_codes


def test_unigrams_against_counting_one_by_one():
    random = np.random.default_rng(0)
    train, held = random.integers(0, 4, (9, 2, 3)), random.integers(0, 5, (4, 2, 3))
    everywhere = [(sum(int(c == k) for c in train.flat) + 1) / (train.size + 5) for k in range(5)]
    anywhere, places = (unigram_bits(held, train, 5, one) for one in (None, 16.0))
    for n, i, j in np.ndindex(*held.shape):
        k = held[n, i, j]
        assert anywhere[n, i, j] == pytest.approx(-np.log2(everywhere[k]))
        at_place = (sum(int(one[i, j] == k) for one in train) + 16 * everywhere[k]) / (9 + 16)
        assert places[n, i, j] == pytest.approx(-np.log2(at_place))


def test_codes_that_each_place_always_has_cost_a_place_nothing():
    maps = np.tile(np.arange(6).reshape(1, 2, 3), (5000, 1, 1))
    assert unigram_bits(maps[:2], maps, 6, 16.0).max() < 0.01
    assert unigram_bits(maps[:2], maps, 6) == pytest.approx(np.full((2, 2, 3), np.log2(6)), rel=1e-3)


def test_the_table(tmp_path):
    codes = image_codes(tmp_path, moving(8), frames=2)
    options = {
        "layers": 1,
        "width": 4,
        "window": 3,
        "hidden": 4,
        "dropout": 0.0,
        "hidden_codes": 0.0,
        "condition_dropout": 0.0,
    }
    prior = ImagePrior({"prior": options}, codes.classes, describe_codes(codes)).eval()
    held = evaluation.compute_bits(prior, evaluation.select_even(codes, 6), codes)
    assert list(held) == ["uniform", "unigram", evaluation.PLACES, "prior", "prior, class not told"]
    assert held["uniform"] == pytest.approx(np.log2(SIZE))
    rows = {
        row["row"]: row
        for row in evaluation.tabulate_bits(held, held, redraw_episodes(evaluation.select_even(codes, 6).table).groups)  # pyright: ignore
    }
    for name, bits in held.items():
        assert rows[name]["bits/code, held out"].value == pytest.approx(bits.mean()) and rows[name]["gap"] == 0
        assert rows[name]["bits/image, held out"].value == pytest.approx(25 * bits.mean())
        assert rows[name]["bits/code, held out"].n == 6
    saved = rows[f"saved by the prior beside the {evaluation.PLACES}"]["bits/code, held out"].value
    assert saved == pytest.approx(held[evaluation.PLACES].mean() - held["prior"].mean())


def test_images_spread_evenly_keep_their_rows(tmp_path):
    codes = image_codes(tmp_path, moving(9), frames=3)
    some = evaluation.select_even(codes, 3)
    assert some.table.names == ["000", "004", "008"] and (some.codes == codes.codes[[0, 4, 8]]).all()
    assert redraw_episodes(some.table).groups == ["0", "1", "2"] and len(evaluation.select_even(codes, 99)) == 9
    assert redraw_episodes(some.table).words == "intervals redraw 3 episodes"
    alone = redraw_episodes(replace(some.table, episodes=None, actions=None))
    assert alone.groups is None and alone.words == "intervals redraw images"


def test_the_strength_of_places_is_chosen_on_other_images(tmp_path):
    """Where a place says nothing, as on photographs, counting by place is worse than counting anywhere with a small
    strength, and with the chosen one it is not; where it says all, no strength is needed."""
    random = np.random.default_rng(0)
    table = image_codes(tmp_path, moving(8), frames=2)
    anywhere = random.choice(64, (60, 6, 6), p=np.arange(1, 65) / np.arange(1, 65).sum())
    train, other = (replace(table, codes=one, size=64) for one in (anywhere[:40], anywhere[40:]))
    train, other = (
        replace(one, table=ImageTable([str(i) for i in range(len(one.codes))], np.full(len(one.codes), -1)))
        for one in (train, other)
    )
    chosen = evaluation.choose_strength(train, other)
    bits = {s: unigram_bits(other.codes, train.codes, 64, s).mean() for s in (None, 16.0, chosen)}
    assert chosen >= 1024 and bits[16.0] > bits[None] + 0.2 and bits[chosen] < bits[None] + 0.02
    assert evaluation.choose_strength(train) >= 256, "a tenth of what is counted tells it, too"
    still = replace(train, codes=np.tile(random.integers(0, 64, (1, 6, 6)), (40, 1, 1)))
    assert evaluation.choose_strength(still) == evaluation.STRENGTHS[0]


def test_the_strength_is_chosen_on_episodes_that_are_not_counted(tmp_path):
    """Frames of an episode are alike: beside their own episode places say all, beside others nothing."""
    random, count = np.random.default_rng(0), 20
    table = image_codes(tmp_path, moving(8), frames=2)
    frames = random.integers(0, 64, (count, 6, 6)).repeat(5, 0)
    names, unknown = [str(i) for i in range(len(frames))], np.full(len(frames), -1)
    single = replace(table, codes=frames, size=64, table=ImageTable(names, unknown))
    episodes = replace(single, table=ImageTable(names, unknown, np.arange(count).repeat(5), unknown))
    assert evaluation.choose_strength(single) == evaluation.STRENGTHS[0]
    assert evaluation.choose_strength(episodes) >= 1024
    assert evaluation.choose_strength(episodes, single) == evaluation.STRENGTHS[0], "by the images that are given"
    other = replace(single, codes=random.integers(0, 64, frames.shape))
    assert evaluation.choose_strength(single, other) >= 1024
