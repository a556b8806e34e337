"""Long utterances in pieces that are decoded side by side, and put together again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vqspeech import audio
from vqspeech.generate import choose_piece_length
from vqspeech.models.decoders import Decoder, Sampling, SourceFilter, WorldDecoder

PIECE = 20.0
"""Seconds of a decoded piece, at most; memory does not grow beyond it."""
LANES = 32
"""Pieces that are decoded side by side, at most."""
SECONDS = 8 * (PIECE + 1)
"""Seconds that decoders decode at once which draw nothing: more of them take more memory and no less time."""
OVERLAP = 0.5
"""Seconds by which pieces overlap, and within which they are joined."""
MEETING = 0.3
"""Seconds in which pieces that a WaveNet draws are joined, after it has warmed up."""
_LOUDNESS = 0.1
"""What energy counts beside difference where a join is looked for."""


@dataclass(frozen=True)
class Cutting:
    """Pieces of `step + overlap` codes, one every `step`, joined within those of the overlap that come after `before`
    and ahead of the last `behind`; `lanes` of them are decoded side by side."""

    step: int
    overlap: int
    before: int = 0
    behind: int = 0
    lanes: int = LANES

    @classmethod
    def of(cls, decoder: Decoder, codes: Sequence[int], how: Sampling, device: torch.device) -> "Cutting":
        """How utterances of so many `codes` are cut for a decoder. A WaveNet begins a piece in silence and is warmed up
        when its receptive field is full; what it is told at either end lacks the context beyond."""
        longest, overlap = (int(seconds * audio.RATE) // decoder.hop for seconds in (PIECE, OVERLAP))
        if isinstance(decoder, WorldDecoder | SourceFilter):
            seconds = min(max(codes), longest + overlap) * decoder.hop / audio.RATE
            return cls(longest, overlap, lanes=max(1, min(LANES, int(SECONDS / seconds))))
        if how.exact:
            return cls(max(codes), 0)
        behind = decoder.context
        before = -(-decoder.receptive_field // decoder.hop) + behind
        overlap = before + -(-int(MEETING * audio.RATE) // decoder.hop) + behind
        return cls(
            min(longest, choose_piece_length(sum(codes), overlap, how.engine, device, LANES)), overlap, before, behind
        )

    def pieces(self, codes: Sequence[int]) -> list[tuple[int, int, int]]:
        """(utterance, first code, code after the last) of every piece."""
        return [
            (i, start, min(count, start + self.step + self.overlap))
            for i, count in enumerate(codes)
            for start in range(0, max(1, count - self.overlap), self.step)
        ]

    def join(self, sounds: Iterable[np.ndarray], hop: int) -> Iterator[np.ndarray]:
        """The waveform of the pieces of an utterance, as much of it at a time as the pieces to come leave alone."""
        return join(sounds, self.overlap * hop, self.before * hop, self.behind * hop)


def join(
    pieces: Iterable[np.ndarray], overlap: int, before: int = 0, behind: int = 0, fade: int = 160
) -> Iterator[np.ndarray]:
    """Pieces of a waveform, each overlapping the next by `overlap` samples, cross-faded over `fade` where they differ
    least and are quietest, after the first `before` and ahead of the last `behind` samples of the overlap. The waveform
    comes in consecutive parts: all that the next piece does not overlap."""
    pieces = iter(pieces)
    whole = next(pieces)
    for following in pieces:
        width = min(overlap, len(following), len(whole))
        at, until = min(before, width // 2), max(width - behind, width // 2)
        old, new = whole[len(whole) - width :][at:until], following[at:until]
        length = min(fade, len(old))
        cost = (old - new) ** 2 + _LOUDNESS * (old**2 + new**2)
        at += int(np.convolve(cost, np.ones(length), "valid").argmin()) if length else 0
        ramp = np.linspace(0, 1, length, dtype=np.float32)
        old, new = whole[len(whole) - width + at :][:length], following[at : at + length]
        seam = old + ramp * (new - old)  # exact where they are equal
        whole = np.concatenate([whole[: len(whole) - width + at], seam, following[at + length :]])
        settled = max(0, len(whole) - overlap)
        yield whole[:settled]
        whole = whole[settled:].copy()  # or it would hold all of it in memory
    yield whole
