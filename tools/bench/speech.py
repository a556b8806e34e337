"""Sound that is like speech for what these programs cost: voiced syllables of gliding pitch, and pauses."""

from pathlib import Path

import numpy as np
import soundfile

from vqspeech import audio
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.dump import Shards, write_shards

SYLLABLE = 0.2
"""Seconds."""


def speech(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """Return a waveform `(samples,)`: syllables of 20 harmonics under a formant, every fourth a faint noise."""
    draw = np.random.default_rng(seed)
    size = int(SYLLABLE * rate)
    parts = []
    for i in range(int(np.ceil(seconds / SYLLABLE))):
        noise = draw.normal(0, 1e-3, size)
        if i % 4 == 3:
            parts.append(noise)
            continue
        pitch = np.linspace(draw.uniform(90, 220), draw.uniform(90, 220), size)
        phase, formant = 2 * np.pi * np.cumsum(pitch) / rate, draw.uniform(400, 2500)
        waves = [
            np.sin(k * phase) * np.exp(-(((k * pitch - formant) / 600) ** 2)) + 0.1 * np.sin(k * phase) / k
            for k in range(1, 21)
        ]
        parts.append(0.1 * np.sum(waves, 0) * np.hanning(size) + noise)
    return np.concatenate(parts)[: int(seconds * rate)].astype(np.float32)


def recordings(folder: str, seconds: float, rate: int, ending: str, utterance: float = 5.0) -> DataDir:
    """Return a data directory of `seconds` of speech by two voices, in files of `utterance` seconds each."""
    rows = []
    for i in range(round(seconds / utterance)):
        path = Path(folder) / f"v{i % 2}-{i:04d}.{ending}"
        soundfile.write(path, speech(utterance, rate, seed=i % 8), rate, subtype="PCM_16")
        rows.append(Utterance(path.stem, f"v{i % 2}", str(path)))
    return DataDir(rows)


def dumped(folder: str, seconds: float) -> Shards:
    """Return a dump of that much speech."""
    return write_shards(recordings(folder, seconds, audio.RATE, "wav"), Path(folder) / "shards")[0]
