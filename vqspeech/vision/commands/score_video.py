"""Measure a prior over video: bits and codes by horizon, frames, whether it obeys, whether it drifts.

Everything is of held-out episodes: from some given frames on, told what was done in truth.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import torch

from vqspeech.commands.arguments import non_negative_int, positive_int, scores_file
from vqspeech.metrics.reports import markdown, scores
from vqspeech.vision.commands.sample import describe_model_codes
from vqspeech.vision.data.codes import ImageCodes, read_codes
from vqspeech.vision.data.images import read_images
from vqspeech.vision.metrics import controllability, prediction
from vqspeech.vision.metrics.held_out_clips import HeldOutClips, Section, select_clips
from vqspeech.vision.metrics.inverse_model import fit_inverse_model
from vqspeech.vision.models import CodeModel
from vqspeech.vision.models.prior import ImagePrior, require_same_codes
from vqspeech.vision.models.video import VideoPrior

EXAMPLE = (
    "vqspeech vision score video --prior exp/video --model exp/vqvae --data data/test "
    "--codes codes/test --train data/train --train-codes codes/train --out exp/scores.json"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech vision score video`."""
    parser.add_argument("--prior", required=True, metavar="FILE", help="checkpoint or folder of `prior-video`")
    parser.add_argument("--model", required=True, metavar="FILE", help="model that made the codes the prior knows")
    parser.add_argument("--data", required=True, metavar="SET", help="frames of held-out episodes")
    parser.add_argument("--codes", required=True, metavar="CODES", help="their codes")
    parser.add_argument(
        "--train", required=True, metavar="SET", help="frames it was learned from: for what reads actions"
    )
    parser.add_argument("--train-codes", required=True, metavar="CODES", help="their codes: for unigram and copying")
    parser.add_argument(
        "--image-prior",
        metavar="FILE",
        help="prior over single images of these codes, which sees no past: a row beside",
    )
    parser.add_argument(
        "--clips", type=positive_int, default=64, metavar="N", help="clips, spread evenly (default: %(default)s)"
    )
    parser.add_argument(
        "--given", type=positive_int, default=6, metavar="N", help="frames given (default: %(default)s)"
    )
    parser.add_argument(
        "--frames", type=positive_int, default=10, metavar="N", help="frames imagined (default: %(default)s)"
    )
    parser.add_argument(
        "--far",
        type=non_negative_int,
        default=100,
        metavar="N",
        help="frames to drift in; 0: no drift (default: %(default)s)",
    )
    parser.add_argument(
        "--far-clips", type=positive_int, default=16, metavar="N", help="clips to drift in (default: %(default)s)"
    )
    parser.add_argument(
        "--apart", nargs=2, default=["forward", "right"], metavar=("A", "B"),
        help="actions that should part ways (default: forward right)",
    )  # fmt: skip
    parser.add_argument(
        "--inverse-steps", type=positive_int, default=1000, metavar="N",
        help="steps that the network learns to read actions (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=non_negative_int, default=0, metavar="N", help="of all that is drawn (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the sections "video: …" and prints each as soon as it is there."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    prior, model = VideoPrior.from_pretrained(args.prior, device), CodeModel.from_pretrained(args.model, device)
    require_same_codes(describe_model_codes(model), prior.codes, args.model)
    alone = ImagePrior.from_pretrained(args.image_prior, device) if args.image_prior else None
    if alone is not None:
        require_same_codes(alone.codes, prior.codes, args.image_prior)
    images, codes = read_images(args.data), read_codes(args.codes)
    learned = read_codes(args.train_codes)
    held = select_clips(prior, model, images, codes, learned, args.given, args.frames, args.clips, args.seed)
    for section in _sections(args, held, codes, alone):
        notes, packages = section.notes, ["scikit-image"]
        scores.add_rows(args.out, section.name, section.rows, notes=notes, seed=args.seed, packages=packages)
        print(
            section.name,
            markdown.format_table(scores.read(args.out)["sections"][section.name]["rows"]),
            sep="\n",
            flush=True,
        )
    return 0


def _sections(
    args: argparse.Namespace, held: HeldOutClips, codes: ImageCodes, alone: ImagePrior | None
) -> Iterator[Section]:
    apart = [name for name in args.apart if name in held.prior.actions and name in held.images.actions]
    predictions = prediction.predict_all(held)
    yield from prediction.score_codes(held, predictions, alone)
    yield from prediction.score_frames(held, predictions)
    if held.prior.actions:
        inverse = fit_inverse_model(read_images(args.train), args.inverse_steps, seed=args.seed)
        yield controllability.score_controllability(
            held, predictions, torch.from_numpy(np.asarray(codes.codes, np.int64)), inverse
        )
        if len(apart) == 2:
            yield controllability.score_counterfactuals(held, inverse, *apart)
    if args.far:
        yield controllability.score_rollouts(held, args.far, args.far_clips)
