"""Draw the training curves of an experiment, and of the priors in it."""

import argparse
from pathlib import Path

from vqspeech.metrics.reports.pictures import save_figure
from vqspeech.vision.metrics.reports.pictures import plot_curves

EXAMPLE = "vqspeech vision draw exp/vqvae"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech vision draw`."""
    parser.add_argument("experiment", metavar="EXP", help="experiment folder with curves.jsonl")


def run(args: argparse.Namespace) -> int:
    """Write EXP/pictures/curves.png, and prior.png, top.png and video.png if there are such priors."""
    folder = Path(args.experiment)
    sources = {"curves": folder, **{name: folder / name for name in ("prior", "top", "video")}}
    for name, source in sources.items():
        if (source / "curves.jsonl").is_file():
            save_figure(plot_curves(source / "curves.jsonl"), folder / "pictures" / f"{name}.png")
            print(folder / "pictures" / f"{name}.png")
    return 0
