"""The score of the latents of a model: what they say, what they cost, and whether the decoder uses them."""

import argparse
import math
from collections.abc import Generator

from vqspeech.commands.arguments import add_device_argument
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.devices import resolve_device
from vqspeech.errors import ConfigError
from vqspeech.metrics.measures.bootstrap import estimate_ratio
from vqspeech.metrics.measures.codebook import count_used, perplexity
from vqspeech.text.commands.arguments import TEST, read_test
from vqspeech.text.metrics.latents import measure_latents
from vqspeech.text.metrics.measures import compare_systems
from vqspeech.text.models import LatentTranslator, Translator

PREDICTED, OWN, OTHERS = "predicted latents", "latents of the reference", "latents of another reference"
"""Latents that translations are written from."""


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Translate with predicted latents, those of the references, and wrong ones."""
    model = Translator.from_pretrained(args.model, resolve_device(args.device))
    if not isinstance(model, LatentTranslator):
        raise ConfigError(f"{args.model}: has no latents; name a model with a configuration such as latent_small")
    sources, references = read_test(args.data, [model])
    use = measure_latents(model, sources, references)
    found = {PREDICTED: model.translate(sources), OWN: use.own, OTHERS: use.others}
    compared, signatures = compare_systems(found, references)
    notes = [
        f"{len(sources)} sentences of {args.data[0]}; {', '.join(signatures.values())}",
        "the latter two are told the length of the reference as well; p: of the difference to predicted latents",
    ]
    rows = [
        {"row": name, **one.figures, **{f"p ({metric})": p for metric, p in one.p_values.items()}}
        for name, one in compared.items()
    ]
    yield Table(rows, notes, packages=["sacrebleu", "sentencepiece"])
    price = model.sizes.codebooks * math.log2(model.codes)
    rows = [
        {
            "row": f"codebook {i}",
            "codes": model.codes,
            "used": count_used(counts),
            "perplexity": perplexity(counts),
        }
        for i, counts in enumerate(use.counts, 1)
    ]
    notes = [
        f"{use.latents} latents of {model.sizes.codebooks} codebook(s), {price:g} bits each",
        f"bits of the latents of a sentence under the predictor: {estimate_ratio(use.bits).value:.1f}",
        f"predicted right in all parts, given those before: {use.right / use.latents:.1%}",
    ]
    yield Table(rows, notes, name="codes")


SCORE = Score(
    "latents",
    "Measure whether the decoder uses its latents, and how well they are predicted.",
    measure,
    arguments=[argument("model", metavar="MODEL", help="checkpoint or experiment folder"), TEST, add_device_argument],
    columns={
        PREDICTED: "a translation proper",
        OWN: "what the latents can say, an upper limit of prediction",
        OTHERS: "close to the first row where the decoder ignores its latents",
    },
    example="vqspeech text score latents exp/latent --data test.en test.de --out exp/latent/scores.json",
)
