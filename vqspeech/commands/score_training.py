"""Measure what training reached on held-out speech: losses, and the three numbers that show a collapse."""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import positive_float, positive_int, scores_file
from vqspeech.data.dump import read_shards
from vqspeech.errors import CheckpointError
from vqspeech.metrics import report, scores
from vqspeech.models import checkpoint
from vqspeech.models.vqvae import VQVAE
from vqspeech.training.evaluation import evaluate_vqvae

LANES = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech score training`."""
    parser.add_argument("experiment", metavar="EXP", help="experiment folder with best.safetensors")
    parser.add_argument("--data", required=True, metavar="SHARDS", help="dump of held-out speech of its speakers")
    parser.add_argument(
        "--seconds", type=positive_float, default=1.28, help="length of a window (default: %(default)s)"
    )
    parser.add_argument(
        "--windows", type=positive_int, default=256, metavar="N", help=f"in multiples of {LANES} (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the section "training" and prints it."""
    path = Path(args.experiment) / f"best{checkpoint.SUFFIX}"
    about = checkpoint.read(path, "none.")[1]
    if "figures" not in about:
        raise CheckpointError(f"{path}: does not say how it was trained; name the folder that `vqspeech train` wrote")
    model = VQVAE.from_pretrained(path)
    batches = -(-args.windows // LANES)
    figures = evaluate_vqvae(model, model.windows(read_shards(args.data), args.seconds), LANES, batches)
    row = {
        "row": "best checkpoint",
        "step": about["step"],
        "hours of speech seen": about["figures"]["samples_seen"] / 16000 / 3600,
        "held-out loss": figures["decoder"],
        "loss added by shuffled codes": figures["shuffle_gap"],
        "perplexity": figures["perplexity"],
        "codes used": f"{figures['used']:.0f} of {model.quantizer.size}",
    }
    row |= {
        name: value for name, value in figures.items() if name not in ("decoder", "shuffle_gap", "perplexity", "used")
    }
    notes = [
        f"{batches * LANES} windows of {args.seconds:g} s, spread evenly over {args.data}; perplexity over all of them",
        "held-out loss: the sum of the losses of the decoder; by name: nll in nats a sample; spectrum in nats, and "
        "envelope, its coefficients, in deviations, each times its weight; aperiodicity in deviations; voicing in nats "
        "a frame",
    ]
    scores.add_rows(args.out, "training", [row], notes=notes, seed=about["training"]["seed"])
    print(report.table(scores.read(args.out)["sections"]["training"]["rows"]))
    return 0
