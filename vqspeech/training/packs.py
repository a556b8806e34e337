"""What a decoder learns from in a pack: latents of its utterances, and where windows and references lie."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vqspeech import audio
from vqspeech.data.pack import STEP, Pack
from vqspeech.errors import ShardError
from vqspeech.models.coder import Coder
from vqspeech.models.conditioning import condition, fit_soft_temperature

PERTURBATION = (0.06, 0.18)
"""Least and largest relative change of the size of a speaker by which other voices are simulated."""
_BALANCE = 0.6
"""Speakers are drawn in proportion to their seconds to this power, so that rare ones are drawn more often."""


@torch.inference_mode()
def encode_pack(coder: Coder, pack: Pack, kind: str, variants: int = 1, seed: int = 0) -> tuple[Tensor, float]:
    """Return the latents of all utterances of a pack, as a decoder is conditioned on them.

    Args:
        coder: Front end, encoder and codebook.
        pack: The speech.
        kind: One of `conditioning.KINDS`.
        variants: Number of versions of each utterance of the training set: the original, and simulations of other
            voices (`encode_perturbed`).
        seed: Of the sizes of the simulated speakers.

    Returns:
        float16 `(variants, samples / hop, dimension)`, end to end as the samples are, on the coder's device; the
        temperature of soft codes.

    Raises:
        ShardError: The pack holds no utterance.
    """
    rows: Tensor | None = None
    generator = np.random.default_rng(seed)
    for i, (start, length) in enumerate(zip(pack.starts.tolist(), pack.lengths.tolist(), strict=True)):
        samples = pack.samples[start : start + length]
        found = [coder.encode_latents(samples).T]
        for side in range(1, variants):
            # Smaller and larger speakers in turn.
            factor = 1 + (-1) ** side * generator.uniform(*PERTURBATION)
            found.append(encode_perturbed(coder, samples, factor) if pack.sets[i] == "train" else found[0])
        if rows is None:
            size = len(pack.samples) // coder.hop
            rows = torch.zeros(variants, size, found[0].shape[1], dtype=torch.float16, device=found[0].device)
        for side, one in enumerate(found):
            rows[side, start // coder.hop :][: len(one)] = one
    if rows is None:
        raise ShardError("the pack holds no utterance; make it again")
    some = rows[0, torch.randperm(rows.shape[1], generator=torch.Generator().manual_seed(0))[:20000].to(rows.device)]
    temperature = fit_soft_temperature(coder.quantizer, some[some.any(1)].float())  # rows of zeros fill utterances up
    for part in rows.flatten(0, 1).split(1 << 16):
        part.copy_(condition(coder.quantizer, part.float(), kind, temperature))
    return rows, temperature


def encode_perturbed(coder: Coder, samples: np.ndarray, factor: float) -> Tensor:
    """Return the latents of an utterance as if its speaker were `factor` times as large: `(codes, dimension)`.

    The speech is resampled, which shifts pitch and formants alike, and its latents are interpolated back to the
    original time. A decoder that must produce the voice of the reference from them learns to ignore the voice in them.

    Args:
        coder: Front end, encoder and codebook.
        samples: int16 `(time,)`.
        factor: Relative size of the speaker.
    """
    import soxr

    played = soxr.resample(samples, audio.RATE, round(audio.RATE * factor))
    found = coder.encode_latents(played).float()  # (dimension, codes)
    codes = -(-len(samples) // coder.hop)
    return F.interpolate(found[None], size=codes, mode="linear", align_corners=False)[0].T


class PackWindows:
    """Random windows of some utterances of a pack, with references of the same speakers, drawn on a device.

    Args:
        pack: The speech.
        utterances: Their indices; those shorter than a window are left out.
        window: Samples of a window.
        device: Where windows are drawn.

    Raises:
        ShardError: No utterance has as many samples as a window.
    """

    def __init__(self, pack: Pack, utterances: np.ndarray, window: int, device: torch.device):
        lengths = pack.lengths // STEP * STEP
        chosen = [int(i) for i in utterances if lengths[i] >= window]
        if not chosen:
            raise ShardError(f"no utterance of the pack has {window / audio.RATE:.2f} s; use a smaller window")
        self.names = sorted({pack.speakers[i] for i in chosen})
        number = {name: i for i, name in enumerate(self.names)}
        speakers = np.array([number[pack.speakers[i]] for i in chosen])
        seconds = np.bincount(speakers, pack.lengths[chosen] / audio.RATE)
        weights = pack.lengths[chosen] / audio.RATE * seconds[speakers] ** (_BALANCE - 1)
        lists = [np.flatnonzero(speakers == i) for i in range(len(self.names))]
        table = np.zeros((len(lists), max(map(len, lists))), dtype=np.int64)
        ranks = np.zeros(len(chosen), dtype=np.int64)
        for row, members in enumerate(lists):
            table[row, : len(members)] = members
            ranks[members] = np.arange(len(members))
        self.window, self.device = window, device
        self.starts, self.lengths, self.speakers, self.ranks, self.table, self.counts = (
            torch.from_numpy(np.asarray(one, dtype=np.int64)).to(device)
            for one in (pack.starts[chosen], lengths[chosen], speakers, ranks, table, [len(one) for one in lists])
        )
        self.weights = torch.from_numpy(weights / weights.sum()).float().to(device)

    def draw(
        self, count: int, reference: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw windows, which start at multiples of `STEP`, and references of the same speakers.

        Args:
            count: Number of windows.
            reference: Samples of a reference.
            generator: Source of random numbers; None: that of the device.

        Returns:
            Utterance and start of each window, utterance and start of each reference: int64 `(count,)` each.
        """
        device = self.device
        utterance = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        room = (self.lengths[utterance] - self.window) // STEP + 1
        start = (torch.rand(count, device=device, generator=generator) * room).long() * STEP
        speaker = self.speakers[utterance]
        others = (self.counts[speaker] - 1).clamp(min=1)
        step = 1 + (torch.rand(count, device=device, generator=generator) * others).long()
        other = self.table[speaker, (self.ranks[utterance] + step) % self.counts[speaker]]
        same = other == utterance
        room = (self.lengths[other] - torch.where(same, self.window + reference, reference)).clamp(min=0)
        place = (torch.rand(count, device=device, generator=generator) * (room + 1)).long()
        return utterance, start, other, torch.where(same, start + self.window + place, place)
