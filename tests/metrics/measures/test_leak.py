"""The speaker in the codes, where it is known how much of it there is."""

import numpy as np
import pytest
import soundfile

from tests.conftest import buzz
from vqspeech import audio
from vqspeech.data.datadir import Utterance
from vqspeech.errors import AudioError
from vqspeech.metrics.measures import leak

SPEAKERS = ["a"] * 8 + ["b"] * 8 + ["c"] * 8


def features(codes, size):
    return [leak.code_shares(one, 10.0, size) for one in codes]


def test_a_code_of_ones_own_gives_the_speaker_away():
    codes = [np.full(60, "abc".index(s)) for s in SPEAKERS]
    found = leak.accuracy(features(codes, 3), SPEAKERS)
    assert (found.value, found.low, found.high, found.n) == (1, 1, 1, 24)


def test_one_code_is_chance():
    shares = features([np.zeros(60, int)] * 24, 4)
    assert leak.accuracy(shares, SPEAKERS).value == pytest.approx(1 / 3, abs=1e-12)
    assert leak.chance(shares, SPEAKERS).value == pytest.approx(1 / 3)


def test_codes_that_do_not_depend_on_the_speaker_are_near_chance():
    random = np.random.default_rng(0)
    codes = [random.integers(0, 8, 300) for _ in SPEAKERS]
    assert leak.accuracy(features(codes, 8), SPEAKERS).value == pytest.approx(1 / 3, abs=0.12)


def test_codes_that_contradict_the_other_half_are_always_wrong():
    half = leak.split_halves(["a"] * 4 + ["b"] * 4)
    codes = [np.full(30, int(side) ^ (i >= 4)) for i, side in enumerate(half)]
    assert leak.accuracy(features(codes, 2), ["a"] * 4 + ["b"] * 4).value == 0


def test_against_the_nearest_mean_on_well_separated_codes():
    """An independent classifier, the nearest mean of the other half, agrees where the answer is clear."""
    random = np.random.default_rng(1)
    odds = random.dirichlet(np.full(12, 0.5), 3)
    codes = [random.choice(12, 300, p=odds["abc".index(s)]) for s in SPEAKERS]
    shares, names, half = features(codes, 12), np.array(SPEAKERS), leak.split_halves(SPEAKERS)
    right = []
    for i, one in enumerate(shares):
        others = {
            s: np.concatenate([shares[j] for j in np.flatnonzero((names == s) & (half != half[i]))]) for s in "abc"
        }
        for piece in one:
            right.append(min("abc", key=lambda s, p=piece: ((others[s].mean(0) - p) ** 2).sum()) == names[i])
    assert leak.accuracy(shares, SPEAKERS).value == np.mean(right) == 1


def test_halves_have_every_speaker():
    for speakers in (SPEAKERS, ["a", "a", "b", "b", "b"]):
        half = leak.split_halves(speakers, seed=3)
        for speaker in set(speakers):
            own = half[np.array(speakers) == speaker]
            assert abs((own == 0).sum() - (own == 1).sum()) <= 1 and len(set(own.tolist())) == 2


def test_pieces():
    assert [len(p) for p in leak.split_pieces(np.arange(29), 10.0)] == [29]
    assert [len(p) for p in leak.split_pieces(np.arange(65), 10.0)] == [33, 32]
    shares = leak.code_shares(np.array([0, 0, 0, 1]), 10.0, 3)
    assert shares == pytest.approx(np.sqrt([[0.75, 0.25, 0]]))


def test_who_can_be_told():
    assert leak.has_speaker_pair(["a", "b", "a", "c", "b"]).tolist() == [True, True, True, False, True]
    assert not leak.has_speaker_pair(["a", "a", "b"]).any() and not leak.has_speaker_pair([]).any()


def test_cepstra(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, buzz(7.0, 120), audio.RATE)
    found = leak.compute_cepstra(Utterance("a", "a", str(path)))
    assert found.shape == (2, 26) and np.isfinite(found).all() and (found[:, 13:] > 0).all()
    with pytest.raises(AudioError):
        leak.compute_cepstra(Utterance("a", "a", str(tmp_path / "b.wav")))
