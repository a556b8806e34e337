"""RESULTS.md from the scores of experiments; with --claims, the page of all recipes beside the papers."""

import argparse
import shutil
from pathlib import Path

from vqspeech.commands.arguments import output_file
from vqspeech.errors import ConfigError
from vqspeech.files import replace_file, write_text
from vqspeech.metrics.reports import claims, results, scores
from vqspeech.progress import warn

EXAMPLE = "vqspeech results exp/mini exp/mini_wavenet --out RESULTS.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `vqspeech results`."""
    parser.add_argument("experiments", nargs="*", metavar="EXP", help="experiment folder with a scores.json")
    parser.add_argument(
        "--claims", metavar="EGS", help="in place of experiments: the page that sets what the papers claim beside the "
        "RESULTS.md of all recipes in this folder"
    )  # fmt: skip
    parser.add_argument(
        "--out",
        type=output_file,
        default="RESULTS.md",
        metavar="FILE",
        help="Markdown file to write (default: %(default)s)",
    )
    parser.add_argument(
        "--draft", action="store_true", help="take scores of code that is in no commit, too, and say so on the page"
    )


def run(args: argparse.Namespace) -> int:
    """Write the page. Experiments without scores are named and left out; at least one must have some."""
    if bool(args.claims) == bool(args.experiments):
        raise ConfigError("name experiment folders, or, by --claims, the folder of the recipes")
    if args.claims:
        write_text(args.out, claims.write_page(args.claims))
        print(args.out)
        return 0
    scored = [folder for folder in args.experiments if (Path(folder) / "scores.json").is_file()]
    for folder in args.experiments:
        if folder not in scored:
            warn(f"{folder}: has no scores.json, left out; make it with: vqspeech score")
    if not scored:
        raise scores.ScoresError(
            "no experiment has scores; make them with: vqspeech score units, vqspeech score conversion"
        )
    text = results.format_results(scored, args.draft)
    for experiment in scored:
        for path, copy in results.list_pictures(experiment).items():
            with replace_file(Path(args.out).parent / copy) as temporary:
                shutil.copyfile(path, temporary)
    write_text(args.out, text)
    print(args.out)
    return 0
