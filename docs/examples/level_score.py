"""The score `level`: how loud the recordings of a data directory are, with an interval."""

import argparse
from collections.abc import Generator

import numpy as np

from vqspeech import audio
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.data.datadir import DataDir
from vqspeech.metrics.measures.bootstrap import estimate_ratio


def measure_level(wave: np.ndarray) -> float:
    """Return the root mean square of a waveform `(time,)` in dB, full scale 0."""
    return float(10 * np.log10(np.mean(np.square(wave, dtype=np.float64))))


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Measure each recording, and their mean with an interval that redraws recordings."""
    data = DataDir.read(args.data)
    levels = np.array([measure_level(audio.read_waveform(one.path, one.start, one.end)) for one in data])
    rows = [{"row": "recordings", "level (dB)": estimate_ratio(levels)}]
    details = [{"id": one.id, "level (dB)": level} for one, level in zip(data, levels.tolist(), strict=True)]
    yield Table(rows, ["root mean square over the whole recording, full scale is 0 dB"], details=details)


SCORE = Score(
    "level",
    "Measure how loud recordings are.",
    measure,
    arguments=[argument("--data", required=True, metavar="DATA", help="data directory")],
    columns={"level (dB)": "mean over the recordings"},
    example="vqspeech score level --data data/dev --out exp/scores.json",
)
