"""ABX against a slow oracle that goes through every path and every triple."""

import math
from collections import defaultdict
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics.aligned_speech import sentence, spoken
from vqspeech.data.phones import INDEX
from vqspeech.metrics.measures import abx, warping

SIZE = 6
sequences = st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=5)


def paths(n, m):
    """Every path from (0, 0) to (n - 1, m - 1)."""
    if (n, m) == (1, 1):
        return [[(0, 0)]]
    before = [(n - 1, m), (n, m - 1), (n - 1, m - 1)]
    return [[*path, (n - 1, m - 1)] for a, b in before if a and b for path in paths(a, b)]


def warped_oracle(x, y, distances):
    costs = [(sum(distances[x[i]][y[j]] for i, j in path), len(path)) for path in paths(len(x), len(y))]
    cost, length = min(costs)
    return cost / length


def random_distances(seed):
    table = np.random.default_rng(seed).integers(0, 5, (SIZE, SIZE))
    return (np.triu(table, 1) + np.triu(table, 1).T).astype(np.float32)


@given(sequences, sequences, st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_warping_against_oracle(x, y, seed):
    table = random_distances(seed) if seed else abx.identity_distances(SIZE)
    found = warping.warped_distance(np.array(x, np.int32), np.array(y, np.int32), table)
    assert found == pytest.approx(warped_oracle(x, y, table), abs=1e-12)
    assert found == warping.warped_distance(np.array(y, np.int32), np.array(x, np.int32), table)


def tokens_oracle(utterances, triphones):
    """(codes, sound, context, speaker, utterance) of every token, from the intervals."""
    found = []
    for number, one in enumerate(utterances):
        rows = list(zip(*(some.tolist() for some in one.segments), strict=True))
        for i, (start, end, phone) in enumerate(rows):
            context = None
            if phone < 2:
                continue
            if triphones:
                if i in (0, len(rows) - 1) or rows[i - 1][2] < 2 or rows[i + 1][2] < 2:
                    continue
                context, start, end = (rows[i - 1][2], rows[i + 1][2]), rows[i - 1][0], rows[i + 1][1]
            codes = [c for n, c in enumerate(one.codes.tolist()) if start <= (n + 0.5) / one.rate < end]
            found.append((codes, phone, context, one.speaker, number))
    return found


def error_oracle(tokens, distances, across):
    """The error, averaged from the triples up as the docstring says."""
    known = {}

    def d(one, other):
        key = (tuple(one[0]), tuple(other[0]))
        if key not in known:
            known[key] = warped_oracle(*key, distances)
        return known[key]

    cells = defaultdict(list)
    for x in tokens:
        for a in tokens:
            same_sound = a is not x and a[1:3] == x[1:3] and (a[3] != x[3]) == across
            for b in tokens if same_sound else ():
                if b[1] != a[1] and b[2:4] == a[2:4]:
                    near, far = d(a, x), d(b, x)
                    cells[a[1], b[1], a[3], a[2], x[3]].append(0.5 if near == far else float(far < near))
    levels = defaultdict(lambda: defaultdict(list))
    for (sound, other, speaker, *_), errors in cells.items():
        levels[sound, other][speaker].append(fmean(errors))
    return fmean(fmean(fmean(some) for some in by_speaker.values()) for by_speaker in levels.values())


def corpus(noise=0.4, seed=0):
    """Three speakers, two sentences each, of few phones in few contexts."""
    random = np.random.default_rng(seed)
    return [
        sentence(f"{speaker}-{i}", speaker, random.integers(1, 4, 14).tolist(), seed * 100 + i * 10 + k, SIZE, noise, 1)
        for k, speaker in enumerate("abc")
        for i in range(2)
    ]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("triphones", [False, True])
def test_error_against_oracle(triphones, across, seed):
    utterances, table = corpus(seed=seed), random_distances(seed) if seed else abx.identity_distances(SIZE)
    tokens = abx.find_triphones(utterances) if triphones else abx.find_phones(utterances)
    found = abx.estimate_error(tokens, table, across, most=99)
    assert found.value == pytest.approx(error_oracle(tokens_oracle(utterances, triphones), table, across), abs=1e-9)
    assert math.isnan(found.low) or 0 <= found.low <= found.value <= found.high <= 1
    assert found == abx.estimate_error(tokens, table, across, nj=3, most=99)


@given(sequences, sequences, st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_warping_of_features_against_oracle(x, y, seed):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(SIZE, 3)) * (random.random((SIZE, 1)) < 0.8)  # some of them zero
    (first, second), directions = list_of(abx.number_frames({"x": vectors[x], "y": vectors[y]}))

    def angle(a, b):
        lengths = np.linalg.norm(vectors[a]) * np.linalg.norm(vectors[b])
        if lengths == 0:
            return 0.0 if not vectors[a].any() and not vectors[b].any() else 0.5
        return math.acos(max(-1, min(1, float(vectors[a] @ vectors[b]) / lengths))) / math.pi

    table = [[angle(a, b) for b in range(SIZE)] for a in range(SIZE)]
    found = warping.warped_distance(first.astype(np.int32), second.astype(np.int32), directions)
    assert found == pytest.approx(warped_oracle(x, y, table), abs=2e-4)


def list_of(compared):
    return list(compared[0].values()), compared[1]


@pytest.mark.parametrize("across", [False, True])
def test_error_of_features_is_that_of_codes_by_the_angles_of_their_vectors(across):
    utterances, vectors = corpus(seed=3), np.random.default_rng(0).normal(size=(SIZE, 4)).astype(np.float32)
    by_codes = abx.estimate_error(abx.find_phones(utterances), abx.angular_distances(vectors), across)
    codes, directions = abx.number_frames({one.name: vectors[one.codes] for one in utterances})
    moved = [replace(one, codes=codes[one.name]) for one in utterances]
    by_features = abx.estimate_error(abx.find_phones(moved), directions, across)
    assert by_features.value == pytest.approx(by_codes.value, abs=0.01) and 0 < by_codes.value < 0.5


def test_the_interval_of_speakers_leaves_each_of_them_out():
    tokens, table = abx.find_phones(corpus(seed=5)), abx.identity_distances(SIZE)
    found = abx.estimate_error(tokens, table, True, most=99, by_speaker=True)
    left = []
    for speaker in range(3):
        kept = tokens.speakers != speaker
        some = {k: v[kept] for k, v in tokens._asdict().items() if k != "codes"}
        left.append(abx.estimate_error(tokens._replace(**some), table, True, most=99).value)
    width = 1.96 * math.sqrt(2 / 3 * sum((one - fmean(left)) ** 2 for one in left))
    assert width > 0 and found.low == pytest.approx(max(0, found.value - width)) and found.n == 6


@pytest.mark.parametrize("across", [False, True])
def test_codes_that_are_the_phones_make_no_error(across):
    found = abx.estimate_error(abx.find_phones(corpus(noise=0)), abx.identity_distances(SIZE), across)
    assert (found.value, found.low, found.high, found.n) == (0, 0, 0, 6)


@pytest.mark.parametrize("across", [False, True])
def test_one_code_is_chance(across):
    utterances = [sentence(f"{s}-{i}", s, [2, 3, 4, 2, 3, 4, 2], i, 1, 0) for s in "ab" for i in range(3)]
    for tokens in (abx.find_phones(utterances), abx.find_triphones(utterances)):
        assert abx.estimate_error(tokens, abx.identity_distances(1), across).value in (
            0.5,
            pytest.approx(math.nan, nan_ok=True),
        )
    assert abx.estimate_error(abx.find_phones(utterances), abx.identity_distances(1), across).value == 0.5


def test_codes_that_swap_with_the_speaker_are_always_wrong_across_and_never_within():
    phones = [("aa", 0.3), ("k", 0.3)] * 3
    utterances = [
        spoken(f"{s}-{i}", s, np.repeat(codes * 3, 3).tolist(), phones)
        for s, codes in (("a", [0, 1]), ("b", [1, 0]))
        for i in range(2)
    ]
    tokens = abx.find_phones(utterances)
    assert abx.estimate_error(tokens, abx.identity_distances(2), across=True).value == 1
    assert abx.estimate_error(tokens, abx.identity_distances(2), across=False).value == 0


def test_random_codes_are_near_chance():
    found = abx.estimate_error(abx.find_phones(corpus(noise=1)), abx.identity_distances(SIZE), across=True)
    assert found.low < 0.5 < found.high


def test_tokens_are_cut_by_the_middles_of_frames_and_have_one_code_at_least():
    one = spoken("a-1", "a", [5, 6, 7, 8, 9], [("sil", 0.11), ("aa", 0.03), ("k", 0.29), ("s", 0.02), ("t", 0.05)])
    found = abx.find_phones([one])
    pieces = [found.codes[s : s + n].tolist() for s, n in zip(found.starts, found.lengths, strict=True)]
    assert pieces == [[6], [6, 7, 8], [9], [9]]
    assert found.sounds.tolist() == [INDEX[p] for p in ("aa", "k", "s", "t")]
    three = abx.find_triphones([one])
    assert three.sounds.tolist() == [INDEX["k"], INDEX["s"]]
    assert three.codes[three.starts[0] : three.starts[0] + three.lengths[0]].tolist() == [6, 7, 8]


def test_subsampling_is_bounded_and_repeatable():
    utterances = [sentence(f"{s}-{i}", s, [2, 3] * 8, i, SIZE, 0.3) for s in "abcdefgh" for i in range(3)]
    tokens = abx.find_phones(utterances)
    found = abx.group_tokens(tokens, most=10, seed=1)
    assert (np.diff(found.edges) == 10).all() and len(found.sounds) == 16
    assert np.array_equal(found.members, abx.group_tokens(tokens, most=10, seed=1).members)
    assert not np.array_equal(found.members, abx.group_tokens(tokens, most=10, seed=2).members)
    for i in range(len(found.sounds)):
        members = found.members[found.edges[i] : found.edges[i + 1]]
        assert (tokens.sounds[members] == found.sounds[i]).all() and len(set(members)) == 10
        assert (tokens.speakers[members] == found.speakers[i]).all()
    pairs = abx.list_comparisons(found, across=True, others=5)
    assert (np.bincount(pairs[:, 0]) == 5).all() and len(set(map(tuple, pairs.tolist()))) == len(pairs)
    assert (found.speakers[pairs[:, 0]] != found.speakers[pairs[:, 1]]).all()
    assert (found.sounds[pairs[:, 0]] == found.sounds[pairs[:, 1]]).all()


def test_angles():
    found = abx.angular_distances(np.array([[1.0, 0], [0, 3], [-2, 0], [5, 0]]))
    assert found[0].tolist() == pytest.approx([0, 0.5, 1, 0])
    assert np.array_equal(found, found.T) and not found.diagonal().any()


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """The codes are right with odds that differ between utterances; the truth is that of many more utterances."""

    def some(count, seed):
        random = np.random.default_rng(seed)
        odds = random.beta(3, 3, 2 * count).tolist()
        return [
            sentence(f"{'ab'[i % 2]}-{i}", "ab"[i % 2], random.integers(2, 6, 12).tolist(), seed * 99 + i, SIZE, noise)
            for i, noise in enumerate(odds)
        ]

    table = abx.identity_distances(SIZE)
    truth = fmean(abx.estimate_error(abx.find_phones(some(15, seed)), table, False).value for seed in range(60))
    covered = 0
    for seed in range(60):
        found = abx.estimate_error(abx.find_phones(some(15, 100 + seed)), table, False)
        covered += found.low <= truth <= found.high
    assert 50 <= covered <= 60


def test_nothing_to_compare():
    nothing = abx.estimate_error(abx.find_triphones([]), abx.identity_distances(2), across=False)
    assert math.isnan(nothing.value) and nothing.n == 0
    alone = abx.estimate_error(
        abx.find_phones([spoken("a-1", "a", [0, 1], [("aa", 0.2)])]), abx.identity_distances(2), True
    )
    assert math.isnan(alone.value) and alone.n == 1


@pytest.mark.parametrize("across", [False, True])
def test_the_interval_is_that_of_leaving_parts_of_the_utterances_out(across):
    """Each part left out in turn, by scoring the tokens of the others anew."""
    tokens, table = abx.find_phones(corpus(seed=5)), abx.identity_distances(SIZE)
    found = abx.estimate_error(tokens, table, across, most=99)
    part = np.random.default_rng(0).permutation(6)[tokens.utterances]
    left = []
    for g in range(6):
        kept = part != g
        some = tokens._replace(**{k: v[kept] for k, v in tokens._asdict().items() if k != "codes"})
        left.append(abx.estimate_error(some, table, across, most=99).value)
    width = 1.96 * math.sqrt(5 / 6 * sum((one - fmean(left)) ** 2 for one in left))
    ends = max(0.0, found.value - width), min(1.0, found.value + width)
    assert width > 0 and (found.low, found.high) == (pytest.approx(ends[0]), pytest.approx(ends[1]))
