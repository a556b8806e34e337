"""A Transformer that writes all pieces at once (Gu et al. 2018, 1711.02281): the baseline without latents."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.schema import Range
from vqspeech.text.data.batches import STEP, TextBatch
from vqspeech.text.data.vocabulary import END, PAD
from vqspeech.text.models.alignment import measure_alignments
from vqspeech.text.models.transformer import Context
from vqspeech.text.models.translator import Decoding, Losses, Sizes, Translator


@dataclass(frozen=True, kw_only=True)
class ParallelSizes(Sizes):
    """Options of the group `model`.

    Attributes:
        offsets: How many pieces a translation may be shorter or longer than its source at most.
        places: Places that the decoder has for each piece of the translation. With more than one, it learns by
            connectionist temporal classification (Graves et al. 2006; Libovický and Helcl 2018, 1811.04719): a place
            holds a piece or nothing, and all ways of writing the translation count.
    """

    offsets: Annotated[int, Range(1, 1024)] = 32
    places: Annotated[int, Range(1, 4)] = 1

    @property
    def positions(self) -> int:
        """Positions that are encoded."""
        return super().positions * self.places


class Summary(NamedTuple):
    """What the decoder is conditioned on of the target, in addition to its length.

    Attributes:
        condition: `(batch, time, width)`; None: nothing.
        losses: By name.
        codes: Int `(batch, …)`.
        mask: Bool, codes that count.
    """

    condition: Tensor | None
    losses: dict[str, Tensor]
    codes: Tensor
    mask: Tensor


class ParallelTranslator(Translator):
    """p(length | source) and p(piece | length, source) for all pieces at once.

    The decoder starts from the source encoding, read from beginning to end at the speed that the length gives, and from
    the distances to the beginning and to the end.
    """

    name = "parallel"
    kind = ParallelSizes

    def __init__(self, config: dict, vocabulary: str):
        super().__init__(config, vocabulary)
        width = self.sizes.width
        self.length = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2 * self.sizes.offsets + 1))
        self.copied = nn.Linear(width, width)
        self.from_end = nn.Embedding(len(self.positions), width)
        nn.init.normal_(self.from_end.weight, std=0.1)

    def forward(self, batch: TextBatch) -> Losses:
        """Return losses by name (of pieces, of lengths, of what `summarise` adds), and codes with their mask."""
        context, counted = self.encode_source(batch.source), batch.target != PAD
        lengths = counted.sum(1)
        summary = self.summarise(batch.target, lengths, context)
        x = self.write(lengths, batch.target.shape[1], context, summary.condition)
        losses = {
            "nll": self._measure_written(self.logits(x), batch.target, lengths),
            "length": self._measure_lengths(lengths, context) / lengths.sum(),
        }
        return losses | summary.losses, summary.codes, summary.mask

    def summarise(self, target: Tensor, lengths: Tensor, context: Context) -> Summary:
        """Return nothing of the target."""
        return Summary(None, {}, target, target != PAD)

    def condition(self, lengths: Tensor, context: Context) -> tuple[Tensor | None, Tensor]:
        """Predict what `summarise` tells in training: the condition, and its log probability `(batch,)`."""
        return None, torch.zeros(len(lengths), device=lengths.device)

    def write(self, lengths: Tensor, width: int, context: Context, condition: Tensor | None) -> Tensor:
        """Return the output of the decoder for translations of `lengths` pieces, padded to `width` pieces.

        Returns:
            `(batch, width · places, model width)`.
        """
        lengths, width = lengths * self.sizes.places, width * self.sizes.places
        places = torch.arange(width, device=lengths.device)
        counted = places < lengths[:, None]
        sources = context.mask.flatten(1).sum(1)
        speed = (sources - 1) / (lengths - 1).clamp(min=1)
        apart = torch.arange(context.encoding.shape[1], device=lengths.device) - places[:, None] * speed[:, None, None]
        weights = (-apart.square()).masked_fill(~context.mask[:, 0], float("-inf")).softmax(2)
        x = self.copied(weights.to(context.encoding.dtype) @ context.encoding)
        x = x + self.positions[:width] + self.from_end((lengths[:, None] - 1 - places).clamp(min=0))
        if condition is not None:
            x = x + condition
        return self.decoder(self.dropout(x), counted[:, None, None], context=context)

    def decode(self, source: Tensor, decoding: Decoding) -> list[list[int]]:
        """Return the pieces of the translation of each sentence int `(batch, time)`; repetitions are left out."""
        batch, candidates = len(source), decoding.lengths
        context = self.encode_source(source)
        lengths = self._choose_lengths(context, candidates).flatten()
        context = context.repeat(candidates)
        width = -(-int(lengths.max()) // STEP) * STEP
        condition, prior = self.condition(lengths, context)
        logits = self.logits(self.write(lengths, width, context, condition))
        if candidates == 1:
            return self.read_pieces(logits, lengths)
        top = logits.float().log_softmax(2).amax(2)
        scores = ((top * self._count_places(logits, lengths)).sum(1) + prior) / lengths
        best = scores.view(batch, candidates).argmax(1) + torch.arange(batch, device=source.device) * candidates
        return self.read_pieces(logits[best], lengths[best])

    def read_pieces(self, logits: Tensor, lengths: Tensor) -> list[list[int]]:
        """Return the pieces that are the most probable at each place, of logits `(batch, places, pieces)`."""
        pieces = logits.argmax(2).masked_fill(~self._count_places(logits, lengths), PAD)
        return [drop_repetitions(row) for row in pieces.tolist()]

    def _count_places(self, logits: Tensor, lengths: Tensor) -> Tensor:
        """Return which places count in translations of `lengths` pieces, bool `(batch, places)`."""
        return torch.arange(logits.shape[1], device=lengths.device) < self.sizes.places * lengths[:, None]

    def _measure_written(self, logits: Tensor, target: Tensor, lengths: Tensor) -> Tensor:
        """Return the negative log probability of a piece of `target` int `(batch, time)`, in nats."""
        places = self.sizes.places
        if places == 1:
            return self.measure_pieces(logits, target)
        return measure_alignments(logits, target, places * lengths, lengths).sum() / lengths.sum()

    def _predict_offsets(self, context: Context) -> Tensor:
        """Return logits of how many pieces longer than the source a translation is, `(batch, 2 · offsets + 1)`."""
        counted = context.mask[:, 0, 0, :, None]
        mean = (context.encoding * counted).sum(1) / counted.sum(1)
        return self.length(mean).float()

    def _measure_lengths(self, lengths: Tensor, context: Context) -> Tensor:
        most = self.sizes.offsets
        offsets = (lengths - context.mask.flatten(1).sum(1)).clamp(-most, most) + most
        return F.cross_entropy(self._predict_offsets(context), offsets, reduction="sum")

    def _choose_lengths(self, context: Context, count: int) -> Tensor:
        """Return the `count` most probable lengths, int `(batch, count)`."""
        offsets = self._predict_offsets(context).topk(min(count, 2 * self.sizes.offsets + 1), 1).indices
        sources = context.mask.flatten(1).sum(1, keepdim=True)
        return (sources + offsets - self.sizes.offsets).clamp(2, self.sizes.longest)


def drop_repetitions(pieces: list[int]) -> list[int]:
    """Return pieces up to the end, without padding and without those that repeat the piece at the place before."""
    found: list[int] = []
    before = PAD
    for one in pieces:
        if one == END:
            break
        if one not in (PAD, before):
            found.append(one)
        before = one
    return found
