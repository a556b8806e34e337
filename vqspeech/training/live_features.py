"""Features and latents of a pack as a live encoder computes them, block by block."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vqspeech.data.pack import Pack
from vqspeech.models.live import BLOCK
from vqspeech.models.live.encoder import LiveEncoder
from vqspeech.models.live.frontend import FRAMES, MELS, LiveFrontend

_STREAMS = 64  # utterances whose features are computed in one batch


def _streams(pack: Pack) -> list[list[int]]:
    """Group utterances in batches of about equal length."""
    order = np.argsort(pack.lengths, kind="stable").tolist()
    return [order[i : i + _STREAMS] for i in range(0, len(order), _STREAMS)]


def _blocks(pack: Pack, batch: list[int]) -> Tensor:
    """Return the waveforms of utterances, padded with silence: `(batch, blocks, BLOCK)`."""
    count = -(-max(int(pack.lengths[i]) for i in batch) // BLOCK)
    sound = np.zeros((len(batch), count * BLOCK), dtype=np.float32)
    for row, i in enumerate(batch):
        sound[row, : pack.lengths[i]] = pack.wave(i)
    return torch.from_numpy(sound).view(len(batch), count, BLOCK)


@torch.no_grad()
def fit_frontend(frontend: LiveFrontend, pack: Pack, utterances: int = 256) -> None:
    """Set mean and deviation of a front end to the means over utterances of those of their speech."""
    frontend.mean.zero_()
    frontend.deviation.fill_(1.0)
    chosen = np.random.default_rng(0).permutation(pack.select("train"))[:utterances].tolist()
    means, deviations = [], []
    speech = sum(frontend.sizes[:5])
    for first in range(0, len(chosen), _STREAMS):
        batch = chosen[first : first + _STREAMS]
        state = torch.zeros(len(batch), sum(frontend.sizes))
        for block in _blocks(pack, batch).unbind(1):
            state = frontend(block, state)[-1]
        counts, sums, squares = state[:, speech:].split(frontend.sizes[5:], 1)
        mean = sums / counts.clamp(min=1)
        means.append(mean)
        deviations.append((squares / counts.clamp(min=1) - mean.square()).clamp(min=1e-2).sqrt())
    frontend.mean.copy_(torch.cat(means).mean(0))
    frontend.deviation.copy_(torch.cat(deviations).mean(0))


@torch.no_grad()
def compute_pack_features(frontend: LiveFrontend, pack: Pack) -> Tensor:
    """Return the features of all utterances of a pack, end to end: float16 `(samples / BLOCK, FRAMES * MELS)`."""
    features = torch.zeros(len(pack.samples) // BLOCK, FRAMES * MELS, dtype=torch.float16)
    for batch in _streams(pack):
        state = torch.zeros(len(batch), sum(frontend.sizes))
        found = []
        for block in _blocks(pack, batch).unbind(1):
            made, *_, state = frontend(block, state)
            found.append(made[:, :, 0].half())
        rows = torch.stack(found, 1)  # (batch, blocks, features)
        for row, i in enumerate(batch):
            first, count = int(pack.starts[i]) // BLOCK, -(-int(pack.lengths[i]) // BLOCK)
            features[first : first + count] = rows[row, :count]
    return features


@torch.no_grad()
def encode_pack_live(encoder: LiveEncoder, pack: Pack, features: Tensor) -> Tensor:
    """Return the latents of a live encoder for all utterances of a pack, as `packs.encode_pack` does.

    Args:
        encoder: The encoder.
        pack: The speech.
        features: As `compute_pack_features` returns them.

    Returns:
        float16 `(1, samples / BLOCK, dimension)`; the delay of the encoder is removed.
    """
    latents = torch.zeros(1, len(features), encoder.latents, dtype=torch.float16)
    for i in range(len(pack)):
        first, count = int(pack.starts[i]) // BLOCK, -(-int(pack.lengths[i]) // BLOCK)
        shown = F.pad(features[first : first + count].float().T[None], (0, encoder.delay))
        latents[0, first : first + count] = encoder(shown)[0][0, :, encoder.delay :].T.half()
    return latents
