"""Windows of units files."""

import numpy as np
import pytest

from vqspeech.data.code_windows import CodeWindows, find_speakers
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.units import Units
from vqspeech.errors import SpeakerError, UnitsError

SIZE = 100
UNITS = Units({"a-1": np.arange(0, 30), "a-2": np.arange(40, 44), "b-1": np.arange(50, 75)}, 50.0, SIZE, "m", "5" * 64)
VOICES = {"a-1": "a", "a-2": "a", "b-1": "b"}


def test_windows_are_pieces_of_utterances_with_what_was_before():
    batch = CodeWindows(UNITS, ["a", "b"], 8, VOICES).random(400, 0, 0)
    starts = set()
    for codes, before, length, speaker in zip(
        batch.codes.numpy(), batch.before.numpy(), batch.lengths.tolist(), batch.speakers.tolist(), strict=True
    ):
        first = codes[0]
        starts.add(int(first))
        assert (codes[:length] == first + np.arange(length)).all() and (codes[length:] == 0).all()
        assert length == (4 if 40 <= first < 44 else 8)
        beginning = first in (0, 40, 50)
        assert (before[:length] == [SIZE if beginning else first - 1, *codes[: length - 1]]).all()
        assert (before[length:] == SIZE).all()
        assert speaker == (2 if first >= 50 else 1)
    assert starts == {*range(23), 40, *range(50, 68)}, "every window there is"


def test_windows_are_a_function_of_seed_step_and_process():
    windows = CodeWindows(UNITS, [], 8, {})
    draws = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    found = [windows.random(16, *draw).codes.tolist() for draw in draws]
    assert found == [windows.random(16, *draw).codes.tolist() for draw in draws]
    assert len({str(one) for one in found}) == 4
    assert windows.random(16, 0, 0).speakers.tolist() == [0] * 16, "nobody is known"
    even = windows.even(20).codes
    assert even.tolist() == windows.even(20).codes.tolist() and len({str(row) for row in even.tolist()}) > 15


def test_speakers():
    data = [DataDir([Utterance("a-1", "a", "/w"), Utterance("a-2", "a", "/w")]), DataDir([Utterance("b-1", "b", "/w")])]
    assert find_speakers(UNITS, data) == VOICES
    assert find_speakers(UNITS, []) == {}
    with pytest.raises(UnitsError, match=r"1 utterances \(b-1\) are in no data directory"):
        find_speakers(UNITS, data[:1])
    with pytest.raises(SpeakerError, match="units of speakers b, who are not in the training data"):
        CodeWindows(UNITS, ["a"], 8, VOICES)
