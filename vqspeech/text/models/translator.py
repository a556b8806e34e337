"""The base of models that translate: vocabulary, source encoder, and lines of text in and out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.errors import TextError
from vqspeech.models.pretrained import Pretrained
from vqspeech.schema import Count, Depth, Dropout, Kinds, Options, Range, Width, check_groups, require_multiple
from vqspeech.text.data.batches import STEP, TextBatch, fill
from vqspeech.text.data.vocabulary import PAD, Vocabulary
from vqspeech.text.models.transformer import Context, Stack, encode_positions
from vqspeech.text.models.transformer import Dropout as Drop

Kind = TypeVar("Kind", bound="Translator")
Losses = tuple[dict[str, Tensor], Tensor, Tensor]
"""Losses by name, in nats per piece; codes; bool mask of the codes that count."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Options of the group `model` that all models have.

    Attributes:
        width: Of all layers.
        heads: Of attention.
        hidden: Width of the hidden layer of each network.
        encoder_layers: Layers of the source encoder.
        decoder_layers: Layers of the decoder.
        dropout: Share of units dropped in training.
        smoothing: Share of the probability that the training target gives to all pieces alike.
        longest: Pieces of the longest sentence, its end included.
    """

    width: Width
    heads: Width
    hidden: Width
    encoder_layers: Depth
    decoder_layers: Depth
    dropout: Dropout
    smoothing: Dropout
    longest: Annotated[int, Range(STEP, 4096)] = 128

    @property
    def positions(self) -> int:
        """Positions that are encoded."""
        return self.longest + STEP

    @staticmethod
    def check_options(where: str, options: Mapping[str, Any]) -> None:
        """Raise `ConfigError` where widths do not fit together."""
        require_multiple(where, options, "width", "heads")


@dataclass(frozen=True)
class VocabularyOptions:
    """Options of the group `vocabulary`: the number of pieces."""

    size: Count


@dataclass(frozen=True)
class Decoding:
    """How translations are chosen.

    Attributes:
        beam: Translations that are kept at every step of an autoregressive model; 1 is greedy.
        penalty: Exponent of the length that the log probability of a translation is divided by, with a beam.
        lengths: Lengths that a parallel model decodes at once; the most probable translation is taken.
    """

    beam: int = 1
    penalty: float = 1.0
    lengths: int = 1


class Translator(Pretrained, ABC):
    """A model that translates.

    Args:
        config: Groups `model` and `vocabulary`, and those of the kind of model.
        vocabulary: The model of SentencePiece, in base64.

    Raises:
        ConfigError: The configuration names something unknown.
    """

    name: ClassVar[str]
    """Of the kind of model, in configurations."""
    kind: ClassVar[type[Sizes]] = Sizes
    """Options of the group `model`."""
    fields = ("vocabulary",)
    expected = "no model that translates; name one that `vqspeech text train` made"
    codes = 0
    """Number of codes; 0 for a model without codes."""

    def __init__(self, config: Mapping[str, Any], vocabulary: str):
        super().__init__()
        self.config, self.vocabulary = check_groups(config, self.list_groups()), vocabulary
        self.pieces = Vocabulary(vocabulary)
        options = {key: value for key, value in self.config["model"].items() if key != "name"}
        sizes: Any = self.kind(**options)
        self.sizes = sizes
        self.embedding = nn.Embedding(len(self.pieces), sizes.width)
        nn.init.normal_(self.embedding.weight, std=sizes.width**-0.5)
        self.encoder = self.make_stack(sizes.encoder_layers, attends=False)
        self.decoder = self.make_stack(sizes.decoder_layers)
        self.dropout = Drop(sizes.dropout)
        self.register_buffer("positions", encode_positions(sizes.positions, sizes.width), persistent=False)

    positions: Tensor

    @classmethod
    def list_groups(cls) -> dict[str, Options | Kinds]:
        """Return the groups of its configuration."""
        return {"model": Kinds("model", {cls.name: cls.kind}), "vocabulary": Options(VocabularyOptions)}

    @classmethod
    def recognises(cls, metadata: Mapping[str, Any]) -> bool:
        """Return whether metadata describe a model that translates, of this kind unless this is the base."""
        name = metadata.get("config", {}).get("model", {}).get("name")
        return "vocabulary" in metadata and name == getattr(cls, "name", name)

    @classmethod
    def from_metadata(cls: type[Kind], metadata: Mapping[str, Any]) -> Kind:
        """As `Pretrained.from_metadata`, of the kind of model that the configuration names."""
        from vqspeech.text.models import build_translator

        return cast(Kind, build_translator(metadata["config"], metadata["vocabulary"]))

    def make_stack(self, layers: int, attends: bool = True) -> Stack:
        """Return layers of this model's sizes."""
        sizes = self.sizes
        return Stack(layers, sizes.width, sizes.heads, sizes.hidden, sizes.dropout, attends)

    # Parts of the forward pass

    def embed(self, pieces: Tensor, first: int = 0) -> Tensor:
        """Return pieces int `(batch, time)` as `(batch, time, width)`, with their positions from `first`."""
        x = self.embedding(pieces) * self.sizes.width**0.5
        return self.dropout(x + self.positions[first : first + pieces.shape[1]])

    def encode_source(self, source: Tensor) -> Context:
        """Encode sentences int `(batch, time)`."""
        mask = (source != PAD)[:, None, None]
        return Context(self.encoder(self.embed(source), mask), mask)

    def logits(self, x: Tensor) -> Tensor:
        """Return logits `(…, pieces)` of x `(…, width)`, by the embedding of the pieces."""
        return F.linear(x, self.embedding.weight)

    def measure_pieces(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean cross-entropy of the pieces of `target` int `(batch, time)`, smoothed in training (nats)."""
        smoothing = self.sizes.smoothing if self.training else 0.0
        return F.cross_entropy(
            logits.flatten(0, 1).float(), target.flatten(), ignore_index=PAD, label_smoothing=smoothing
        )

    @abstractmethod
    def forward(self, batch: TextBatch) -> Losses:
        """Return losses, codes and mask of a batch."""

    @abstractmethod
    def decode(self, source: Tensor, decoding: Decoding) -> list[list[int]]:
        """Return the pieces of the translation of each sentence int `(batch, time)`."""

    # Text in, text out

    def check_line(self, line: str) -> list[int]:
        """Return the pieces of a line. Raise `TextError` where it has none, or too many."""
        (pieces,) = self.pieces.encode([line])
        if len(pieces) < 2:
            raise TextError("an empty line")
        if len(pieces) > self.sizes.longest:
            raise TextError(
                f"{len(pieces)} pieces, the model takes {self.sizes.longest}; give one sentence a line, or cut it"
            )
        return pieces

    @torch.inference_mode()
    def translate(self, lines: Sequence[str], decoding: Decoding = Decoding(), batch: int = 64) -> list[str]:
        """Translate lines, those of similar length together.

        Args:
            lines: Sentences.
            decoding: How translations are chosen.
            batch: Sentences at once.

        Raises:
            TextError: A line is empty or too long.
        """
        pieces = [self.check_line(line) for line in lines]
        order = sorted(range(len(lines)), key=lambda i: len(pieces[i]))
        found = [""] * len(lines)
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            source = fill([pieces[i] for i in part], len(pieces[part[-1]])).to(self.device)
            for i, text in zip(part, self.pieces.decode(self.decode(source, decoding)), strict=True):
                found[i] = text
        return found
