"""Clips of episodes: where they lie, what was done, and what is refused."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.vision.episodes import codes_of
from vqspeech.errors import ImageError
from vqspeech.vision.data.clips import Clips, find_episodes

KNOWN = ["left", "forward"]


@example([3, 7], 4, 0)
@example([3], 4, 0)
@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 6), st.integers(0, 50))
def test_clips_lie_within_an_episode(lengths, length, seed):
    codes = codes_of(lengths)
    if max(lengths) < length:
        with pytest.raises(ImageError, match=f"has {max(lengths)} frames, but a clip takes {length}; record longer"):
            Clips(codes, length, ["forward", "left"])
        return
    clips = Clips(codes, length, ["forward", "left"])
    for batch in (clips.random(6, seed, 0), clips.even(6)):
        assert batch.codes.shape[:2] == (6, length) and batch.actions.shape == (6, length)
        number = batch.codes[:, :, 0, 0]  # that of the episode
        assert (number == number[:, :1]).all()
        moment = batch.codes[:, :, 0, 1]  # that of the frame in it
        assert (moment.diff(dim=1) == 1).all()
        done = batch.codes[:, :, 1, 0]
        assert (batch.actions == 1 + done).all()
    starts, numbers = clips.starts(6)
    assert (codes.codes[starts, 0, 0] == numbers).all()
    assert (codes.codes[starts] == clips.even(6).codes[:, 0].numpy()).all()


def test_random_clips_are_a_function_of_seed_step_and_process():
    clips = Clips(codes_of([9, 9, 9]), 3, ["forward", "left"])
    first = clips.random(8, 1, 2, 0)
    assert (clips.random(8, 1, 2, 0).codes == first.codes).all()
    for other in [(2, 2, 0), (1, 3, 0), (1, 2, 1)]:
        assert (clips.random(8, *other).codes != first.codes).any()


def test_actions_are_told_by_name():
    codes = codes_of([6])
    swapped, plain = (Clips(codes, 6, known).even(1).actions[0] for known in (KNOWN, KNOWN[::-1]))
    assert (swapped == 3 - plain).all()
    unknown = codes_of([6], actions=[-1] * 6)
    assert (Clips(unknown, 6, []).even(1).actions == 0).all()
    with pytest.raises(ImageError, match="actions left are unknown; those known are forward"):
        Clips(codes, 6, ["forward"])


def test_images_that_are_no_frames():
    codes = codes_of([6])
    bare = codes.table.__class__(codes.table.names, codes.table.labels)
    with pytest.raises(ImageError, match="not frames of episodes; prepare frames"):
        find_episodes(bare, "CODES")


def test_an_episode_ends_where_another_begins():
    found = find_episodes(codes_of([3, 1, 4], numbers=[7, 2, 5]).table, "CODES")
    assert found.numbers.tolist() == [7, 2, 5] and found.starts.tolist() == [0, 3, 4]
    assert found.lengths.tolist() == [3, 1, 4] and found.select_min_length(3, "CODES").numbers.tolist() == [7, 5]
    assert np.array_equal(found.select_min_length(1, "CODES").starts, found.starts)
