"""Open a page for the browser: convert voices, encode units, sample speech.

It listens to this machine alone unless --host says otherwise. Recordings are deleted after an hour, and all files when
the page is stopped by Ctrl-C.
"""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import add_code_source_arguments, non_negative_int, number, positive_float
from vqspeech.commands.loading import add_model_argument, find_model
from vqspeech.console import print_line
from vqspeech.devices import limit_kernel_cache
from vqspeech.models.vqvae import VQVAE
from vqspeech.page import server
from vqspeech.page.studio import Studio
from vqspeech.progress import report, warn
from vqspeech.recordings import load_model
from vqspeech.sampling import load_source

EXAMPLE = "vqspeech page --longest 60"
PORT = 7860


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech page`."""
    add_model_argument(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen at; 0.0.0.0: everybody who can connect to this machine (default: %(default)s)",
    )
    parser.add_argument("--port", **number(PORT, "port, or 0 for a free one", non_negative_int))
    parser.add_argument("--longest", **number(120.0, "seconds of the longest recording", positive_float, "S"))
    add_code_source_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the address of the page, and serve it until Ctrl-C."""
    path = find_model(args.model)
    limit_kernel_cache()
    if args.host not in server.LOCAL_NAMES:
        warn("warning: the page has no password; everybody who can connect to this machine can use it")

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
