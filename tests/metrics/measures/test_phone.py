"""Phone measures against slow oracles that count with dictionaries, and where the answer is known."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqspeech.data.phones import INDEX, PHONES
from vqspeech.metrics.measures import bootstrap, phone

SIZE = 5


def pairs(codes, phones):
    return [
        (k, p) for some, others in zip(codes, phones, strict=True) for k, p in zip(some, others, strict=True) if p >= 0
    ]


def map_oracle(codes, phones, size):
    seen = pairs(codes, phones)
    overall = Counter(p for _, p in seen)
    common = min(overall, key=lambda p: (-overall[p], p)) if overall else 0
    found = []
    for code in range(size):
        own = Counter(p for k, p in seen if k == code)
        found.append(min(own, key=lambda p: (-own[p], p)) if own else common)
    return found


def accuracy_oracle(mapping, codes, phones):
    seen = pairs(codes, phones)
    return sum(mapping[k] == p for k, p in seen) / len(seen)


def cluster_purity_oracle(codes, phones):
    seen = pairs(codes, phones)
    return sum(max(Counter(k for k, p in seen if p == q).values()) for q in {p for _, p in seen}) / len(seen)


def pnmi_oracle(codes, phones):
    seen = pairs(codes, phones)
    n, joint = len(seen), Counter(seen)
    pk, pp = Counter(k for k, _ in seen), Counter(p for _, p in seen)
    mutual = sum(c / n * math.log(c * n / (pk[k] * pp[p])) for (k, p), c in joint.items())
    entropy = -sum(c / n * math.log(c / n) for c in pp.values())
    return mutual / entropy if entropy else 0.0


def arrays(lists):
    return [np.array(some, dtype=np.int64) for some in lists]


corpora = st.lists(
    st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(-1, 4)), min_size=0, max_size=12), min_size=2, max_size=5
).filter(lambda utterances: any(p >= 0 for some in utterances for _, p in some))


@given(corpora)
@settings(max_examples=60, deadline=None)
def test_against_oracles(utterances):
    codes = arrays([[k for k, _ in some] for some in utterances])
    phones = arrays([[p for _, p in some] for some in utterances])
    mapping = map_oracle(codes, phones, SIZE)
    assert phone.map_codes(codes, phones, SIZE).tolist() == mapping
    assert phone.mapping_accuracy(codes, phones, SIZE).value == pytest.approx(accuracy_oracle(mapping, codes, phones))
    assert phone.phone_purity(codes, phones, SIZE) == phone.mapping_accuracy(codes, phones, SIZE)
    assert phone.cluster_purity(codes, phones, SIZE).value == pytest.approx(cluster_purity_oracle(codes, phones))
    assert phone.pnmi(codes, phones, SIZE).value == pytest.approx(pnmi_oracle(codes, phones), abs=1e-9)
    one = [np.zeros_like(some) for some in codes]
    common = accuracy_oracle(map_oracle(one, phones, 1), one, phones)
    assert phone.likeliest_phone_accuracy(phones).value == pytest.approx(common)
    for measure in (phone.mapping_accuracy, phone.cluster_purity, phone.pnmi):
        found = measure(codes, phones, SIZE)
        assert found.n == sum(any(p >= 0 for p in some) for some in phones)
        assert math.isnan(found.low) or 0 <= found.low <= found.high <= 1


@given(corpora, st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_held_out_against_oracle(utterances, seed):
    codes = arrays([[k for k, _ in some] for some in utterances])
    phones = arrays([[p for _, p in some] for some in utterances])
    half = np.random.default_rng(seed).permutation(len(codes)) % 2
    hits = total = 0
    for side in (0, 1):
        fit, score = [np.flatnonzero(half == s) for s in (1 - side, side)]
        mapping = map_oracle([codes[i] for i in fit], [phones[i] for i in fit], SIZE)
        for k, p in pairs([codes[i] for i in score], [phones[i] for i in score]):
            hits, total = hits + (mapping[k] == p), total + 1
    assert phone.held_out_accuracy(codes, phones, SIZE, seed).value == pytest.approx(hits / total)


def everything(codes, phones, size):
    measures = (phone.mapping_accuracy, phone.held_out_accuracy, phone.cluster_purity, phone.pnmi)
    return [measure(codes, phones, size) for measure in measures]


def test_codes_that_are_the_phones_score_one():
    random = np.random.default_rng(0)
    phones = [random.permutation(np.arange(41).repeat(3)) for _ in range(6)]
    renamed = random.permutation(41)
    for found in everything([renamed[p] for p in phones], phones, 41):
        assert (found.value, found.low, found.high, found.n) == (
            pytest.approx(1),
            pytest.approx(1),
            pytest.approx(1),
            6,
        )


def test_codes_that_split_phones_are_pure_but_scatter():
    phones = [np.tile([3, 4], 50) for _ in range(4)]
    codes = [np.arange(100) % 4 for _ in range(4)]  # two codes a phone
    accuracy, held_out, cluster, pnmi = (found.value for found in everything(codes, phones, 4))
    assert (accuracy, held_out, cluster, pnmi) == (1, 1, pytest.approx(0.5), pytest.approx(1))


def test_one_code_tells_nothing():
    phones = [np.array([0, 0, 0, 5, 6]) for _ in range(4)]
    codes = [np.zeros(5, dtype=int) for _ in range(4)]
    accuracy, held_out, cluster, pnmi = everything(codes, phones, 8)
    assert pnmi.value == pnmi.low == pnmi.high == 0
    assert accuracy.value == held_out.value == phone.likeliest_phone_accuracy(phones).value == 0.6
    assert cluster.value == 1


def test_independent_codes_tell_nothing():
    phones, codes = [np.repeat([2, 3], 6)] * 2, [np.tile([0, 1, 2], 4)] * 2
    assert phone.pnmi(codes, phones, 3).value == pytest.approx(0, abs=1e-12)
    assert phone.mapping_accuracy(codes, phones, 3).value == 0.5


def test_a_map_that_never_fits_the_other_half_scores_zero():
    """Each half is consistent in itself and contradicts the other."""
    half = np.random.default_rng(0).permutation(2) % 2
    phones = [np.full(4, 2 + side) for side in half]
    codes = [np.zeros(4, dtype=int)] * 2
    assert phone.held_out_accuracy(codes, phones, 1).value == 0


def test_random_codes_are_at_chance_held_out_and_above_it_the_papers_way():
    random = np.random.default_rng(1)
    phones = [random.integers(0, 41, 100) for _ in range(20)]
    codes = [random.integers(0, 500, 100) for _ in range(20)]
    assert phone.held_out_accuracy(codes, phones, 500).value == pytest.approx(1 / 41, abs=0.01)
    assert phone.mapping_accuracy(codes, phones, 500).value > 0.2
    assert phone.pnmi(codes, phones, 500).value > 0.2


def test_shuffling_keeps_the_codes_of_an_utterance_and_loses_the_phones():
    random = np.random.default_rng(2)
    phones = [random.integers(0, 41, 200) for _ in range(10)]
    mixed = phone.shuffle_codes(phones, seed=3)
    assert all(np.array_equal(np.sort(a), np.sort(b)) for a, b in zip(mixed, phones, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(mixed, phone.shuffle_codes(phones, seed=3), strict=True))
    assert phone.held_out_accuracy(mixed, phones, 41).value < 0.08


def test_speech_only_leaves_silence_and_noise_out():
    phones = [np.array([INDEX["sil"], INDEX["spn"], INDEX["aa"], -1])]
    assert phone.mask_silence(phones)[0].tolist() == [-1, -1, INDEX["aa"], -1]
    assert phones[0][0] == INDEX["sil"]


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    random = np.random.default_rng(4)
    covered = 0
    for _ in range(60):
        rates = random.beta(8, 8, size=40)  # how good the codes are differs between utterances
        phones = [random.integers(2, 41, 60) for _ in rates]
        codes = [np.where(random.random(60) < r, p, 0) for r, p in zip(rates, phones, strict=True)]
        found = phone.mapping_accuracy(codes, phones, 41)
        covered += found.low <= 0.5 + 0.5 / 39 <= found.high
    assert 50 <= covered <= 60


def test_statistic_is_centred_and_narrows():
    random = np.random.default_rng(5)
    phones = [random.integers(0, 41, 50) for _ in range(160)]
    codes = [np.where(random.random(50) < 0.5, p, random.integers(0, 41, 50)) for p in phones]
    few, many = phone.pnmi(codes[:40], phones[:40], 41), phone.pnmi(codes, phones, 41)
    for found in (few, many):
        assert found.low < found.value < found.high
    assert many.high - many.low < 0.7 * (few.high - few.low)


def test_statistic_agrees_with_the_standard_error_of_a_mean():
    values = np.random.default_rng(6).normal(size=400)
    found = bootstrap.estimate_statistic(
        lambda weights: float((weights * values).sum() / weights.sum()), 400, draws=2000
    )
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_too_little_to_say():
    nothing = phone.mapping_accuracy([np.array([1])], [np.array([-1])], 2)
    assert math.isnan(nothing.value) and nothing.n == 0
    assert math.isnan(phone.pnmi([np.array([1])], [np.array([-1])], 2).value)
    assert math.isnan(phone.held_out_accuracy([np.array([1])], [np.array([3])], 2).value)
    single = phone.pnmi([np.array([0, 1])], [np.array([2, 3])], 2)
    assert single.value == pytest.approx(1) and math.isnan(single.low)


@pytest.mark.parametrize(("codes", "phones"), [([1, 2], [1]), ([5], [1]), ([-1], [1]), ([1], [len(PHONES)])])
def test_wrong_arrays(codes, phones):
    with pytest.raises(ValueError, match="must"):
        phone.count_pairs(arrays([codes]), arrays([phones]), SIZE)
