"""Figures of video on cases whose answer is known: copying, unigram, horizons, obedience, drift."""

import numpy as np
import pytest
import torch

from tests.vision.worlds import ACTIONS, frames, small_model
from vqspeech.errors import ImageError
from vqspeech.metrics.measures.bootstrap import Estimate
from vqspeech.vision.data.images import Image, write_images
from vqspeech.vision.metrics.evaluations import held_out_clips, inverse_model, prediction
from vqspeech.vision.metrics.evaluations.controllability import summarise_rollouts
from vqspeech.vision.metrics.measures import quality, rollouts
from vqspeech.vision.metrics.measures.unigram import Copying, Unigram
from vqspeech.vision.metrics.reports.pictures import tile_videos


def test_unigram_by_hand():
    codes = np.array([[[0, 1]], [[0, 2]], [[0, 1]]], np.uint16)
    odds = Unigram(codes, 4, 2.0).odds
    every = np.array([4, 3, 2, 1]) / 10  # 3, 2, 1, 0 and one more each
    np.testing.assert_allclose(odds[:, 0, 0], (np.array([3, 0, 0, 0]) + 2 * every) / 5)
    np.testing.assert_allclose(odds[:, 0, 1], (np.array([0, 2, 1, 0]) + 2 * every) / 5)
    assert Unigram(codes, 4).likeliest.tolist() == [[0, 1]]
    found = Unigram(codes, 4, 2.0).probabilities(np.array([[[3, 2]]]))
    np.testing.assert_allclose(found, [[[odds[3, 0, 0], odds[2, 0, 1]]]])


def test_copying_finds_the_chance_that_a_code_stays():
    draw = np.random.default_rng(0)
    first = draw.integers(0, 64, (300, 1, 4, 5))
    other = draw.integers(0, 64, (300, 2, 4, 5))
    stay = draw.random(other.shape) < np.array([0.9, 0.4])[:, None, None]
    clips = np.concatenate([first, np.where(stay, first, other)], 1)
    even = np.arange(64, dtype=np.uint16)[:, None, None].repeat(4, 1).repeat(5, 2)
    unigram = Unigram(even, 64)
    copying = Copying(unigram, clips, 1)
    np.testing.assert_allclose(copying.shares, [0.9, 0.4], atol=0.02)
    bits = copying.bits(clips, 1)
    assert bits.shape == (300, 2, 4, 5)
    lost = -(0.9 * np.log2(0.9 + 0.1 / 64)) - 0.1 * np.log2(0.1 / 64)
    assert bits[:, 0].mean() == pytest.approx(lost, abs=0.1) and bits[:, 1].mean() > bits[:, 0].mean()
    kept = clips[:, :1].repeat(3, 1)
    assert (Copying(unigram, kept, 1).bits(kept, 1) < 1e-6).all(), "what never changes costs nothing"


def test_rows_have_a_column_a_horizon():
    found = np.arange(2 * 5).reshape(2, 5, 1, 1).astype(float).repeat(3, 2)
    (row,) = held_out_clips.tabulate_horizons({"a": found}, ["x", "y"], [1, 3, 10])
    assert [key for key in row if key != "row"] == ["horizon 1", "horizon 3", "all 5"]
    assert row["horizon 3"].value == pytest.approx((2 + 7) / 2) and row["all 5"].value == pytest.approx(4.5)
    assert row["horizon 1"].n == 2 and row["horizon 1"].low <= 2.5 <= row["horizon 1"].high


def test_intervals_redraw_episodes_and_not_their_clips():
    """Clips of an episode are alike: two episodes of many clips leave an interval as wide as the two differ."""
    found = np.repeat([0.0, 1.0], 50)[:, None] + np.zeros((100, 3))
    of_two = [name for name in "xy" for _ in range(50)]
    (row,) = held_out_clips.tabulate_horizons({"a": found}, of_two, [1])
    assert (row["horizon 1"].low, row["horizon 1"].high) == (row["all 3"].low, row["all 3"].high) == (0, 1)
    (row,) = held_out_clips.tabulate_horizons({"a": found}, ["x"] * 100, [1])
    assert np.isnan(row["horizon 1"].low) and np.isnan(row["all 3"].high), "of one episode nothing follows"


def test_decibels_of_an_interval():
    one = np.full((2, 3, 3, 4, 4), 100, np.uint8)
    errors = quality.square_errors(one, one + np.array([5, 0], np.uint8)[:, None, None, None, None])
    assert errors.tolist() == [[25.0] * 3, [0.0] * 3]
    (row,) = prediction.transform_estimates([{"row": "a", "x": Estimate(25.0, 16.0, 36.0, 9)}], quality.psnr_from_error)
    assert row["x"].value == pytest.approx(10 * np.log10(255**2 / 25))
    assert row["x"].low < row["x"].value < row["x"].high and row["row"] == "a"
    assert quality.psnr_from_error(0.0) == 99.0


