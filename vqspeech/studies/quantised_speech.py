"""Speech of the study of spectral envelopes, and what a quantiser does to it."""

import hashlib
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vqspeech import world
from vqspeech.data.dump import Shards
from vqspeech.data.envelopes import Normalisation, fit_normalisation, read_active_frames
from vqspeech.metrics.evaluations.resynthesis import Resynthesis, measure_resynthesis, resynthesise_recordings
from vqspeech.metrics.measures.acoustics import spectral_distances, spectral_distortion
from vqspeech.metrics.measures.codebook import count_used, perplexity
from vqspeech.models.quantize.residual import ResidualCodebook

_BLOCK = 8192  # frames whose spectra are held at once


class Speech(NamedTuple):
    """Training and held-out speech.

    Attributes:
        normalisation: Maps WORLD frames to vectors.
        vectors: Training vectors, float32 `(vectors, dimension)`.
        held_out: WORLD frames without silence, `(frames, CHANNELS)`.
        recordings: Held-out recordings.
    """

    normalisation: Normalisation
    vectors: Tensor
    held_out: np.ndarray
    recordings: list[Resynthesis]

    @property
    def fingerprint(self) -> str:
        """Hash of all data, which is part of the settings of a run."""
        digest = hashlib.sha256(self.vectors.cpu().numpy().tobytes() + self.held_out.tobytes())
        for one in self.recordings:
            digest.update(one.frames.tobytes() + one.recording.tobytes())
        return digest.hexdigest()[:12]


def select_speech(
    train: Shards, test: Shards, vectors: int, recordings: int, device: str | torch.device = "cpu"
) -> Speech:
    """Return at most `vectors` training vectors, spread evenly over a dump, and all of a test dump.

    Args:
        train: Dump to learn from.
        test: Dump to measure on.
        vectors: Training vectors at most.
        recordings: Test recordings to resynthesise.
        device: Where the training vectors are kept.

    Raises:
        ShardError: A dump has no WORLD frames, or no speech.
    """
    frames = read_active_frames(train, vectors)
    how = fit_normalisation(frames)
    return Speech(
        how,
        torch.from_numpy(how.to_vectors(frames)).to(device),
        read_active_frames(test),
        resynthesise_recordings(test, recordings),
    )


@torch.no_grad()
def quantise_vectors(book: ResidualCodebook, vectors: np.ndarray | Tensor) -> np.ndarray:
    """Return the nearest code vectors, float32 `(vectors, dimension)`, of vectors of that shape."""
    given = torch.as_tensor(vectors, device=book.stages[0].weight.device)
    return book.sum_codes(book.nearest(given)).cpu().numpy()


def quantise_frames(book: ResidualCodebook, speech: Speech, frames: np.ndarray) -> np.ndarray:
    """Return WORLD frames `(frames, CHANNELS)` with quantised envelopes."""
    return speech.normalisation.to_frames(frames, quantise_vectors(book, speech.normalisation.to_vectors(frames)))


def measure_distances(book: ResidualCodebook, speech: Speech) -> np.ndarray:
    """Return the spectral distance (dB) of each held-out frame to its quantised envelope, `(frames,)`."""
    parts = []
    for start in range(0, len(speech.held_out), _BLOCK):
        frames = speech.held_out[start : start + _BLOCK]
        coded = quantise_frames(book, speech, frames)
        parts.append(spectral_distances(*(world.decode_log_envelope(one[:, 2:]) for one in (frames, coded))))
    return np.concatenate(parts)


def measure_distortion(book: ResidualCodebook, speech: Speech) -> dict[str, float]:
    """Return the figures of a codebook.

    Returns:
        Of held-out speech `sd` (dB), `above2` and `above4` (shares of frames above 2 and 4 dB); of the training vectors
        `train_mse` per vector and dimension, `dead`, the number of unused codes, and `perplexity`, the product over
        stages.
    """
    codes = book.nearest(speech.vectors)
    counts = [one.bincount(minlength=size).cpu().numpy() for one, size in zip(codes.T, book.sizes, strict=True)]
    spectral = spectral_distortion(measure_distances(book, speech))
    return {
        "sd": spectral.mean,
        "above2": spectral.above2,
        "above4": spectral.above4,
        "train_mse": float((speech.vectors - book.sum_codes(codes)).square().mean()),
        "dead": float(sum(book.sizes) - sum(map(count_used, counts))),
        "perplexity": float(np.prod([perplexity(one) for one in counts])),
    }


def measure_quality(speech: Speech, book: ResidualCodebook | None = None) -> dict[str, float]:
    """Return PESQ and STOI of held-out recordings resynthesised with quantised envelopes of all their frames.

    They are measured against the WORLD copies and against the recordings; without a codebook, for the copies.

    Raises:
        AudioError: A recording cannot be measured.
        MissingExtra: A package is not installed.
    """
    if book is None:
        return dict(measure_resynthesis(speech.recordings)._asdict())
    return dict(measure_resynthesis(speech.recordings, lambda frames: quantise_frames(book, speech, frames))._asdict())
