"""Open a page for the browser: convert voices, encode units, sample speech.

It listens to this machine alone unless --host says otherwise. Recordings are deleted after an hour, and all files when
the page is stopped by Ctrl-C.
"""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import non_negative_int, number, positive_float
from vqspeech.commands.loading import add_model_argument, find_model
from vqspeech.commands.sample import add_code_source_arguments
from vqspeech.console import print_line
from vqspeech.progress import report, warn

EXAMPLE = "vqspeech page --longest 60"
PORT = 7860


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech page`."""
    add_model_argument(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen at; 0.0.0.0 opens the page to all who reach this machine (default: %(default)s)",
    )
    parser.add_argument("--port", **number(PORT, "port, or 0 for a free one", non_negative_int))
    parser.add_argument("--longest", **number(120.0, "seconds of the longest recording", positive_float, "S"))
    add_code_source_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the address of the page, and serve it until Ctrl-C."""
    from vqspeech.models.vqvae import VQVAE
    from vqspeech.page import server
    from vqspeech.page.studio import Studio
    from vqspeech.recordings import load_model
    from vqspeech.sampling import load_source

    path = find_model(args.model)
    if args.host != server.LOCAL:
        warn("warning: whoever reaches this machine can use the page; it asks for no password")

    def make_studio(folder: Path) -> Studio:
        source = None
        if args.prior or args.ngram:
            source = load_source(load_model(VQVAE, path), args.prior, args.ngram, args.units)
        name = path.stem if path.stem != "best" else path.resolve().parent.name  # that of the experiment
        return Studio(folder, path, name, args.longest, source)

    def announce(address: str) -> None:
        print_line(address)
        report("open it in a browser; Ctrl-C ends it")

    try:
        server.serve(make_studio, args.host, args.port, announce)
    except KeyboardInterrupt:
        return 0
    return 0
