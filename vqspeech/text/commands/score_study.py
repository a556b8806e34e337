"""The study of quantisers and codebooks in translation: BLEU over seeds, and the paper's claims beside it."""

import argparse
from collections.abc import Generator, Mapping, Sequence

import torch

from vqspeech.commands.arguments import add_device_argument
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.devices import resolve_device
from vqspeech.errors import ConfigError
from vqspeech.studies.findings import NOTES, Finding
from vqspeech.studies.runs import mean_over_seeds
from vqspeech.text.commands.arguments import TEST, read_test
from vqspeech.text.metrics.measures import measure_bleu
from vqspeech.text.models import Translator

_PAPER = "1805.11063"
FINDINGS = (
    Finding("distillation helps soft EM (22.4, 26.7)", _PAPER, "soft EM", "soft EM, not distilled"),
    Finding("soft EM is better than hard EM (21.4, 22.4)", _PAPER, "soft EM", "hard EM"),
    Finding("latents are better than none", _PAPER, "soft EM", "no latents"),
    Finding("more samples are better: 10 than 1", _PAPER, "soft EM", "soft EM, m = 1"),
    Finding("a larger codebook is better: 2^12 than 2^8", _PAPER, "soft EM, 2^12 codes", "soft EM"),
)
"""Claims by the names that the recipe gives; what errs less has the higher BLEU."""


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Translate with all models and compare the names."""
    device = resolve_device(args.device)
    groups: dict[str, list[str]] = {}
    for one in args.models:
        name, _, path = one.rpartition("=")
        if not name or not path:
            raise ConfigError(f"{one}: give NAME=MODEL; models of the same name are its seeds, in order")
        groups.setdefault(name, []).append(path)
    scores = {name: [_score(path, args.data, device) for path in paths] for name, paths in groups.items()}
    rows = [
        {"row": name, "BLEU": mean_over_seeds(some), "seeds": ", ".join(f"{one:.1f}" for one in some)}
        for name, some in scores.items()
    ]
    notes = [f"all of {args.data[0]}; greedy; mean over seeds, Student's interval"]
    yield Table(rows, notes, packages=["sacrebleu", "sentencepiece"])
    yield Table(tabulate(scores), [*NOTES, "figures are 100 - BLEU"], name="findings")


def tabulate(scores: Mapping[str, Sequence[float]]) -> list[dict]:
    """Return a row for each claim whose two names have models of as many seeds."""
    errors = {name: [100 - one for one in some] for name, some in scores.items()}
    fitting = [
        one for one in FINDINGS
        if one.first in errors and one.second in errors and len(errors[one.first]) == len(errors[one.second])
    ]  # fmt: skip
    return [one.tabulate({"100 - BLEU": errors}) for one in fitting]


def _score(path: str, data: Sequence[str], device: torch.device) -> float:
    model = Translator.from_pretrained(path, device)
    sources, references = read_test(data, [model])
    return measure_bleu(model.translate(sources), references)


SCORE = Score(
    "study",
    "Compare quantisers, codebooks and samples by BLEU over seeds, with the paper's claims.",
    measure,
    arguments=[
        argument("models", nargs="+", metavar="NAME=MODEL", help="models; those of one name are seeds of it"),
        TEST,
        add_device_argument,
    ],
    example="vqspeech text score study 'soft EM=exp/soft-0' 'hard EM=exp/hard-0' --data test.en test.de --out s.json",
)
