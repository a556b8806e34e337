"""Train a configuration for every combination of settings, here or on a cluster, and write a table of the results.

The same command resumes a sweep that was stopped. Settings of the launcher are given like those of the configuration:
hydra.launcher.n_jobs=2 (joblib), hydra.launcher.partition=gpu (submitit_slurm).
"""

import argparse
import os
from pathlib import Path

from vqspeech.commands.arguments import add_json_argument, output_folder
from vqspeech.commands.outputs import print_json
from vqspeech.conf import list_experiments
from vqspeech.metrics.reports import markdown, scores
from vqspeech.models import checkpoint
from vqspeech.training.sweep import LAUNCHERS, run_sweep

EXAMPLE = "vqspeech sweep --conf vctk_world --train dump/train --dev dump/dev --out exp/sweep quantizer.codes=128,512"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech sweep`."""
    add_json_argument(parser)
    parser.add_argument("--conf", required=True, metavar="NAME", help=f"configuration: {', '.join(list_experiments())}")
    parser.add_argument("--train", required=True, metavar="SHARDS", help="dump to train on")
    parser.add_argument(
        "--dev", required=True, metavar="SHARDS", help="dump for validation: other utterances of the same speakers"
    )
    parser.add_argument(
        "--out", type=output_folder, required=True, metavar="DIR", help="folder for the experiments and scores.json"
    )
    parser.add_argument("--launcher", choices=LAUNCHERS, default="joblib", help="where jobs run (default: %(default)s)")
    parser.add_argument("--restart", action="store_true", help="delete earlier trainings, and start anew")
    parser.add_argument(
        "overrides",
        nargs="+",
        metavar="KEY=VALUE,…",
        help="values of settings, such as quantizer.codes=128,512 encoder.latents=16,64",
    )


def run(args: argparse.Namespace) -> int:
    """Train, then write the section "sweep" and print it."""
    rows = []
    for folder in run_sweep(args.conf, args.overrides, args.train, args.dev, args.out, args.launcher, args.restart):
        about = checkpoint.read(folder / f"best{checkpoint.SUFFIX}", "none.")[1]
        figures, quantizer = about["figures"], about["config"]["quantizer"]
        rows.append(
            {
                "row": folder.name,
                "step": about["step"],
                "held-out loss": figures["decoder"],
                "loss added by shuffled codes": figures["shuffle_gap"],
                "perplexity": figures["perplexity"],
                "codes used": f"{figures['used']:.0f} of {quantizer['codes']}",
            }
        )
    path = os.path.join(args.out, "scores.json")
    notes = [f"{args.conf}; the best checkpoint of each, on the windows of {Path(args.dev)} that training watched"]
    scores.add_rows(path, "sweep", rows, notes=notes)
    found = scores.read(path)["sections"]["sweep"]["rows"]
    if args.json:
        print_json({"section": "sweep", "rows": found, "notes": notes})
    else:
        print(markdown.format_table(found))
    return 0
