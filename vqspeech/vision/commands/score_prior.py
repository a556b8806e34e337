"""Measure a prior on codes of images: bits a code and an image, beside uniform and unigrams."""

import argparse

import torch

from vqspeech.commands.arguments import positive_int, scores_file
from vqspeech.metrics.reports import markdown, scores
from vqspeech.vision.data.codes import read_codes
from vqspeech.vision.metrics import prior as measures
from vqspeech.vision.metrics.episodes import redraw_episodes
from vqspeech.vision.models.prior import ImagePrior, describe_codes, require_same_codes

EXAMPLE = "vqspeech vision score prior --prior exp/prior --codes codes/test --out exp/scores.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech vision score prior`."""
    parser.add_argument(
        "--prior", required=True, metavar="FILE", help="checkpoint or folder of `vqspeech vision prior`"
    )
    parser.add_argument("--codes", required=True, metavar="CODES", help="codes of held-out images")
    parser.add_argument("--train", metavar="CODES", help="what was learned from: counts the unigrams, shows the gap")
    parser.add_argument(
        "--dev",
        metavar="CODES",
        help="other codes, which choose the strength of the unigram (default: part of --train)",
    )
    parser.add_argument(
        "--limit",
        type=positive_int,
        default=1000,
        metavar="N",
        help="images, spread over the set (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )
    parser.add_argument("--section", default="prior", metavar="NAME", help="section in it (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes the section and prints it."""
    prior = ImagePrior.from_pretrained(args.prior, "cuda" if torch.cuda.is_available() else "cpu")
    codes, train = read_codes(args.codes), read_codes(args.train) if args.train else None
    dev = read_codes(args.dev) if args.dev else None
    for one in (codes, train, dev):
        if one is not None:
            require_same_codes(describe_codes(one), prior.codes, str(one.path))
    some = measures.select_even(codes, args.limit)
    strength = measures.choose_strength(train, dev) if train is not None else 0.0
    held = measures.compute_bits(prior, some, train, strength)
    learned = (
        {} if train is None else measures.compute_bits(prior, measures.select_even(train, len(some)), train, strength)
    )
    redrawn = redraw_episodes(some.table)
    rows = measures.tabulate_bits(held, learned, redrawn.groups)
    latents, height, width = prior.network.shape
    notes = [
        f"{len(some)} images of {args.codes}, {height}x{width}x{latents} codes of {prior.size}; {redrawn.words}",
        f"{sum(p.numel() for p in prior.parameters()):,} parameters",
    ]
    if train is not None:
        notes.append(
            f"unigrams are counted in {args.train}; that of each place is filled up with {strength:g} codes of that of "
            f"all places, the best of {measures.STRENGTHS[0]:g} to {measures.STRENGTHS[-1]:g} on "
            f"{args.dev or 'a tenth of it'}"
        )
    scores.add_rows(args.out, args.section, rows, notes=notes)
    print(markdown.format_table(scores.read(args.out)["sections"][args.section]["rows"]), *notes, sep="\n")
    return 0
