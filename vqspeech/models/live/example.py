"""Convert a recording to the voice of another as a stream.

Usage: python example.py SOURCE.wav VOICE.wav OUT.wav

WAV files of 16 bits, 16 kHz, one channel. The graphs are beside this file; numpy and onnxruntime run them.
"""

import sys
import wave
from pathlib import Path

import numpy as np
import onnxruntime

TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class Graph:
    """A graph and its states, which begin as zeros and go back in as they come out."""

    def __init__(self, name: str):
        self.session = onnxruntime.InferenceSession(str(Path(__file__).with_name(f"{name}.onnx")))
        inputs = self.session.get_inputs() if name != "reference" else []
        self.given = {one.name: np.zeros(one.shape, TYPES[one.type]) for one in inputs}
        self.outputs = [one.name for one in self.session.get_outputs()]

    def __call__(self, **given: np.ndarray) -> dict:
        """Run the graph and keep its states."""
        found = dict(zip(self.outputs, self.session.run(None, self.given | given), strict=True))
        states = {name.removeprefix("after_"): one for name, one in found.items() if name.startswith("after_")}
        self.given |= states
        return found


def blocks(path: str) -> np.ndarray:
    """Return the waveform of a file in blocks of 20 ms, and 90 ms of silence behind it: `(blocks, 1, 320)`."""
    with wave.open(path) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    return np.pad(sound, (0, 1440 + -(len(sound) + 1440) % 320)).reshape(-1, 1, 320)


source, voice = blocks(sys.argv[1]), blocks(sys.argv[2])
vector = Graph("reference")(waveform=voice.reshape(1, -1))["voice"]
encoder, pitch, keep = Graph("encoder"), Graph("pitch"), np.array([[0, 0, 0, 1]], np.float32)
logs = np.concatenate([pitch(wave=encoder(block=one)["wave"], target=keep)["pitch"][0] for one in voice])
middle = np.median(logs[logs > 0])
target = np.array([[middle, 1.4826 * np.median(np.abs(logs[logs > 0] - middle)), 0, 0]], np.float32)
encoder, pitch, decoder, parts = Graph("encoder"), Graph("pitch"), Graph("decoder"), []
for one in source:
    seen = encoder(block=one)
    melody = pitch(wave=seen["wave"], target=target)["pitch"]
    rest = {name: seen[name] for name in ("latent", "powers", "gain")}
    parts.append(decoder(pitch=melody, voice=vector, **rest)["sound"][0])
sound = np.concatenate(parts)[1120:]  # what has no source yet
with wave.open(sys.argv[3], "wb") as file:
    file.setparams((1, 2, 16_000, 0, "NONE", ""))
    file.writeframes((np.clip(sound, -1, 0.99997) * 32768).astype("<i2").tobytes())
