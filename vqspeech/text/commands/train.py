"""Train a model that translates; a stopped training in --out is resumed.

Several processes: `torchrun --nproc_per_node 2 -m vqspeech.cli text train …`.
"""

import argparse

from vqspeech.commands.arguments import add_training_arguments
from vqspeech.conf.text import list_experiments, load_config
from vqspeech.progress import report
from vqspeech.text.data.pairs import SentencePairs, read_pairs
from vqspeech.text.training.translation import TranslationTask
from vqspeech.training.trainer import train

EXAMPLE = (
    "vqspeech text train --conf autoregressive_small --train train.en train.de --dev val.en val.de --out exp/teacher"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech text train`."""
    for name, what in (("train", "sentences to learn from and their translations"), ("dev", "those to choose by")):
        parser.add_argument(
            f"--{name}", nargs=2, action="append", required=True, metavar=("SOURCE", "TARGET"),
            help=f"{what}: text files, plain or gzip, a sentence a line; may be given several times",
        )  # fmt: skip
    parser.add_argument(
        "--start", metavar="MODEL", help="take the vocabulary of this model, and weights of the same name and shape"
    )
    add_training_arguments(parser, list_experiments(), "training.minutes=30 quantizer.codes=1024")


def run(args: argparse.Namespace) -> int:
    """Train; return exit status 130 if a signal stopped the training, after it was saved."""
    config = load_config(args.conf, args.overrides)

    def make() -> TranslationTask:
        train_pairs, dev_pairs = _read("train", args.train), _read("dev", args.dev)
        task = TranslationTask(config, train_pairs, dev_pairs, args.start)
        for name, batches in (("train", task.batches), ("dev", task.dev_batches)):
            if batches.too_long:
                report(
                    f"--{name}: {batches.too_long} pairs of more than {task.model.sizes.longest} pieces are left out"
                )
        return task

    return train(make, args.out, args.restart).exit_status()


def _read(name: str, files: list[tuple[str, str]]) -> SentencePairs:
    pairs = read_pairs(files)
    left_out = ", ".join(f"{count} {reason}" for reason, count in pairs.dropped.items() if count)
    report(f"--{name}: {len(pairs)} pairs" + (f"; left out: {left_out}" if left_out else ""))
    return pairs
