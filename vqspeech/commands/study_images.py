"""Compare VQ-VAEs of images at several bits per code: every method, with and without replacement of dead codes."""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import add_device_argument, number, positive_int
from vqspeech.commands.study import StudyTables, add_study_arguments
from vqspeech.devices import resolve_device
from vqspeech.errors import ImageError
from vqspeech.metrics.reports.pictures import save_figure
from vqspeech.studies import findings, pictures
from vqspeech.studies.images import CURVE_IMAGES, LOSSES, ImageStudy
from vqspeech.studies.quantised_images import GROUPS, select_images
from vqspeech.studies.rates import POLICY, name_rate
from vqspeech.vision.data.images import read_images
from vqspeech.vision.metrics.measures.quality import require_ssim

EXAMPLE = "vqspeech study images --train data/train --test data/test --out exp/images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech study images`."""
    parser.add_argument("--train", required=True, metavar="SET", help="images to learn from")
    parser.add_argument("--test", required=True, metavar="SET", help="other images, to measure on")
    parser.add_argument(
        "--bits",
        nargs="+",
        type=parse_bits,
        default=[6, 7, 8, 9, 10, 11],
        metavar="BITS",
        help="bits of a code, in the order of work (default: 6 to 11)",
    )
    # Some hundred steps: by batches, dead codes are replaced after each hundred.
    add_study_arguments(parser, steps=450, batch=16, items="images")
    parser.add_argument("--images", **number(500, "test images at most"))
    add_device_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Make the missing runs, write tables and pictures, and print the tables.

    Raises:
        MissingExtra: The extra `vision` is not installed.
        ImageError: The two sets have different shapes, or images too small for SSIM.
    """
    out, rates = Path(args.out), [(one,) for one in dict.fromkeys(args.bits)]
    train, test = read_images(args.train), read_images(args.test)
    if train.shape != test.shape:
        raise ImageError(f"{args.test}: images of {test.shape}, {train.shape} in {args.train}; prepare both together")
    require_ssim(train.shape[1:])
    images = select_images(train, test, args.images, resolve_device(args.device))
    study = ImageStudy(out, images, rates, args.seeds, args.steps, args.batch)
    study.run()
    tables = StudyTables(out, "scipy", "scikit-image")
    height, width = (side // 2 ** GROUPS["network"]["halvings"] for side in train.shape[1:])
    tables.add(
        "images",
        study.tabulate_bounds(),
        f"VQ-VAEs with {GROUPS['network']['channels']} hidden units and {height} x {width} codes an image, of "
        f"{GROUPS['model']['dimension']} dimensions; the loss of encoder and decoder is the squared error as a share "
        f"of the variance; {args.steps} steps of {args.batch} of {len(train)} images, the same for all methods; "
        f"{'bf16' if study.precision == 'bf16' else 'fp32'}",
        f"measured on {len(images.held_out)} images of {args.test}; intervals: Student's, over {args.seeds} seeds",
    )
    for rate in rates:
        tables.add(
            f"images: {name_rate(rate)}",
            study.tabulate(rate),
            "for a seed, all methods start from the same encoder and decoder, and from the same normal noise as "
            f"codes; mean and 95 % interval (Student) over {args.seeds} seeds; {POLICY}; k-means: fitted to an "
            "autoencoder that is trained without a codebook, and used by its decoder afterwards",
            "dead codes and perplexity: on the images measured on; PSNR on the way: mean over the points of the curve "
            "of convergence",
        )
    tables.add(
        f"images: convergence at {name_rate(study.middle_rate)}",
        study.tabulate_convergence(study.middle_rate),
        f"PSNR of {min(CURVE_IMAGES, len(images.held_out))} of the images measured on, in the course of training, "
        f"whose learning rate falls to its end; over {args.seeds} seeds",
    )
    for name in ("PSNR", "SSIM"):
        tables.add(
            f"images: {name} beside the paper's",
            study.tabulate_comparison(name.lower()),
            "a cell: the verdict, by how much the first row named is above the second, mean over seeds and 95 % "
            "interval (Student's t of the differences by seed), and by how much it is so in figure 3 of Vali and "
            "Bäckström 2022 (dB: PSNR), whose STE is called gradient here and whose networks are larger",
            "agrees: the interval lies on the published side of 0 alone; disagrees: on the other alone; undecided: on "
            "both, or nothing was published on either side",
        )
    for name, losses in LOSSES.items():
        tables.add(
            f"images: findings, {name}",
            study.tabulate_findings(losses),
            *findings.NOTES,
            f"errs: {ERRS[name]}",
            AT_LARGE,
        )
    save_figure(pictures.draw_image_rates(study), out / "pictures" / "images.png")
    save_figure(pictures.draw_convergence(study, study.middle_rate), out / "pictures" / "images-convergence.png")
    tables.print(args.json)
    return 0


ERRS = {
    "PSNR": "has less PSNR; dB: by how much less",
    "SSIM": "has less SSIM; SSIM: by how much less",
    "perplexity": "has less perplexity; codes: by how much less",
    "convergence": "converges later, has less PSNR on the way, mean over the points of the curve; dB: by how much less",
}
"""Meaning of "errs" in the claims, by table."""
AT_LARGE = (
    "for NSVQ they are the general claims of the paper; its figures at each rate are compared with ours in tables of "
    "their own; figures count to four places"
)


def parse_bits(text: str) -> int:
    """Parse the bits of a code."""
    number = positive_int(text)
    if number > 16:
        raise argparse.ArgumentTypeError(f"a codebook of {text} bits is too large; give 1 to 16")
    return number
