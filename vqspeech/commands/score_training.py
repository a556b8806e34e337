"""The score of what a training reached on held-out speech."""

import argparse
from collections.abc import Generator
from pathlib import Path

from vqspeech.commands.arguments import positive_float, positive_int
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.data.dump import read_shards
from vqspeech.errors import CheckpointError
from vqspeech.models import checkpoint
from vqspeech.models.vqvae import VQVAE
from vqspeech.training.evaluation import evaluate_vqvae

BATCH = 16
"""Windows of a batch."""


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Evaluate the best checkpoint of an experiment on a dump of held-out speech."""
    path = Path(args.experiment) / f"best{checkpoint.SUFFIX}"
    about = checkpoint.read(path, "none.")[1]
    if "figures" not in about:
        raise CheckpointError(f"{path}: does not say how it was trained; name the folder that `vqspeech train` wrote")
    model = VQVAE.from_pretrained(path)
    batches = -(-args.windows // BATCH)
    figures = evaluate_vqvae(model, model.windows(read_shards(args.data), args.seconds), BATCH, batches)
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
        f"{batches * BATCH} windows of {args.seconds:g} s, spread evenly over {args.data}; perplexity over all of them",
        (
            "held-out loss: the sum of the losses of the decoder; by name: nll in nats a sample; spectrum in nats, and "
            "envelope, its coefficients, in deviations, each times its weight; aperiodicity in deviations; voicing in "
            "nats a frame"
        ),
    ]
    yield Table([row], notes, seed=about["training"]["seed"])


SCORE = Score(
    "training",
    "Measure what training reached on held-out speech: losses, and the three numbers that show a collapse.",
    measure,
    arguments=[
        argument("experiment", metavar="EXP", help="experiment folder with best.safetensors"),
        argument("--data", required=True, metavar="SHARDS", help="dump of held-out speech of its speakers"),
        argument("--seconds", type=positive_float, default=1.28, help="length of a window (default: %(default)s)"),
        argument(
            "--windows",
            type=positive_int,
            default=256,
            metavar="N",
            help=f"in multiples of {BATCH} (default: %(default)s)",
        ),
    ],
    columns={
        "held-out loss": "sum of the losses of the decoder",
        "loss added by shuffled codes": "what the decoder loses without the right codes; 0 where it ignores them",
        "perplexity": "exp of the entropy of the codes",
        "codes used": "codes that occur, of all",
    },
    example="vqspeech score training exp/mini --data dump/dev --out exp/mini/scores.json",
    print_notes=False,
)
