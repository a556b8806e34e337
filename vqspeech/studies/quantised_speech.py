"""What a quantiser of spectral envelopes does to held-out speech."""

import hashlib
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vqspeech import world
from vqspeech.data.dump import Shards
from vqspeech.data.envelopes import Normalisation, normalisation, sounding_frames
from vqspeech.metrics.codebook import perplexity, used
from vqspeech.metrics.resynthesis import Resynthesised, quality, resynthesised
from vqspeech.metrics.spectral import distortion, spectral_distances
from vqspeech.models.quantize.residual import ResidualCodebook

_BLOCK = 8192  # frames whose spectra are held at once


class Speech(NamedTuple):
    """Speech to learn from and to be measured on: how envelopes become vectors; training vectors, float32
    `(vectors, dimension)`; held-out WORLD frames that are no silence `(frames, CHANNELS)`; held-out recordings."""

    how: Normalisation
    vectors: Tensor
    held_out: np.ndarray
    recordings: list[Resynthesised]

    @property
    def fingerprint(self) -> str:
        """A hash of all of it: figures of other speech are no figures of this."""
        found = hashlib.sha256(self.vectors.cpu().numpy().tobytes() + self.held_out.tobytes())
        for one in self.recordings:
            found.update(one.frames.tobytes() + one.recording.tobytes())
        return found.hexdigest()[:12]


def speech(train: Shards, test: Shards, vectors: int, recordings: int, device: str | torch.device = "cpu") -> Speech:
    """At most `vectors` training vectors spread evenly over a dump, and all of another one with so many recordings.

    Raises `ShardError` where a dump has no WORLD frames, or no speech.
    """
    frames = sounding_frames(train, vectors)
    how = normalisation(frames)
    return Speech(
        how,
        torch.from_numpy(how.vectors(frames)).to(device),
        sounding_frames(test),
        resynthesised(test, recordings),
    )


@torch.no_grad()
def quantised(book: ResidualCodebook, vectors: np.ndarray | Tensor) -> np.ndarray:
    """The nearest that codes can say to vectors `(vectors, dimension)`: float32, the same shape."""
    given = torch.as_tensor(vectors, device=book.stages[0].weight.device)
    return book.decoded(book.nearest(given)).cpu().numpy()


def distances(book: ResidualCodebook, heard: Speech) -> np.ndarray:
    """Spectral distance (dB) of each held-out frame from its quantised envelope: `(frames,)`."""
    parts = []
    for start in range(0, len(heard.held_out), _BLOCK):
        frames = heard.held_out[start : start + _BLOCK]
        coded = again(book, heard, frames)
        parts.append(spectral_distances(world.log_envelope(frames[:, 2:]), world.log_envelope(coded[:, 2:])))
    return np.concatenate(parts)


def distortions(book: ResidualCodebook, heard: Speech) -> dict[str, float]:
    """`sd` (dB), `above2` and `above4` (shares of frames) of held-out speech; of the training vectors `train_mse`, by
    vector and dimension, `dead`, the number of codes none chooses, and `perplexity`, the product over stages."""
    codes = book.nearest(heard.vectors)
    counts = [one.bincount(minlength=size).cpu().numpy() for one, size in zip(codes.T, book.sizes, strict=True)]
    found = distortion(distances(book, heard))
    return {
        "sd": found.mean,
        "above2": found.above2,
        "above4": found.above4,
        "train_mse": float((heard.vectors - book.decoded(codes)).square().mean()),
        "dead": float(sum(book.sizes) - sum(map(used, counts))),
        "perplexity": float(np.prod([perplexity(one) for one in counts])),
    }


def qualities(heard: Speech, book: ResidualCodebook | None = None) -> dict[str, float]:
    """PESQ and STOI of the held-out recordings resynthesised with quantised envelopes, all frames of them, against
    their WORLD copies and against the recordings; without a codebook, of the copies themselves.

    Raises `AudioError` and `MissingExtra`.
    """
    if book is None:
        return dict(quality(heard.recordings)._asdict())
    return dict(quality(heard.recordings, lambda frames: again(book, heard, frames))._asdict())


def again(book: ResidualCodebook, heard: Speech, frames: np.ndarray) -> np.ndarray:
    """WORLD frames `(frames, CHANNELS)` with quantised envelopes."""
    return heard.how.frames(frames, quantised(book, heard.how.vectors(frames)))
