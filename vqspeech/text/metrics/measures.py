"""BLEU, chrF and paired comparisons of translations, by sacrebleu (Post 2018, 1804.08771)."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from vqspeech.extras import import_extra
from vqspeech.metrics.measures.bootstrap import Estimate


def measure_bleu(translations: Sequence[str], references: Sequence[str]) -> float:
    """Return the BLEU of translations with one reference each, in percent."""
    return import_extra("sacrebleu", "text").corpus_bleu(list(translations), [list(references)]).score


@dataclass(frozen=True)
class Comparison:
    """Figures of one system.

    Attributes:
        figures: By metric, BLEU and chrF2, each with its interval.
        p_values: Of the difference to the first system, by metric; empty for the first.
    """

    figures: Mapping[str, Estimate]
    p_values: Mapping[str, float]


def compare_systems(
    systems: Mapping[str, Sequence[str]], references: Sequence[str], draws: int = 1000, seed: int = 12345
) -> tuple[dict[str, Comparison], dict[str, str]]:
    """Compare translations by systems with those of the first, by the paired bootstrap of sacrebleu (Koehn 2004).

    Args:
        systems: Translations by system.
        references: One reference each.
        draws: Times that the sentences are redrawn.
        seed: Of the draws.

    Returns:
        The comparison of each system, and the signature of each metric.
    """
    metrics = import_extra("sacrebleu", "text").metrics
    significance = import_extra("sacrebleu.significance", "text")
    named = [(name, list(lines)) for name, lines in systems.items()]
    measures = {"BLEU": metrics.BLEU(), "chrF2": metrics.CHRF()}
    with _seed(seed):
        if len(named) == 1:  # a comparison takes two
            named.append((" ", named[0][1]))
        test = significance.PairedTest(named, measures, [list(references)], test_type="bs", n_samples=draws)
        signatures, scores = test()
    n, found = len(references), {}
    for i, name in enumerate(systems):
        results = {metric: scores[metric][i] for metric in measures}
        figures = {
            metric: Estimate(float(one.score), float(one.mean - one.ci), float(one.mean + one.ci), n)
            for metric, one in results.items()
        }
        found[name] = Comparison(figures, {m: one.p_value for m, one in results.items() if one.p_value is not None})
    return found, {metric: str(signatures[metric]) for metric in measures}


@contextmanager
def _seed(seed: int) -> Iterator[None]:
    """Set the seed that sacrebleu reads from the environment."""
    before = os.environ.get("SACREBLEU_SEED")
    os.environ["SACREBLEU_SEED"] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SACREBLEU_SEED"]
        else:
            os.environ["SACREBLEU_SEED"] = before
