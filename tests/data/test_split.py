"""Splits are disjoint, cover everything, hold out the same sentences for all, and repeat."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.split import normalise_sentence, split
from vqspeech.errors import DataDirError


def corpus(texts: Mapping[str, Sequence[str | None]], genders: dict[str, str] | None = None) -> DataDir:
    """A data directory of speakers and what they read."""
    return DataDir(
        Utterance(f"{speaker}-{i:03d}", speaker, "/x.wav", text=text, gender=(genders or {}).get(speaker))
        for speaker, some in texts.items()
        for i, text in enumerate(some)
    )


def vctk_like(speakers: int = 6, common: int = 24, own: int = 60) -> DataDir:
    """Speakers who all read the common sentences and then sentences of their own."""
    return corpus(
        {
            f"p{i}": [f"Common, {j}." for j in range(common)] + [f"own {i} {j}" for j in range(own)]
            for i in range(speakers)
        },
        {f"p{i}": "fm"[i % 2] for i in range(speakers)},
    )


TEXTS = st.none() | st.sampled_from([f"sentence {i}" for i in range(12)]) | st.text("abc", min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    texts=st.dictionaries(st.sampled_from("abcdef"), st.lists(TEXTS, min_size=1, max_size=12), min_size=2),
    unseen=st.integers(0, 2),
    share=st.floats(0.01, 0.4),
    seed=st.integers(0, 9),
)
def test_properties(texts: dict, unseen: int, share: float, seed: int):
    data = corpus(texts)
    try:
        parts = split(data, min(unseen, len(texts) - 1), share, seed)
    except DataDirError as error:
        assert "would be empty" in str(error)
        return
    names = [name for part in parts.values() for name in part.utterances]
    assert sorted(names) == list(data.utterances)  # covering, and disjoint as ids are unique
    spoken = {
        name: {normalise_sentence(one.text) for one in part if one.text is not None} for name, part in parts.items()
    }
    assert not spoken["train"] & spoken["dev"] and not spoken["train"] & spoken["test"]
    assert not spoken["dev"] & spoken["test"]
    assert len(parts["unseen"].speakers) == min(unseen, len(texts) - 1)
    assert not set(parts["unseen"].speakers) & set(parts["train"].speakers)
    assert set(parts["dev"].speakers) | set(parts["test"].speakers) <= set(parts["train"].speakers)
    assert parts == split(data, min(unseen, len(texts) - 1), share, seed)


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(3, 40), min_size=1, max_size=5), share=st.floats(0.02, 0.3))
def test_every_speaker_has_its_share_where_all_read_different_sentences(sizes: list[int], share: float):
    data = corpus({f"s{i}": [f"{i} {j}" for j in range(size)] for i, size in enumerate(sizes)})
    parts = split(data, 0, share)
    for i, size in enumerate(sizes):
        for name in ("dev", "test"):
            count = Counter(one.speaker for one in parts[name])[f"s{i}"]
            assert count == max(1, round(share * size)) or (count >= 1 and size < 6)


def test_common_sentences_are_held_out_for_all():
    parts = split(vctk_like(), 0, 0.1)
    for name in ("dev", "test"):
        assert Counter(one.speaker for one in parts[name]) == {f"p{i}": 8 for i in range(6)}
        texts = {speaker: {one.text for one in some} for speaker, some in parts[name].by_speaker.items()}
        assert all(some == texts["p0"] for some in texts.values())
        assert all(text and text.startswith("Common") for text in texts["p0"])


def test_a_speaker_without_text_is_held_out_too():
    data = corpus({"a": ["one", "two", "three", "four"], "p315": [None] * 20})
    parts = split(data, 0, 0.1)
    assert parts["dev"].speakers == parts["test"].speakers == ["a", "p315"]


@pytest.mark.parametrize("seed", range(5))
def test_unseen_speakers_are_of_both_genders(seed: int):
    parts = split(vctk_like(), 4, 0.1, seed)
    assert Counter(some[0].gender for some in parts["unseen"].by_speaker.values()) == {"f": 2, "m": 2}
    assert len(parts["unseen"]) == 4 * 84


def test_seeds_differ():
    assert len({tuple(split(vctk_like(), 2, 0.1, seed)["unseen"].speakers) for seed in range(8)}) > 1


def test_unseen_speakers_by_name():
    parts = split(vctk_like(), ["p1", "p3"], 0.1)
    assert parts["unseen"].speakers == ["p1", "p3"] and parts["train"].speakers == ["p0", "p2", "p4", "p5"]


@pytest.mark.parametrize(
    ("unseen", "share", "message"),
    [
        (6, 0.1, "6 unseen speakers of 6; leave at least one"),
        (-1, 0.1, "unseen speakers"),
        (["p1", "nobody"], 0.1, "no speaker nobody; there are 6"),
        (0, 0.5, "a share of 0.5"),
        (0, 0.0, "a share of 0.0"),
    ],
)
def test_refuses(unseen: int | list[str], share: float, message: str):
    with pytest.raises(DataDirError, match=message):
        split(vctk_like(), unseen, share)


def test_refuses_where_nothing_can_be_held_out():
    with pytest.raises(DataDirError, match="dev would be empty"):
        split(corpus({"a": ["x", "y"], "b": ["X.", "y!"]}), 0, 0.1)


def test_sentence_ignores_case_and_punctuation():
    assert normalise_sentence("Please, call  Stella!") == normalise_sentence("please call STELLA")
    assert normalise_sentence("don't") != normalise_sentence("dont") and normalise_sentence("...") == "..."
