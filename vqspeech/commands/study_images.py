"""VQ-VAEs of images at several bits a code: every method, with and without replacement of dead codes."""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import output_folder, positive_int
from vqspeech.devices import device
from vqspeech.errors import ImageError
from vqspeech.metrics import pictures, report, scores
from vqspeech.studies import findings, image_pictures
from vqspeech.studies.images import LOST, WATCHED, ImageStudy
from vqspeech.studies.quantised_images import GROUPS, images
from vqspeech.studies.rates import POLICY, called
from vqspeech.vision.data.images import image_set
from vqspeech.vision.metrics.quality import require_ssim


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech study images`."""
    parser.add_argument("--train", required=True, metavar="SET", help="images to learn from")
    parser.add_argument("--test", required=True, metavar="SET", help="other images, to be measured on")
    parser.add_argument(
        "--out", type=output_folder, required=True, metavar="DIR", help="folder of runs, scores.json and pictures/"
    )
    parser.add_argument(
        "--bits",
        nargs="+",
        type=parse_bits,
        default=[6, 7, 8, 9, 10, 11],
        metavar="BITS",
        help="of a code, in the order of work (default: 6 to 11)",
    )
    parser.add_argument("--seeds", type=positive_int, default=5, metavar="N", help="seeds (default: %(default)s)")
    parser.add_argument(
        "--steps",
        type=positive_int,
        default=450,
        metavar="N",
        help="steps, some after a hundred: by batches, dead codes are replaced at each (default: %(default)s)",
    )
    parser.add_argument("--batch", type=positive_int, default=16, metavar="N", help="images (default: %(default)s)")
    parser.add_argument(
        "--images",
        type=positive_int,
        default=500,
        metavar="N",
        help="to be measured on, at most (default: %(default)s)",
    )
    parser.add_argument("--device", metavar="NAME", help="where to train (default: the accelerator, else cpu)")


def run(args: argparse.Namespace) -> int:
    """Makes the runs that are missing, writes tables and pictures, and prints the tables.

    Raises `MissingExtra` without the extra `vision`, `ImageError` where the two sets are of different shapes, or of
    images too small for SSIM.
    """
    out, rates = Path(args.out), [(one,) for one in dict.fromkeys(args.bits)]
    train, test = image_set(args.train), image_set(args.test)
    if train.shape != test.shape:
        raise ImageError(f"{args.test}: images of {test.shape}, {train.shape} in {args.train}; prepare both together")
    require_ssim(train.shape[1:])
    seen = images(train, test, args.images, device(args.device))
    study = ImageStudy(out, seen, rates, args.seeds, args.steps, args.batch)
    study.run()

    def add(section: str, rows: list, *notes: str) -> None:
        scores.add_rows(out / "scores.json", section, rows, notes=notes, seed=0, packages=["scipy", "scikit-image"])

    height, width = (side // 2 ** GROUPS["network"]["halvings"] for side in train.shape[1:])
    add(
        "images",
        study.bounds(),
        f"VQ-VAEs with {GROUPS['network']['channels']} hidden units and {height} x {width} codes an image, of "
        f"{GROUPS['model']['dimension']} dimensions; the loss of encoder and decoder is the squared error as a share "
        f"of the variance; {args.steps} steps of {args.batch} of {len(train)} images, the same for all methods; "
        f"{'bf16' if study.precision == 'bf16' else 'fp32'}",
        f"measured on {len(seen.held_out)} images of {args.test}; intervals: Student's, over {args.seeds} seeds",
    )
    for rate in rates:
        add(
            f"images: {called(rate)}",
            study.table(rate),
            "of a seed, all methods set out from the same encoder and decoder, and from the same normal noise for "
            f"codes; mean and 95 % interval (Student) over {args.seeds} seeds; {POLICY}; k-means: fitted beside an "
            "autoencoder that learns without a codebook, in whose decoder codes are put afterwards",
            "dead codes and perplexity: on the images measured on; PSNR on the way: mean over the points of the curve "
            "of convergence",
        )
    add(
        f"images: convergence at {called(study.middle)}",
        study.convergence(study.middle),
        f"PSNR of {min(WATCHED, len(seen.held_out))} of the images measured on, in the course of training, whose "
        f"learning rate falls to its end; over {args.seeds} seeds",
    )
    for what in ("PSNR", "SSIM"):
        add(
            f"images: {what} beside the paper's",
            study.beside_paper(what.lower()),
            "a cell: the verdict, by how much the first row named is above the second, mean over seeds and 95 % "
            "interval (Student's t of the differences by seed), and by how much it is so in figure 3 of Vali and "
            "Bäckström 2022 (dB: PSNR), whose STE is called gradient here and whose networks are larger",
            "agrees: the interval lies on the published side of 0 alone; disagrees: on the other alone; undecided: on "
            "both, or nothing was published on either side",
        )
    for what, lost in LOST.items():
        add(f"images: findings, {what}", study.findings(lost), *findings.NOTES, f"errs: {ERRS[what]}", AT_LARGE)
    pictures.save(image_pictures.rates(study), out / "pictures" / "images.png")
    pictures.save(image_pictures.convergence(study, study.middle), out / "pictures" / "images-convergence.png")
    for section in scores.read(out / "scores.json")["sections"].values():
        print(report.table(section["rows"]))
    return 0


ERRS = {
    "PSNR": "has less PSNR; dB: by how much less",
    "SSIM": "has less SSIM; SSIM: by how much less",
    "perplexity": "has less perplexity; codes: by how much less",
    "convergence": "converges later, has less PSNR on the way, mean over the points of the curve; dB: by how much less",
}
"""What the claims of the findings mean, by table."""
AT_LARGE = (
    "of NSVQ they hold what the paper says of it at large; what it printed at each rate stands beside ours in tables "
    "of their own; figures count to four places"
)


def parse_bits(text: str) -> int:
    """The bits of a code, as a type of argparse."""
    number = positive_int(text)
    if number > 16:
        raise argparse.ArgumentTypeError(f"a codebook of {text} bits is too large; give 1 to 16")
    return number
