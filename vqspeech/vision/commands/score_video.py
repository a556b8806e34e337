"""The score of a prior over video, on held-out episodes: prediction, controllability, long rollouts."""

import argparse
from collections.abc import Generator, Iterator

import numpy as np
import torch

from vqspeech.commands.arguments import non_negative_int, number
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
    held = select_clips(prior, model, images, codes, learned, args.context, args.frames, args.clips, args.seed)
    for section in _sections(args, held, codes, alone):
        name = section.name.removeprefix("video: ")
        yield Table(section.rows, section.notes, name, seed=args.seed, packages=["scikit-image"])


def _sections(
    args: argparse.Namespace, held: HeldOutClips, codes: ImageCodes, alone: ImagePrior | None
) -> Iterator[Section]:
    compared = [name for name in args.compare_actions if name in held.prior.actions and name in held.images.actions]
    predictions = prediction.predict_all(held)
    yield from prediction.score_codes(held, predictions, alone)
    yield from prediction.score_frames(held, predictions)
    if held.prior.actions:
        inverse = fit_inverse_model(read_images(args.train), args.inverse_steps, seed=args.seed)
        yield controllability.score_controllability(
            held, predictions, torch.from_numpy(np.asarray(codes.codes, np.int64)), inverse
        )
        if len(compared) == 2:
            yield controllability.score_counterfactuals(held, inverse, *compared)
    if args.rollout_frames:
        yield controllability.score_rollouts(held, args.rollout_frames, args.rollout_clips)


SCORE = Score(
    "video",
    "Measure a prior over video on held-out episodes: prediction by horizon, controllability, long rollouts.",
    measure,
    about="The prior predicts frames from context frames and the recorded actions.",
    arguments=[
        argument("--prior", required=True, metavar="FILE", help="checkpoint or folder of `prior-video`"),
        argument("--model", required=True, metavar="FILE", help="model that made the codes of the prior"),
        argument("--data", required=True, metavar="SET", help="frames of held-out episodes"),
        argument("--codes", required=True, metavar="CODES", help="their codes"),
        argument(
            "--train", required=True, metavar="SET", help="frames that the prior was trained on, for the inverse model"
        ),
        argument(
            "--train-codes", required=True, metavar="CODES", help="their codes, for the baselines unigram and copying"
        ),
        argument(
            "--image-prior",
            metavar="FILE",
            help="prior over single images of these codes, a baseline that sees no past",
        ),
        argument("--clips", **number(64, "clips, evenly spaced")),
        argument("--context", **number(6, "context frames")),
        argument("--frames", **number(10, "frames to predict")),
        argument("--rollout-frames", **number(100, "frames of the long rollouts; 0: none", non_negative_int)),
        argument("--rollout-clips", **number(16, "clips of the long rollouts")),
        argument(
            "--compare-actions",
            nargs=2,
            default=["forward", "right"],
            metavar=("A", "B"),
            help="two actions whose rollouts from the same frames are compared (default: forward right)",
        ),
        argument("--inverse-steps", **number(1000, "training steps of the inverse model, which recognises actions")),
    ],
    example="vqspeech vision score video --prior exp/frames/video --model exp/frames --data data/test "
    "--codes exp/frames/codes/test --train data/train --train-codes exp/frames/codes/train "
    "--out exp/frames/scores.json",
    seed=True,
    headings=True,
    print_notes=False,
)
