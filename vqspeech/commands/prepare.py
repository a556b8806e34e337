"""Make a data directory from a corpus.

Detects the layout of the corpus, reads the header of each recording, writes the data directory, and prints how many
utterances were found, kept and dropped, and why.
"""

import argparse
import importlib
from types import ModuleType
from typing import Any

from vqspeech.commands.arguments import (
    add_jobs_argument,
    add_json_argument,
    add_output_argument,
    output_data_dir,
    output_folder,
)
from vqspeech.commands.outputs import print_json
from vqspeech.commands.sharding import add_shard_arguments, run_shards
from vqspeech.data.sharding import Share
from vqspeech.publishing import DATA

EXAMPLE = "vqspeech prepare vctk --corpus VCTK-Corpus --out data/all"

CORPORA = {
    "vctk": "VCTK 0.80 or 0.92, detected by its layout",
    "librispeech": "LibriSpeech: all of it, some subsets, or the folder of one",
    "timit": "TIMIT: all of it, its training part or its test part",
    "folder": "your own recordings: DIR/SPEAKER/**/*.wav, with the transcript of a.wav, if any, in a.txt",
    "webdataset": "tars in webdataset's layout, a folder of them or one; the recordings stay in them",
    "lhotse": "manifests of lhotse, recordings with supervisions or cuts, or Shar; a folder, or a file of cuts",
    "dataset": "a dataset of Hugging Face with a column of sound, by its name or from its Parquet files",
    "mini": "a small corpus of synthetic voices, generated in --corpus",
}
"""The corpora with their help; each is the module of its name in `vqspeech.data.corpora`."""

EXAMPLES = {"dataset": "openslr/librispeech_asr --split validation.clean --store store"}
"""What follows `--corpus` in an example, where it is not just a folder."""
WHOLE = ("dataset", "mini")
"""Corpora that are written anew, and not in shards."""
WHERE = {
    "mini": "folder to generate the corpus in",
    "webdataset": "folder of tars, or a tar",
    "dataset": "org/name on the Hub, Parquet files, or a folder of them",
    "lhotse": "folder of manifests or of Shar, or a manifest of cuts",
}
"""What `--corpus` is, where it is no folder of an unpacked corpus."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a sub-verb per corpus."""
    corpora = parser.add_subparsers(dest="corpus_name", metavar="|".join(CORPORA), required=True)
    for name, help_text in CORPORA.items():
        corpus = corpora.add_parser(
            name,
            help=help_text,
            description=help_text,
            epilog=f"Example: vqspeech prepare {name} --corpus {EXAMPLES.get(name, 'DIR')} --out data/{name}",
        )
        where = WHERE.get(name, "folder of the unpacked corpus")
        corpus.add_argument("--corpus", required=True, metavar="DIR", help=where)
        add_output_argument(corpus, output_data_dir, DATA, "DATA", "data directory to write, or the URL of one")
        add_json_argument(corpus)
        add_jobs_argument(corpus)
        if name not in WHOLE:
            add_shard_arguments(corpus)
        if name == "vctk":
            corpus.add_argument("--mic", choices=("mic1", "mic2"), help="microphone, of 0.92 only (default: mic1)")
        if name == "timit":
            corpus.add_argument(
                "--subset", nargs="+", default=[], choices=("train", "test"), help="part of the corpus (default: both)"
            )
            corpus.add_argument("--no-sa", action="store_true", help="omit SA1 and SA2, which all speakers read")
        if name == "dataset":
            corpus.add_argument(
                "--store", type=output_folder, required=True, metavar="DIR", help="folder for the recordings, in tars"
            )
            corpus.add_argument("--subset", metavar="NAME", help="configuration, where the dataset has several")
            corpus.add_argument("--split", default="train", metavar="NAME", help="part of it (default: %(default)s)")
            corpus.add_argument("--revision", metavar="NAME", help="branch, tag or commit (default: the newest)")
        if name == "librispeech":
            corpus.add_argument(
                "--subset", nargs="+", default=[], metavar="NAME", help="subsets (default: all that are there)"
            )


def run(args: argparse.Namespace) -> int:
    """Write the data directory and print the summary; the exit status is 3 where recordings cannot be read."""
    if args.corpus_name in WHOLE:
        return _prepare(args, Share())
    return run_shards(args, "prepare", _prepare)


def _prepare(args: argparse.Namespace, share: Share) -> int:
    options: dict[str, Any] = {}
    if args.corpus_name not in WHOLE:
        options["share"] = share
    if args.corpus_name == "vctk":
        options["mic"] = args.mic
    if args.corpus_name in ("librispeech", "timit"):
        options["subsets"] = args.subset
    if args.corpus_name == "timit":
        options["sa"] = not args.no_sa
    if args.corpus_name == "mini":
        output_folder(args.corpus)
    if args.corpus_name == "dataset":
        options |= {"store": args.store, "subset": args.subset, "split": args.split, "revision": args.revision}
    data, account = import_corpus(args.corpus_name).prepare(args.corpus, nj=args.nj, **options)
    share.done, share.skipped = list(data.utterances), account.unreadable
    data.write(args.out)
    if args.json:
        print_json({"data": args.out, **account.counts()})
    else:
        print(account.summary())
    return account.exit_status()


def import_corpus(name: str) -> ModuleType:
    """Import the module of a corpus, whose `prepare` returns the data directory and the summary."""
    return importlib.import_module(f"vqspeech.data.corpora.{name}")
