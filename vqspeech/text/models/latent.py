"""The latent Transformer (1805.11063): few discrete latents stand for a translation, and a decoder writes it at once.

Training: target → strided convolutions ×8 → quantiser → decoder, which also attends to the source. Translation: an
autoregressive predictor writes the latents given the source, one for eight pieces, and the decoder all pieces at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.errors import UnitsError
from vqspeech.models import checkpoint
from vqspeech.models.pretrained import hash_weights
from vqspeech.models.quantize import QUANTIZER
from vqspeech.models.quantize.product import ProductCodebook
from vqspeech.schema import Depth, Dropout, Kinds, Options, Range, Width, require_multiple
from vqspeech.text.data.batches import STEP, TextBatch
from vqspeech.text.data.vocabulary import PAD
from vqspeech.text.models.parallel import ParallelSizes, ParallelTranslator, Summary
from vqspeech.text.models.transformer import Context, Stack, State
from vqspeech.text.models.translator import Losses

_PREDICTOR = "predictor."


@dataclass(frozen=True, kw_only=True)
class LatentSizes(ParallelSizes):
    """Options of the group `model`.

    Attributes:
        dimension: Of a latent.
        codebooks: Parts of a latent that have a codebook each.
        reader_layers: Layers over the pieces of the target before the convolutions.
        predictor_layers: Layers of the predictor.
        condition_dropout: Share of the sentences in training that the decoder is not conditioned on the latents of.
        predicted: Share of the sentences in training whose decoder is conditioned on the latents that the predictor
            finds most probable, as in translation, so that it learns how far to rely on them.
    """

    dimension: Width
    codebooks: Annotated[int, Range(1, 4)]
    reader_layers: Depth
    predictor_layers: Depth
    condition_dropout: Dropout = 0.0
    predicted: Dropout = 0.0

    @staticmethod
    def check_options(where: str, options: Mapping[str, Any]) -> None:
        """Raise `ConfigError` where widths do not fit together."""
        require_multiple(where, options, "width", "heads")
        require_multiple(where, options, "dimension", "codebooks")


class Predictor(nn.Module):
    """p(latents | source, length), one latent after the other, and its parts in order.

    Args:
        stack: The layers.
        codebooks: Parts of a latent.
        size: Codes of each.
        width: Of the layers.
        most: The most latents.
    """

    def __init__(self, stack: Stack, codebooks: int, size: int, width: int, most: int):
        super().__init__()
        self.stack, self.size, self.codebooks = stack, size, codebooks
        self.embedding = nn.Embedding(codebooks * size, width)  # of the latent before
        self.earlier = nn.Embedding(codebooks * size, width)  # of the parts before in the same latent
        self.begin = nn.Parameter(torch.zeros(width))
        self.from_end = nn.Embedding(STEP * most, width)  # pieces of the translation that are left
        self.outputs = nn.ModuleList(nn.Linear(width, size) for _ in range(codebooks))
        for one in (self.embedding, self.earlier, self.from_end):
            nn.init.normal_(one.weight, std=0.1)

    def forward(self, codes: Tensor, lengths: Tensor, context: Context, positions: Tensor) -> Tensor:
        """Return logits `(batch, latents, codebooks, size)` of codes int `(batch, latents, codebooks)`."""
        x = self.embedding(self._number(codes[:, :-1])).sum(2)
        x = torch.cat([self.begin.expand(len(codes), 1, -1), x], 1)
        x = self.stack(x + self._place(0, codes.shape[1], lengths, positions), causal=True, context=context)
        earlier = self.earlier(self._number(codes[:, :, : self.codebooks - 1])).cumsum(2)
        first, *rest = self.outputs
        found = [first(x), *(one(x + earlier[:, :, i]) for i, one in enumerate(rest))]
        return torch.stack(found, 2)

    def predict(self, latents: int, lengths: Tensor, context: Context, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the most probable codes, one by one, int `(batch, latents, codebooks)`, and their log probabilities.

        The log probabilities are `(batch, latents)`, of all parts of a latent together.
        """
        state = State(self.stack, context, latents)
        x, found, scores = self.begin.expand(len(lengths), 1, -1), [], []
        for place in range(latents):
            x = self.stack.step(x + self._place(place, 1, lengths, positions), state)[:, 0]
            codes, score = [], torch.zeros(len(lengths), device=x.device)
            for part, output in enumerate(self.outputs):
                top, code = output(x).float().log_softmax(1).max(1)
                codes.append(code)
                score = score + top
                x = x + self.earlier(code + part * self.size)
            found.append(torch.stack(codes, 1))
            scores.append(score)
            x = self.embedding(self._number(found[-1][:, None])).sum(2)
        return torch.stack(found, 1), torch.stack(scores, 1)

    def _number(self, codes: Tensor) -> Tensor:
        """Return the rows of an embedding of all codebooks, int, for codes `(…, codebooks)`, or the first of them."""
        return codes + torch.arange(codes.shape[-1], device=codes.device) * self.size

    def _place(self, first: int, count: int, lengths: Tensor, positions: Tensor) -> Tensor:
        """Return what tells the place of `count` latents from `first` on, `(batch, count, width)`."""
        places = torch.arange(first, first + count, device=lengths.device)
        left = (lengths[:, None] - 1 - STEP * places).clamp(min=0)
        return positions[first : first + count] + self.from_end(left)


