"""Train a configuration once for every combination of settings, here or on a cluster; one table of all.

The same command goes on where it was stopped. Settings of the launcher are overrides too, for example
hydra.launcher.n_jobs=2 (joblib), hydra.launcher.partition=gpu (submitit_slurm).
"""

import argparse
import os
from pathlib import Path

from vqspeech.commands.arguments import output_folder
from vqspeech.conf import list_experiments
from vqspeech.metrics import report, scores
from vqspeech.models import checkpoint
from vqspeech.training.sweep import LAUNCHERS, run_sweep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech sweep`."""
    parser.add_argument("--conf", required=True, metavar="NAME", help=f"configuration: {', '.join(list_experiments())}")
    parser.add_argument("--train", required=True, metavar="SHARDS", help="dump to learn from")
    parser.add_argument("--dev", required=True, metavar="SHARDS", help="dump to watch: other utterances, same speakers")
    parser.add_argument(
        "--out", type=output_folder, required=True, metavar="DIR", help="folder of the experiments, and of scores.json"
    )
    parser.add_argument("--launcher", choices=LAUNCHERS, default="joblib", help="(default: %(default)s)")
    parser.add_argument("--restart", action="store_true", help="train all from the start")
    parser.add_argument(
        "overrides", nargs="+", metavar="KEY=VALUE,…", help="for example quantizer.codes=128,512 encoder.latents=16,64"
    )


def run(args: argparse.Namespace) -> int:
    """Trains, then writes the section "sweep" and prints it."""
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
    print(report.table(scores.read(path)["sections"]["sweep"]["rows"]))
    return 0
