"""Long utterances in chunks that are decoded in batches and cross-faded."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vqspeech import audio
from vqspeech.generate import choose_piece_length
from vqspeech.models.decoders import Decoder, Sampling
from vqspeech.models.decoders.samples import SampleDecoder

CHUNK = 20.0
"""Longest chunk (s): memory does not grow beyond it."""
BATCH = 32
"""Chunks that are decoded in one batch, at most."""
BATCH_SECONDS = 8 * (CHUNK + 1)
"""Seconds in a batch of a decoder that draws nothing: more take more memory and no less time."""
OVERLAP = 0.5
"""Overlap of chunks, within which they are joined (s)."""
CROSSFADE_RANGE = 0.3
"""Part of the overlap in which chunks of a WaveNet are joined, after its receptive field has filled (s)."""
_LOUDNESS = 0.1
"""Weight of energy relative to squared difference in the search for a join."""


@dataclass(frozen=True)
class Chunking:
    """How utterances are cut into chunks, in codes.

    Chunks of `step + overlap` codes begin every `step` codes. They are joined within the overlap, without its first
    `before` and its last `behind` codes. `batch` chunks are decoded at once.
    """

    step: int
    overlap: int
    before: int = 0
    behind: int = 0
    batch: int = BATCH

    @classmethod
    def for_decoder(
        cls, decoder: Decoder, codes: Sequence[int], sampling: Sampling, device: torch.device
    ) -> "Chunking":
        """Return how utterances of so many `codes` are cut for a decoder.

        A WaveNet begins each chunk in silence, so the join comes after its receptive field has filled; at both ends of
        a chunk the context of its conditioning is missing.
        """
        longest, overlap = (int(seconds * audio.RATE) // decoder.hop for seconds in (CHUNK, OVERLAP))
        if not isinstance(decoder, SampleDecoder):
            seconds = min(max(codes), longest + overlap) * decoder.hop / audio.RATE
            return cls(longest, overlap, batch=max(1, min(BATCH, int(BATCH_SECONDS / seconds))))
        if sampling.exact:
            return cls(max(codes), 0)
        behind = decoder.context
        before = -(-decoder.receptive_field // decoder.hop) + behind
        overlap = before + -(-int(CROSSFADE_RANGE * audio.RATE) // decoder.hop) + behind
        return cls(
            min(longest, choose_piece_length(sum(codes), overlap, sampling.engine, device, BATCH)),
            overlap,
            before,
            behind,
        )

    def spans(self, codes: Sequence[int]) -> list[tuple[int, int, int]]:
        """Return (utterance, first code, code after the last) of every chunk of utterances of so many `codes`."""
        return [
            (i, start, min(count, start + self.step + self.overlap))
            for i, count in enumerate(codes)
            for start in range(0, max(1, count - self.overlap), self.step)
        ]

    def join(self, chunks: Iterable[np.ndarray], hop: int) -> Iterator[np.ndarray]:
        """Yield the waveform of the chunks of an utterance, as `join_chunks` does; `hop` is samples per code."""
        return join_chunks(chunks, self.overlap * hop, self.before * hop, self.behind * hop)


def join_chunks(
    chunks: Iterable[np.ndarray], overlap: int, before: int = 0, behind: int = 0, fade: int = 160
) -> Iterator[np.ndarray]:
    """Yield the waveform of overlapping chunks in consecutive parts: all that the next chunk does not overlap.

    Args:
        chunks: Waveforms `(time,)`, each overlapping the next.
        overlap: Samples of the overlap.
        before: Samples at its beginning in which nothing is joined.
        behind: Samples at its end in which nothing is joined.
        fade: Samples of the cross-fade, which lies where the chunks differ least and are quietest.
    """
    chunks = iter(chunks)
    whole = next(chunks)
    for following in chunks:
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
