"""The score of a second VQ-VAE: bits an image given its own latents, those of others, and none."""

import argparse
from collections.abc import Generator
from typing import Any

import numpy as np
import torch

from vqspeech.commands.arguments import non_negative_float, number, output_file
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.devices import resolve_device
from vqspeech.errors import ImageError
from vqspeech.metrics.measures.bootstrap import estimate_ratio
from vqspeech.metrics.measures.codebook import count_used, perplexity
from vqspeech.models.quantize import SeparateCodebooks
from vqspeech.vision.commands.arguments import limit_argument
from vqspeech.vision.commands.sample import describe_model_codes
from vqspeech.vision.data.codes import read_codes
from vqspeech.vision.data.images import read_images
from vqspeech.vision.metrics.evaluations.images import redraw_episodes
from vqspeech.vision.metrics.evaluations.prior import select_even
from vqspeech.vision.metrics.reports import pictures
from vqspeech.vision.models import CodeModel
from vqspeech.vision.models.prior import BATCH, require_same_codes
from vqspeech.vision.models.top import TopVQVAE
from vqspeech.vision.training.top import NONE, OWN, measure_bits

SHOWN = 8


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Measure bits of whole maps by their latents, and draw maps from the latents."""
    device = resolve_device(None)
    top, model, codes = (
        TopVQVAE.from_pretrained(args.top, device),
        CodeModel.from_pretrained(args.model, device),
        read_codes(args.codes),
    )
    require_same_codes(describe_model_codes(model), top.codes, args.model)
    some = select_even(codes, args.limit)
    batch = top.batches(some).select(np.arange(len(some)))
    bits, counts = measure_bits(top, batch, BATCH, one_by_one=True)
    redrawn = redraw_episodes(some.table)
    rows = [
        {
            "row": f"given {name}",
            "bits/image": estimate_ratio(one.numpy(), groups=redrawn.groups),
            "more than with its own": estimate_ratio((one - bits[OWN]).numpy(), groups=redrawn.groups),
        }
        for name, one in bits.items()
    ]
    latents, price = top.encoder.latents, top.encoder.latents * np.log2(top.size)
    spared = float((bits[NONE] - bits[OWN]).mean())
    notes = [
        f"{len(some)} images of {args.codes}, {batch.codes[0].numel()} codes each; {redrawn.words}",
        (
            f"{latents} latents of {top.size} codes cost {price:.0f} bits, and save {spared:.1f} beside none; the "
            f"decoder learned to do without on {100 * top.condition_dropout:.0f} % of the images"
        ),
        (
            f"by latent: perplexity {', '.join(f'{perplexity(one.numpy()):.0f}' for one in counts)}, "
            f"{', '.join(str(count_used(one.numpy())) for one in counts)} of {top.size} codes used; {_codebooks(top)}"
        ),
        (
            f"the decoder sees {top.network.reach} rows up, {100 * top.network.hidden_codes:.0f} % of the codes are "
            "hidden in training"
        ),
    ]
    pictures.write_png(_sheet(args, top, model), args.picture)
    yield Table(rows, notes, seed=0, files=[args.picture])


def _codebooks(top: TopVQVAE) -> str:
    return "a codebook for each" if isinstance(top.quantizer, SeparateCodebooks) else "one codebook for all"


def _sheet(args: argparse.Namespace, top: TopVQVAE, model: Any) -> np.ndarray:
    """Tile columns of an image, its first-level reconstruction, and two maps drawn from its latents."""
    images, codes = read_images(args.data), read_codes(args.codes)
    if len(images) != len(codes):
        raise ImageError(f"{args.codes}: has {len(codes)} images, {args.data} {len(images)}; name the images it is of")
    picks = np.linspace(0, len(codes) - 1, min(SHOWN, len(codes))).astype(np.int64)
    first = np.asarray(codes.codes[picks]).astype(np.int64)
    latents = top.encode(first)
    draws = [top.sample(latents, seed, args.temperature) for seed in (0, 1)]
    decoded = [model.decode(torch.from_numpy(one)).cpu().numpy() for one in (first, *draws)]
    sheet = pictures.tile_images([images.pixels(picks), *decoded], scale=2)
    rows = pictures.place_labels(("image", "first level", "draw 1", "draw 2"), len(sheet))
    return pictures.label_sheet(sheet, "images, their codes decoded, and maps drawn from their latents", rows)


SCORE = Score(
    "top",
    "Measure whether a second VQ-VAE uses its latents: bits an image given its own, those of others, and none.",
    measure,
    arguments=[
        argument("--top", required=True, metavar="FILE", help="checkpoint or folder of the second VQ-VAE"),
        argument("--model", required=True, metavar="FILE", help="first-level model, which made the codes"),
        argument("--codes", required=True, metavar="CODES", help="codes of held-out images"),
        argument("--data", required=True, metavar="SET", help="images of the codes"),
        limit_argument(512),
        argument("--temperature", **number(1.0, "temperature of the draws in the picture", non_negative_float, "T")),
        argument(
            "--picture",
            type=output_file,
            required=True,
            metavar="PNG",
            help="sheet of images, their decoded codes, and two draws from the latents",
        ),
    ],
    columns={"bits/image": "-log2 p of the whole map of codes"},
    example=(
        "vqspeech vision score top --top exp/frames/top --model exp/frames --codes exp/frames/codes/test "
        "--data data/test --picture exp/frames/pictures/top.png --out exp/frames/scores.json"
    ),
)
