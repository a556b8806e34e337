"""Make a data directory of a corpus.

Looks at how the corpus is laid out, reads the header of each recording, writes the data directory, and prints the
account: what was found, kept and dropped, and why.
"""

import argparse
import importlib
from types import ModuleType

from vqspeech.commands.arguments import output_data_dir, output_folder, positive_int

CORPORA = {
    "vctk": "VCTK 0.80 or 0.92, told apart by looking",
    "librispeech": "LibriSpeech: all of it, some subsets, or the folder of one",
    "timit": "TIMIT: all of it, its training or its test part",
    "folder": "recordings of your own: DIR/SPEAKER/**/*.wav, with a.txt beside a.wav where there is text",
    "mini": "a small corpus of synthetic voices, made on the spot in --corpus",
}
"""The corpora, each with the module of its name in `vqspeech.data.corpora` and a line of help."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options: which corpus, then where from and to."""
    corpora = parser.add_subparsers(dest="corpus_name", metavar="|".join(CORPORA), required=True)
    for name, help_text in CORPORA.items():
        corpus = corpora.add_parser(name, help=help_text, description=help_text)
        where = "folder to make the corpus in" if name == "mini" else "folder the corpus was unpacked into"
        corpus.add_argument("--corpus", required=True, metavar="DIR", help=where)
        corpus.add_argument(
            "--out", type=output_data_dir, required=True, metavar="DATA", help="data directory to write"
        )
        corpus.add_argument("--nj", type=positive_int, default=1, metavar="N", help="processes (default %(default)s)")
        if name == "vctk":
            corpus.add_argument("--mic", choices=("mic1", "mic2"), help="microphone, of 0.92 only (default mic1)")
        if name == "timit":
            corpus.add_argument(
                "--subset", nargs="+", default=[], choices=("train", "test"), help="part (default: both)"
            )
            corpus.add_argument("--no-sa", action="store_true", help="leave out SA1 and SA2, which every speaker says")
        if name == "librispeech":
            corpus.add_argument("--subset", nargs="+", default=[], metavar="NAME", help="subsets (default all there)")


def run(args: argparse.Namespace) -> int:
    """Writes the data directory and prints the account; exit status 3 where some recordings cannot be read."""
    options = {}
    if args.corpus_name == "vctk":
        options["mic"] = args.mic
    if args.corpus_name in ("librispeech", "timit"):
        options["subsets"] = args.subset
    if args.corpus_name == "timit":
        options["sa"] = not args.no_sa
    if args.corpus_name == "mini":
        output_folder(args.corpus)
    data, account = import_corpus(args.corpus_name).prepare(args.corpus, nj=args.nj, **options)
    data.write(args.out)
    print(account.summary())
    return account.exit_status()


def import_corpus(name: str) -> ModuleType:
    """The module of a corpus, imported only now; its `prepare` gives the data directory and the account."""
    return importlib.import_module(f"vqspeech.data.corpora.{name}")
