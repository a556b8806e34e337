"""Training of models that translate, and of the predictor of latents alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from torch import nn

from vqspeech.errors import ConfigError
from vqspeech.models import checkpoint
from vqspeech.schema import Count, Options, check_groups
from vqspeech.text.data.batches import TextBatches
from vqspeech.text.data.pairs import SentencePairs
from vqspeech.text.data.vocabulary import Vocabulary
from vqspeech.text.metrics.measures import measure_bleu
from vqspeech.text.models import Decoding, LatentTranslator, build_translator, find_translator_class
from vqspeech.training.log import Log
from vqspeech.training.task import CHANGEABLE, TrainingOptions


@dataclass(frozen=True, kw_only=True)
class TranslationTraining(TrainingOptions):
    """Options of the group `training`.

    Attributes:
        learn: What is trained; `predictor`: that of a latent model alone, whose codebook stays as it is.
        translate: Held-out sentences that are translated at an evaluation.
    """

    learn: Literal["all", "predictor"] = "all"
    translate: Annotated[Count, CHANGEABLE]


class TranslationTask:
    """The task of training a model that translates. A batch is a number of target pieces, padding included.

    Args:
        config: The configuration.
        train: Sentence pairs to learn from.
        dev: Held-out pairs.
        start: A model whose vocabulary is taken, and its weights of the same name and shape.

    Raises:
        ConfigError: The configuration describes something else, or needs a `start` that is not given.
        CorpusError: No pair is short enough.
    """

    criterion, items, length, training = "error", "pieces", 1, Options(TranslationTraining)

    def __init__(
        self, config: Mapping[str, Any], train: SentencePairs, dev: SentencePairs, start: str | Path | None = None
    ):
        config = self.check_config(config)
        self.options = config["training"]
        groups = {name: group for name, group in config.items() if name != "training"}
        self.sources = {"train": train.fingerprint, "dev": dev.fingerprint}
        self._start: dict[str, torch.Tensor] = {}
        if start is not None:
            file = checkpoint.find_best(start)
            self._start, about = checkpoint.read(file, "model.")
            if not isinstance(about.get("vocabulary"), str):
                raise ConfigError(f"{file}: has no vocabulary; start from a model of `vqspeech text train`")
            vocabulary = Vocabulary(about["vocabulary"])
        else:
            vocabulary = Vocabulary.learn([*train.source, *train.target], groups["vocabulary"]["size"])
        torch.manual_seed(self.options["seed"])
        self.model: Any = build_translator(groups, vocabulary.model)
        if self.options["learn"] == "predictor":
            if start is None or not isinstance(self.model, LatentTranslator):
                raise ConfigError("training.learn=predictor: refines that of a latent model; name it by --start")
            self.model.refine()
        longest = self.model.sizes.longest
        self.batches, self.dev_batches = (
            TextBatches(vocabulary.encode(one.source), vocabulary.encode(one.target), longest) for one in (train, dev)
        )
        fits = [i for i, pieces in enumerate(vocabulary.encode(dev.source)) if len(pieces) <= longest]
        self._dev = [(dev.source[i], dev.target[i]) for i in fits[: self.options["translate"]]]

    @classmethod
    def check_config(cls, config: Any) -> dict[str, Any]:
        """Return the whole configuration, checked. Raise `ConfigError` where it describes no such training."""
        groups = find_translator_class(config).list_groups()
        return check_groups(config, {**groups, "training": cls.training}, exclusive=True)

    @property
    def codes(self) -> int:
        """Number of codes; 0 for a model without codebook."""
        return self.model.codes

    @property
    def network(self) -> nn.Module:
        """The part of the model that `training.compile` compiles."""
        return self.model.decoder

    def initialize(self) -> None:
        """Take the weights of the model to start from that have a place here."""
        ours = self.model.state_dict()
        taken = {name: one for name, one in self._start.items() if name in ours and one.shape == ours[name].shape}
        if self.options["learn"] == "predictor" and len(taken) < len(ours):
            missing = next(name for name in ours if name not in taken)
            raise ConfigError(f"training.learn=predictor: the model of --start has other sizes ({missing})")
        self.model.load_state_dict(ours | taken)

    @torch.no_grad()
    def evaluate(self, size: int, batches: int) -> dict[str, float]:
        """Measure the losses of `batches` batches of held-out pairs, and the BLEU of held-out translations.

        Returns:
            {"bleu": …, "error": 100 − BLEU, and each loss in nats per piece}.
        """
        model = self.model
        training = model.training
        model.eval()
        totals: dict[str, float] = {}
        pieces = 0
        for _, batch in zip(range(batches), self.dev_batches.in_order(size), strict=False):
            losses = model(batch.to(model.device))[0]
            count = int((batch.target != 0).sum())
            pieces += count
            for name, loss in losses.items():
                totals[name] = totals.get(name, 0.0) + float(loss) * count
        sources, references = zip(*self._dev, strict=True)
        found = model.translate(sources, Decoding())
        model.train(training)
        bleu = measure_bleu(found, references)
        return {"bleu": bleu, "error": 100 - bleu} | {name: total / pieces for name, total in totals.items()}

    def describe_figures(self, figures: Mapping[str, float]) -> str:
        """Return the figures of an evaluation in words."""
        names = [name for name in ("nll", "latents", "length") if name in figures]
        text = ", ".join(f"{name} {figures[name]:.3f}" for name in names)
        used = f", {figures['train_used']:.0f} of {self.codes} codes used" if self.codes else ""
        return f"held out BLEU {figures['bleu']:.2f}, {text} nats a piece{used}"

    def describe_speed(self, rate: float) -> str:
        """Return a rate in words."""
        return f"{rate:,.0f} pieces/s"

    def log_examples(self, log: Log, step: int) -> None:
        """Add nothing to the log: translations are neither sound nor picture."""
