"""The score of a prior on codes of images: bits a code and an image, compared with uniform and unigrams."""

import argparse
from collections.abc import Generator

from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.devices import resolve_device
from vqspeech.vision.commands.arguments import limit_argument
from vqspeech.vision.data.codes import read_codes
from vqspeech.vision.metrics.evaluations import prior as evaluation
from vqspeech.vision.metrics.evaluations.images import redraw_episodes
from vqspeech.vision.models.prior import ImagePrior, describe_codes, require_same_codes


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Measure the bits of held-out and of training images."""
    prior = ImagePrior.from_pretrained(args.prior, resolve_device(None))
    codes, train = read_codes(args.codes), read_codes(args.train) if args.train else None
    dev = read_codes(args.dev) if args.dev else None
    for one in (codes, train, dev):
        if one is not None:
            require_same_codes(describe_codes(one), prior.codes, str(one.path))
    some = evaluation.select_even(codes, args.limit)
    strength = evaluation.choose_strength(train, dev) if train is not None else 0.0
    held = evaluation.compute_bits(prior, some, train, strength)
    learned = (
        {}
        if train is None
        else evaluation.compute_bits(prior, evaluation.select_even(train, len(some)), train, strength)
    )
    redrawn = redraw_episodes(some.table)
    rows = evaluation.tabulate_bits(held, learned, redrawn.groups)
    latents, height, width = prior.network.shape
    notes = [
        f"{len(some)} images of {args.codes}, {height}x{width}x{latents} codes of {prior.size}; {redrawn.words}",
        f"{sum(p.numel() for p in prior.parameters()):,} parameters",
    ]
    if train is not None:
        notes.append(
            f"unigrams are counted in {args.train}; that of each place is filled up with {strength:g} codes of that of "
            f"all places, the best of {evaluation.STRENGTHS[0]:g} to {evaluation.STRENGTHS[-1]:g} on "
            f"{args.dev or 'a tenth of it'}"
        )
    yield Table(rows, notes)


SCORE = Score(
    "prior",
    "Measure a prior on codes of images: bits a code and an image, compared with uniform and unigrams.",
    measure,
    arguments=[
        argument("--prior", required=True, metavar="FILE", help="checkpoint or folder of `vqspeech vision prior`"),
        argument("--codes", required=True, metavar="CODES", help="codes of held-out images"),
        argument("--train", metavar="CODES", help="codes that the prior was trained on, for the unigrams and the gap"),
        argument(
            "--dev",
            metavar="CODES",
            help="other codes, which choose the strength of the unigram (default: part of --train)",
        ),
        limit_argument(1000),
    ],
    columns={
        "bits/code, held out": "-log2 p of a code given those before it",
        "gap": "held-out bits minus those of training images: overfitting",
    },
    example=(
        "vqspeech vision score prior --prior exp/frames/prior --codes exp/frames/codes/test --out "
        "exp/frames/scores.json"
    ),
    section=True,
)
