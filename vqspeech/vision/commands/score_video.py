"""The score of a prior over video, on held-out episodes: prediction, controllability, long rollouts."""

import argparse
from collections.abc import Generator, Iterator

import numpy as np
import torch

from vqspeech.commands.arguments import non_negative_int, positive_int
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.devices import resolve_device
from vqspeech.vision.commands.sample import describe_model_codes
from vqspeech.vision.data.codes import ImageCodes, read_codes
from vqspeech.vision.data.images import read_images
from vqspeech.vision.metrics.evaluations import controllability, prediction
from vqspeech.vision.metrics.evaluations.held_out_clips import HeldOutClips, Section, select_clips
from vqspeech.vision.metrics.evaluations.inverse_model import fit_inverse_model
from vqspeech.vision.models import CodeModel
from vqspeech.vision.models.prior import ImagePrior, require_same_codes
from vqspeech.vision.models.video import VideoPrior


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Measure the sections one by one and yield their tables."""
    device = resolve_device(None)
    prior, model = VideoPrior.from_pretrained(args.prior, device), CodeModel.from_pretrained(args.model, device)
    require_same_codes(describe_model_codes(model), prior.codes, args.model)
    alone = ImagePrior.from_pretrained(args.image_prior, device) if args.image_prior else None
    if alone is not None:
        require_same_codes(alone.codes, prior.codes, args.image_prior)
    images, codes = read_images(args.data), read_codes(args.codes)
    learned = read_codes(args.train_codes)
    held = select_clips(prior, model, images, codes, learned, args.given, args.frames, args.clips, args.seed)
    for section in _sections(args, held, codes, alone):
        name = section.name.removeprefix("video: ")
        yield Table(section.rows, section.notes, name, seed=args.seed, packages=["scikit-image"])


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


SCORE = Score(
    "video",
    "Measure a prior over video on held-out episodes: prediction by horizon, controllability, long rollouts.",
    measure,
    about="Some frames are given; the true actions condition the rest.",
    arguments=[
        argument("--prior", required=True, metavar="FILE", help="checkpoint or folder of `prior-video`"),
        argument("--model", required=True, metavar="FILE", help="model that made the codes the prior knows"),
        argument("--data", required=True, metavar="SET", help="frames of held-out episodes"),
        argument("--codes", required=True, metavar="CODES", help="their codes"),
        argument("--train", required=True, metavar="SET", help="frames it was learned from: for what reads actions"),
        argument("--train-codes", required=True, metavar="CODES", help="their codes: for unigram and copying"),
        argument(
            "--image-prior",
            metavar="FILE",
            help="prior over single images of these codes, which sees no past: a row beside",
        ),
        argument(
            "--clips", type=positive_int, default=64, metavar="N", help="clips, spread evenly (default: %(default)s)"
        ),
        argument("--given", type=positive_int, default=6, metavar="N", help="frames given (default: %(default)s)"),
        argument("--frames", type=positive_int, default=10, metavar="N", help="frames imagined (default: %(default)s)"),
        argument(
            "--far",
            type=non_negative_int,
            default=100,
            metavar="N",
            help="frames to drift in; 0: no drift (default: %(default)s)",
        ),
        argument(
            "--far-clips", type=positive_int, default=16, metavar="N", help="clips to drift in (default: %(default)s)"
        ),
        argument(
            "--apart",
            nargs=2,
            default=["forward", "right"],
            metavar=("A", "B"),
            help="actions that should part ways (default: forward right)",
        ),
        argument(
            "--inverse-steps",
            type=positive_int,
            default=1000,
            metavar="N",
            help="steps that the network learns to read actions (default: %(default)s)",
        ),
    ],
    example="vqspeech vision score video --prior exp/frames/video --model exp/frames --data data/test "
    "--codes exp/frames/codes/test --train data/train --train-codes exp/frames/codes/train "
    "--out exp/frames/scores.json",
    seed=True,
    headings=True,
    print_notes=False,
)
