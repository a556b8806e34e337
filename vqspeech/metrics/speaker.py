"""Whose voice it is: cosines between speaker embeddings."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch

from vqspeech import extras
from vqspeech.errors import AudioError


class Verifier(Protocol):
    """A speaker encoder. `name` goes into every table."""

    name: str

    def embedding(self, wave: np.ndarray) -> np.ndarray:
        """The voice of `wave` (float32, 16 kHz, `(samples,)`) as a vector of length 1."""
        ...


class Resemblyzer:
    """The GE2E encoder of Wan et al. 2018 (arXiv 1710.10467) as trained by resemblyzer: 256 numbers, none negative.

    Same-voice cosines of clean speech are about 0.85 to 0.95, those of different voices about 0.5 to 0.7.
    """

    name = "resemblyzer 0.1.4"
    packages = ("resemblyzer", "webrtcvad-wheels")

    def __init__(self) -> None:
        """Loads the model (CPU). Raises `MissingExtra` without the extra `eval`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy's and librosa's old names in it
            package = extras.import_extra("resemblyzer", "eval")
            self._package = package
            self._encoder = package.VoiceEncoder("cpu", verbose=False)

    def embedding(self, wave: np.ndarray) -> np.ndarray:
        """The voice of `wave` (float32, 16 kHz): float32 `(256,)` of length 1. Raises `AudioError` for silence."""
        wave = np.asarray(wave, dtype=np.float32)
        if not wave.any():
            raise AudioError("a voice cannot be heard in silence; leave the recording out")
        speech = self._package.preprocess_wav(wave)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # the LSTM's short steps wait for each other where the cores are busy
        try:
            return self._encoder.embed_utterance(speech if len(speech) else wave)
        finally:
            torch.set_num_threads(threads)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """a·b / (|a| |b|)."""
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def voices(embeddings: Mapping[str, Sequence[np.ndarray]]) -> dict[str, np.ndarray]:
    """One vector of length 1 a speaker: the mean of the embeddings of that speaker's utterances."""
    means = {speaker: np.mean(vectors, axis=0) for speaker, vectors in embeddings.items()}
    return {speaker: mean / np.linalg.norm(mean) for speaker, mean in means.items()}


def nearest(embedding: np.ndarray, among: Mapping[str, np.ndarray]) -> str:
    """The speaker of `among` whose voice has the highest cosine with `embedding`; the first by name among equals."""
    return max(sorted(among), key=lambda speaker: cosine(embedding, among[speaker]))
