"""Item files of ABX: what they say, and that fastabx computes our error from them."""

from pathlib import Path

import numpy as np
import pytest

from tests.metrics.aligned_speech import spoken
from vqspeech.data.features import write_features
from vqspeech.metrics.aligned import Aligned
from vqspeech.metrics.measures import abx
from vqspeech.metrics.reports.items import HEADER, write_items


def read(path: Path) -> list[list[str]]:
    header, *rows = path.read_text().splitlines()
    assert header == HEADER
    return [row.split() for row in rows]


def speak(name: str, speaker: str, phones: list[tuple[str, float]], rate: float = 50.0) -> Aligned:
    return spoken(name, speaker, [0] * round(sum(seconds for _, seconds in phones) * rate), phones, rate)


def test_rows(tmp_path: Path):
    phones = [("s", 0.1), ("iy", 0.2), ("sil", 0.1), ("b", 0.005), ("ae", 0.2), ("t", 0.1), ("sil", 0.1)]
    one = speak("a-1", "a", phones)
    write_items(tmp_path, [one])
    assert read(tmp_path / "triphones.item") == [["a-1", "0.400000", "0.705000", "ae", "b", "t", "a"]]
    assert read(tmp_path / "phones.item") == [
        ["a-1", "0.000000", "0.100000", "s", "sil", "iy", "a"],
        ["a-1", "0.100000", "0.300000", "iy", "s", "sil", "a"],
        ["a-1", "0.405000", "0.605000", "ae", "b", "t", "a"],
        ["a-1", "0.605000", "0.705000", "t", "ae", "sil", "a"],
    ], "b is between the middles of two frames"


def make_utterances() -> list[Aligned]:
    """Utterances of three speakers: random phones of a few kinds whose ends are at no middle of a frame."""
    rng, made = np.random.default_rng(1), []
    for speaker in "abc":
        for i in range(4):
            phones = [("sil", 0.1013), *[(str(rng.choice(["s", "iy", "ae"])), 0.0611) for _ in range(25)], ("sil", 0.1)]
            made.append(speak(f"{speaker}-{i}", speaker, phones))
    return made


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize(("name", "context"), [("triphones", "within"), ("phones", "any")])
def test_fastabx_finds_our_error(tmp_path: Path, name: str, context: str, across: bool):
    fastabx = pytest.importorskip("fastabx")  # needs Python 3.12
    torch = pytest.importorskip("torch")
    utterances, rng = make_utterances(), np.random.default_rng(2)
    means = rng.standard_normal((60, 8))
    features = {
        one.name: (means[one.phones + 1] + 2 * rng.standard_normal((len(one.codes), 8))).astype(np.float32)
        for one in utterances
    }
    for utterance, values in features.items():
        write_features(tmp_path / "features", utterance, values)
    write_items(tmp_path, utterances)
    theirs = fastabx.zerospeech_abx(
        tmp_path / f"{name}.item",
        tmp_path / "features",
        max_size_group=None,
        max_x_across=None,
        speaker="across" if across else "within",
        context=context,
        frequency=50,
        feature_maker=lambda path: torch.from_numpy(np.load(path)),
        extension=".npy",
        device="cpu",
        progress=False,
    )
    codes, directions = abx.number_frames(features)
    numbered = [Aligned(u.name, u.speaker, u.rate, codes[u.name], u.phones, u.segments) for u in utterances]
    tokens = abx.find_triphones(numbered) if name == "triphones" else abx.find_phones(numbered)
    ours = abx.estimate_error(tokens, directions, across, most=10**6, others=10**6)
    assert 0.05 < theirs < 0.45 and ours.value == pytest.approx(theirs, abs=1e-4)
