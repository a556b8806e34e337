"""The Transformer that writes a translation piece by piece: the teacher, and what parallel models are compared with."""

import torch
from torch import Tensor

from vqspeech.text.data.batches import TextBatch
from vqspeech.text.data.vocabulary import BEGIN, END, PAD
from vqspeech.text.models.transformer import Context, State
from vqspeech.text.models.translator import Decoding, Losses, Translator

_MORE = 24
"""Pieces that a translation may have more than one and a half times its source."""


class AutoregressiveTranslator(Translator):
    """p(piece | pieces before it, source), decoded greedily or with a beam, with cached keys and values."""

    name = "autoregressive"

    def forward(self, batch: TextBatch) -> Losses:
        """Return {"nll": cross-entropy per piece}, the pieces, and the mask of those that count."""
        x = self.predict(batch.target, self.encode_source(batch.source))
        return {"nll": self.measure_pieces(self.logits(x), batch.target)}, batch.target, batch.target != PAD

    def predict(self, target: Tensor, context: Context) -> Tensor:
        """Return what each piece of `target` int `(batch, time)` is predicted from, `(batch, time, width)`."""
        before = target.roll(1, 1)
        before[:, 0] = BEGIN
        # Padding is at the end, where nothing that counts attends to it.
        return self.decoder(self.embed(before), causal=True, context=context)

    def decode(self, source: Tensor, decoding: Decoding) -> list[list[int]]:
        """Return the pieces of the translation of each sentence int `(batch, time)`."""
        # Of each sentence by itself, so that what it is translated with changes nothing.
        most = ((source != PAD).sum(1) * 3 // 2 + _MORE).clamp(max=self.sizes.longest)
        context = self.encode_source(source)
        if decoding.beam == 1:
            return self._decode_greedily(context, most)
        return self._search(context, most, decoding)

    def _step(self, pieces: Tensor, state: State, place: int) -> Tensor:
        """Return logits `(batch, pieces)` of the piece after `pieces` int `(batch,)`, the one at `place`."""
        x = self.decoder.step(self.embed(pieces[:, None], place), state)
        return self.logits(x[:, 0])

    def _decode_greedily(self, context: Context, most: Tensor) -> list[list[int]]:
        """Write at most `most` int `(batch,)` pieces of each translation."""
        steps = int(most.max())
        state = State(self.decoder, context, steps)
        batch = len(context.encoding)
        pieces = torch.full((batch,), BEGIN, device=context.encoding.device)
        found, ended = [], torch.zeros_like(pieces, dtype=torch.bool)
        for place in range(steps):
            pieces = self._step(pieces, state, place).argmax(1).masked_fill_(ended, PAD)
            found.append(pieces)
            ended = ended | (pieces == END) | (most <= place + 1)
            if ended.all():
                break
        return torch.stack(found, 1).tolist()

    def _search(self, context: Context, most: Tensor, decoding: Decoding) -> list[list[int]]:
        """Search with a beam (Sutskever et al. 2014), until no unfinished translation can become the best."""
        steps = int(most.max())
        beam, batch, device = decoding.beam, len(context.encoding), context.encoding.device
        state = State(self.decoder, context.repeat(beam), steps)
        first = torch.arange(batch, device=device)[:, None] * beam  # of the rows of each sentence
        pieces = torch.full((batch * beam,), BEGIN, device=device)
        scores = torch.full((batch, beam), float("-inf"), device=device)
        scores[:, 0] = 0.0  # all rows of a sentence begin alike; only one counts
        written = torch.zeros(batch, beam, 0, dtype=torch.long, device=device)
        best: list[tuple[float, list[int]]] = [(float("-inf"), [])] * batch
        for place in range(steps):
            logs = self._step(pieces, state, place).float().log_softmax(1).view(batch, beam, -1)
            last = most <= place + 1
            if last.any():
                logs[last, :, :END] = logs[last, :, END + 1 :] = float("-inf")
            top, index = (scores[..., None] + logs).flatten(1).topk(2 * beam)  # at most half of them end here
            rows, chosen = index // logs.shape[2], index % logs.shape[2]
            ends = chosen == END
            normed = (top / (place + 1) ** decoding.penalty).tolist()
            prefixes = written.tolist()
            for item, flags in enumerate(ends.tolist()):
                for rank in range(beam):
                    if flags[rank] and normed[item][rank] > best[item][0]:
                        best[item] = normed[item][rank], prefixes[item][int(rows[item, rank])]
            scores, kept = top.masked_fill(ends, float("-inf")).topk(beam)
            rows, pieces = rows.gather(1, kept), chosen.gather(1, kept)
            written = torch.cat([written.gather(1, rows[..., None].expand(-1, -1, place)), pieces[..., None]], 2)
            state.select((first + rows).flatten())
            pieces = pieces.flatten()
            # Log probabilities only fall; a longer translation divides by a larger number.
            bound = scores[:, 0] / (most if decoding.penalty else torch.ones_like(most)) ** decoding.penalty
            if all(one[0] >= limit for one, limit in zip(best, bound.tolist(), strict=True)):
                break
        return [pieces for _, pieces in best]
