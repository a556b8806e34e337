"""The score of translations by several systems, and of the time they take, on one machine in one run."""

import argparse
import platform
import re
from collections.abc import Generator
from functools import partial

import torch

from vqspeech.commands.arguments import add_device_argument, positive_int
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.devices import resolve_device
from vqspeech.errors import ConfigError
from vqspeech.metrics.measures.bootstrap import estimate_ratio
from vqspeech.text.commands.arguments import TEST, read_test
from vqspeech.text.metrics.measures import compare_systems
from vqspeech.text.metrics.speed import measure_throughput, time_sentences
from vqspeech.text.models import Decoding, Translator

BATCH = 64
"""Sentences at once, for the translations and the throughput."""
_KEYS = {"beam": int, "penalty": float, "lengths": int}


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Score translations, first for their quality, then for the time of each sentence by itself."""
    device = resolve_device(args.device)
    parsed = {text: parse_system(text) for text in args.systems}
    loaded = {path: Translator.from_pretrained(path, device) for path in dict.fromkeys(p for p, _ in parsed.values())}
    sources, references = read_test(args.data, list(loaded.values()))
    systems = {text: partial(loaded[path].translate, decoding=decoding) for text, (path, decoding) in parsed.items()}
    found: dict[str, list[str]] = {}
    rates = {}
    for name, translate in systems.items():
        translate(sources[:BATCH], batch=BATCH)
        rates[name] = measure_throughput(
            lambda name=name, translate=translate: found.__setitem__(name, translate(sources, batch=BATCH)),
            len(sources),
        )
    compared, signatures = compare_systems(found, references)
    step = max(1, len(sources) // args.timed)
    timed = sources[::step][: args.timed]
    times = time_sentences({name: lambda line, t=t: t([line], batch=1) for name, t in systems.items()}, timed)
    first = args.systems[0]
    rows = []
    for name in systems:
        row = {"row": name, **compared[name].figures}
        row |= {f"p ({metric})": p for metric, p in compared[name].p_values.items()}
        row["ms a sentence"] = estimate_ratio([1000 * one for one in times[name]])
        row["times faster"] = estimate_ratio(times[first], times[name])
        row["sentences/s"] = rates[name]
        rows.append(row)
    notes = [
        f"{len(sources)} sentences of {args.data[0]}; {', '.join(signatures.values())}",
        (
            "intervals of BLEU and chrF, and p of the difference to the first system, by the paired bootstrap of "
            "sacrebleu; others redraw sentences"
        ),
        (
            f"ms a sentence, and how many times faster than the first system: text to text, one sentence at a time, "
            f"{len(timed)} sentences, systems by turns; sentences/s: {BATCH} at once"
        ),
        f"{device}, {torch.get_num_threads()} thread(s), {platform.processor() or platform.machine()}, float32",
        *(f"{name}: {_describe(loaded[path])}" for name, (path, _) in parsed.items()),
    ]
    details = [
        {"source": source, "reference": reference, **{name: found[name][i] for name in systems}}
        for i, (source, reference) in enumerate(zip(sources[:20], references, strict=False))
    ]
    yield Table(rows, notes, details=details, packages=["sacrebleu", "sentencepiece"])


def parse_system(text: str) -> tuple[str, Decoding]:
    """Return model and decoding of `EXP[:KEY=VALUE,…]`. Raise `ConfigError` where it is not of this form."""
    drive = text[:2] if re.match(r"[A-Za-z]:[\\/]", text) else ""  # of a path on Windows
    path, _, settings = text[len(drive) :].partition(":")
    values = {}
    for one in filter(None, settings.split(",")):
        key, _, value = one.partition("=")
        try:
            values[key] = _KEYS[key](value)
            if values[key] <= 0 and key != "penalty":
                raise ValueError(value)
        except (KeyError, ValueError):
            raise ConfigError(
                f"{text}: give MODEL:KEY=VALUE,… of {', '.join(_KEYS)}, such as exp/teacher:beam=4"
            ) from None
    return drive + path, Decoding(**values)


def _describe(model: Translator) -> str:
    sizes = model.sizes
    count = sum(one.numel() for one in model.parameters())
    return (
        f"{model.name}, {count:,} parameters, {sizes.encoder_layers} + {sizes.decoder_layers} layers of {sizes.width}, "
        f"{len(model.pieces)} pieces"
    )


SCORE = Score(
    "translations",
    "Measure translations by sacrebleu and the time they take, of several systems in one run.",
    measure,
    arguments=[
        argument(
            "systems", nargs="+", metavar="MODEL[:KEY=VALUE,…]",
            help="model with its decoding (beam, penalty, lengths); the others are compared with the first",
        ),
        TEST,
        argument(
            "--timed", type=positive_int, default=200, metavar="N",
            help="sentences that are timed one by one, evenly spaced (default: %(default)s)",
        ),
        add_device_argument,
    ],
    columns={
        "BLEU, chrF2": "of sacrebleu, by the signatures in the notes",
        "p": "probability of such a difference to the first system by chance",
        "ms a sentence": "one sentence at a time, text to text",
    },
    example="vqspeech text score translations exp/teacher exp/teacher:beam=4 exp/latent --data test.en test.de "
    "--out exp/scores.json",
)  # fmt: skip