def test_recovered_weighs_actions_the_same():
    done = np.array([0] * 90 + [1] * 10)
    always = rollouts.balanced_recall(np.zeros(100, np.int64), done, np.arange(100) % 7, 3)
    assert always.value == 0.5 and always.n == 100, "the majority alone is chance"
    perfect = rollouts.balanced_recall(done, done, np.arange(100) % 7, 3)
    assert (perfect.value, perfect.low, perfect.high) == (1.0, 1.0, 1.0)
    assert rollouts.balanced_recall(1 - done, done, np.arange(100) % 7, 3).value == 0.0
    drawn = np.random.default_rng(0).integers(0, 3, 3000)
    chance = rollouts.balanced_recall(np.random.default_rng(1).integers(0, 3, 3000), drawn, np.arange(3000) % 50, 3)
    assert chance.low < 1 / 3 < chance.high
    # Of twelve episodes half are recognised as a whole: by episodes the interval is three times as wide.
    episodes, actions = np.arange(240) // 20, np.arange(240) % 2
    said = np.where(episodes % 2, actions, 2)
    whole, alone = (rollouts.balanced_recall(said, actions, groups, 3) for groups in (episodes, np.arange(240)))
    assert whole.value == alone.value == 0.5 and whole.high - whole.low > 3 * (alone.high - alone.low)


def test_the_inverse_model_reads_actions(tmp_path):
    train = write_images(tmp_path / "train", frames(12, 25, 0), ["bars"], ACTIONS)
    held = write_images(tmp_path / "held", frames(4, 25, 1), ["bars"], ACTIONS)
    model = inverse_model.fit_inverse_model(train, 60)
    pairs = inverse_model.draw_pairs(held, 50)
    assert len(pairs.frames) == 50
    assert held.table.actions is not None and held.table.episodes is not None
    assert (pairs.actions == held.table.actions[pairs.frames]).all()
    assert (held.table.episodes[pairs.frames] == held.table.episodes[pairs.frames + 1]).all()
    before, after = held.pixels(pairs.frames), held.pixels(pairs.frames + 1)
    right = rollouts.balanced_recall(model.logits(before, after).argmax(1), pairs.actions, pairs.groups, 2)
    assert right.value > 0.9
    np.testing.assert_allclose(model.logits(before, after, size=7), model.logits(before, after), atol=1e-4)
    still = model.logits(before, before[::-1].copy()).argmax(1)
    assert rollouts.balanced_recall(still, pairs.actions, pairs.groups, 2).value < 0.75, "other frames tell nothing"


def test_pairs_need_actions_and_neighbours(tmp_path):
    alone = [Image(str(i), np.full((3, 12, 16), i, np.uint8), 0, i, 0) for i in range(3)]
    with pytest.raises(ImageError, match="no two frames follow each other"):
        inverse_model.draw_pairs(write_images(tmp_path / "alone", alone, ["a"], ACTIONS), 5)
    bare = [Image(str(i), np.full((3, 12, 16), i, np.uint8), 0) for i in range(3)]
    with pytest.raises(ImageError, match="has no actions"):
        inverse_model.draw_pairs(write_images(tmp_path / "bare", bare, ["a"]), 5)


def test_divergence():
    assert rollouts.jensen_shannon(np.array([3, 1]), np.array([6, 2])) == pytest.approx(0)
    assert rollouts.jensen_shannon(np.array([3, 0]), np.array([0, 2])) == pytest.approx(1)
    by_hand = 0.5 * np.log2(1 / 0.75) + 0.5 * (0.5 * np.log2(0.5 / 0.75) + 0.5 * np.log2(0.5 / 0.25))
    assert rollouts.jensen_shannon(np.array([4, 0]), np.array([1, 1])) == pytest.approx(by_hand)
    assert rollouts.count_codes(np.array([[[0, 2]], [[1, 1]]]), 3).tolist() == [[1, 0, 1], [0, 2, 0]]


def test_frames_that_stand_still_do_not_change():
    model = small_model()
    codes = np.random.default_rng(0).integers(0, 8, (2, 1, 3, 4)).repeat(5, 1)
    pixels = model.decode(torch.from_numpy(codes.reshape(-1, 3, 4))).numpy().reshape(2, 5, 3, 12, 16)
    row = summarise_rollouts("still", codes, pixels, codes.reshape(-1, 3, 4), model, ["a", "b"])
    assert row["codes that change"].value == 0 and row["divergence of codes, bits"].value == pytest.approx(0)
    found = model.encode(torch.from_numpy(pixels[:, 0])).numpy() == codes[:, 0]
    assert row["codes found again"].value == pytest.approx(found.mean())
    assert row["contrast"].value == pytest.approx(pixels[:, 0].astype(float).std((-2, -1)).mean(), rel=1e-4)


def test_videos_stand_side_by_side():
    videos = [np.full((2, 3, 4, 5), i, np.uint8) for i in range(3)]
    shown = tile_videos(videos, columns=2, scale=1)
    assert len(shown) == 2 and shown[0].shape == (2 * 6, 2 * 7, 3)
    assert shown[0][0, 0, 0] == 0 and shown[0][0, 7, 0] == 1 and shown[0][6, 0, 0] == 2 and shown[0][6, 7, 0] == 255


def test_what_the_past_and_the_actions_are_worth_is_said_in_words():
    ours, theirs = np.full((2, 3, 1, 1), 4.0), np.full((2, 3, 1, 1), 5.0)
    told = "the prior, told what was done, takes"
    assert prediction.describe_comparison("x", ours, theirs, [1, 2, 3]) == f"{told} fewer bits than x at every horizon"
    theirs[:, 1:] = 3.9
    said = prediction.describe_comparison("x", ours, theirs, [1, 2, 3])
    assert said == f"{told} fewer bits than x at horizon 1, and no fewer at 2, 3"
    assert prediction.describe_comparison("x", theirs, theirs, [1, 3]) == f"{told} no fewer bits than x at any horizon"