class LatentTranslator(ParallelTranslator):
    """A parallel translator whose decoder is also conditioned on discrete latents of the target."""

    name = "latent"
    kind = LatentSizes
    refines = False
    """Whether the predictor alone is trained."""

    def __init__(self, config: dict, vocabulary: str):
        super().__init__(config, vocabulary)
        sizes, width = self.sizes, self.sizes.width
        self.reader = self.make_stack(sizes.reader_layers)
        self.convolutions = nn.ModuleList(nn.Conv1d(width, width, 4, stride=2, padding=1) for _ in range(3))
        self.projection = nn.Linear(width, sizes.dimension)
        part = sizes.dimension // sizes.codebooks
        self.quantizer = ProductCodebook(
            [QUANTIZER.make(self.config["quantizer"], dimension=part) for _ in range(sizes.codebooks)]
        )
        covered = STEP * sizes.places
        self.spread = nn.ConvTranspose1d(sizes.dimension, width, covered, stride=covered)
        most = -(-sizes.longest // STEP)
        self.predictor = Predictor(
            self.make_stack(sizes.predictor_layers), sizes.codebooks, self.quantizer.size, width, most
        )

    @classmethod
    def list_groups(cls) -> dict[str, Options | Kinds]:
        """Return the groups of its configuration."""
        return {**super().list_groups(), "quantizer": QUANTIZER}

    @property
    def codes(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Number of codes of a codebook."""
        return self.quantizer.size

    @property
    def codebook_sha256(self) -> str:
        """Hash of the code vectors, which tells predictors of another codebook."""
        return hash_weights({"weight": book.weight} for book in self.quantizer.books)

    @property
    def saved_metadata(self) -> dict[str, Any]:
        """What a checkpoint says of the model."""
        return {**self.metadata, "codebook": self.codebook_sha256}

    # Training

    def forward(self, batch: TextBatch) -> Losses:
        """Return losses by name, the codes `(batch, latents, codebooks)` and the mask `(batch, latents)`."""
        if not self.refines:
            return super().forward(batch)
        with torch.no_grad():
            context, lengths = self.encode_source(batch.source), (batch.target != PAD).sum(1)
            codes, mask = self.encode_target(batch.target, context)
        logits = self.predictor(codes, lengths, context, self.positions)
        return {"latents": self._measure_codes(logits, codes, mask, lengths)}, codes, mask

    def summarise(self, target: Tensor, lengths: Tensor, context: Context) -> Summary:
        """Quantise the target; the decoder is conditioned on the result, which the predictor learns to predict."""
        vectors, mask = self._compress(target, context)
        quantised = self.quantizer(vectors, mask)
        logits = self.predictor(quantised.codes, lengths, context, self.positions)
        told = quantised.vectors
        if self.training and self.sizes.predicted:
            chosen = self.quantizer.lookup(logits.argmax(3)).detach()
            told = torch.where(self._draw(told, self.sizes.predicted), chosen, told)
        if self.training and self.sizes.condition_dropout:
            told = told.masked_fill(self._draw(told, self.sizes.condition_dropout), 0.0)
        condition = self.spread(told).transpose(1, 2)
        losses = quantised.losses | {"latents": self._measure_codes(logits, quantised.codes, mask, lengths)}
        return Summary(condition, losses, quantised.codes, mask)

    def refine(self) -> None:
        """Let training change the predictor alone; all else stays as it is, without dropout."""
        self.refines = True
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.startswith(_PREDICTOR))
        self.train(self.training)

    def train(self, mode: bool = True) -> "LatentTranslator":
        """Set the mode of training or evaluation; in `refine`, of the predictor alone."""
        super().train(mode)
        if self.refines:
            for name, child in self.named_children():
                child.train(mode and name == _PREDICTOR.rstrip("."))
        return self

    def _compress(self, target: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """Return vectors `(batch, dimension, latents)` of targets int `(batch, time)`, and the mask of latents."""
        counted = target != PAD
        x = self.reader(self.embed(target), counted[:, None, None], context=context).transpose(1, 2)
        for layer in self.convolutions:
            x = F.relu(layer(x * counted[:, None]))
            counted = counted.unflatten(1, (-1, 2)).any(2)
        vectors = F.layer_norm(self.projection(x.transpose(1, 2)).float(), (self.sizes.dimension,))
        return vectors.transpose(1, 2), counted

    @staticmethod
    def _draw(x: Tensor, share: float) -> Tensor:
        """Return a random share of the items of the batch x, bool `(batch, 1, 1)`."""
        return torch.rand(len(x), 1, 1, device=x.device) < share

    @staticmethod
    def _measure_codes(logits: Tensor, codes: Tensor, mask: Tensor, lengths: Tensor) -> Tensor:
        """Return the cross-entropy of the codes of all latents, in nats per piece of the target."""
        nats = F.cross_entropy(logits.flatten(0, 2).float(), codes.flatten(), reduction="none")
        return (nats.view(codes.shape) * mask[..., None]).sum() / lengths.sum()

    # Inference

    def condition(self, lengths: Tensor, context: Context) -> tuple[Tensor | None, Tensor]:
        """Predict the latents; return what they tell the decoder, and their log probability `(batch,)`."""
        latents = -(-int(lengths.max()) // STEP)
        codes, scores = self.predictor.predict(latents, lengths, context, self.positions)
        counted = torch.arange(latents, device=lengths.device) * STEP < lengths[:, None]
        return self.condition_on(codes), (scores * counted).sum(1)

    def condition_on(self, codes: Tensor) -> Tensor:
        """Return what codes int `(batch, latents, codebooks)` tell the decoder, `(batch, time, width)`."""
        return self.spread(self.quantizer.lookup(codes)).transpose(1, 2)

    @torch.no_grad()
    def encode_target(self, target: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """Return the codes int64 `(batch, latents, codebooks)` of targets int `(batch, time)`, and their mask."""
        vectors, mask = self._compress(target, context)
        codes = self.quantizer.nearest(vectors.transpose(1, 2).flatten(0, 1))
        return codes.view(*mask.shape, -1), mask

    def load_predictor(self, path: str | Path) -> None:
        """Take the predictor of another checkpoint, or experiment folder, of the same codebook.

        Raises:
            UnitsError: It predicts the codes of another codebook.
            CheckpointError: It has no predictor.
        """
        file = checkpoint.find_best(path)
        other = LatentTranslator.from_pretrained(file)
        learned = checkpoint.read(file, "none.")[1].get("codebook")
        if learned != self.codebook_sha256 or other.predictor.size != self.predictor.size:
            raise UnitsError(
                f"{file}: predicts the codes of another codebook ({str(learned)[:12]}, not "
                f"{self.codebook_sha256[:12]}); name a predictor that was refined from this model"
            )
        self.predictor = other.predictor.to(self.device)
