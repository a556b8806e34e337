"""`vqspeech VERB …`: every verb is a module of `vqspeech.commands`; `vqspeech vision VERB …`: of `vision.commands`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from vqspeech import __version__
from vqspeech.errors import FAILED, VqspeechError
from vqspeech.memory import keep_freed_memory

VERBS = (
    "prepare", "validate", "align", "split", "subset", "combine", "dump", "train", "prior", "adapt", "export", "info",
    "models", "speakers", "study", "sweep",
    "encode", "reconstruct", "convert", "sample", "score", "draw", "results", "vision",
)  # fmt: skip
VISION_VERBS = (
    "prepare", "record", "validate", "train", "encode", "prior", "prior-video", "sample", "sample-video", "reconstruct",
    "score", "draw",
)  # fmt: skip
"""Those of `vqspeech vision`."""


def main(argv: list[str] | None = None) -> int:
    """Runs one verb; returns the exit status. A user's error is said in one line, without a traceback."""
    argv = sys.argv[1:] if argv is None else argv
    name, about, verbs, package = "vqspeech", "Discrete speech units and voice conversion from raw audio.", VERBS, ""
    if argv[:1] == ["vision"]:
        name, about, verbs, package = "vqspeech vision", "The same for images.", VISION_VERBS, "vision."
        argv = argv[1:]
    parser = argparse.ArgumentParser(name, description=about)
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    _add_verbs(parser, verbs, f"vqspeech.{package}commands", argv[:1])
    args = parser.parse_args(argv)
    if args.version:
        print(__version__)
        return 0
    if args.verb is None:
        parser.print_help()
        return FAILED
    keep_freed_memory()
    try:
        return args.run(args)
    except VqspeechError as error:
        print(f"{name} {args.verb}: {error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        # A full disk, a forbidden folder: writing is atomic, so nothing that was there is harmed.
        print(f"{name} {args.verb}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(f"{name} {args.verb}: interrupted", file=sys.stderr)
        return 130


def _add_verbs(parser: argparse.ArgumentParser, names: Sequence[str], package: str, first: Sequence[str]) -> None:
    """Only the verb at hand, the `first` word, is imported in full: `vqspeech validate` need not wait for torch."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    named = [verb for verb in first if verb in names]
    for verb in names:
        if named and verb != named[0]:
            verbs.add_parser(verb)
            continue
        if verb == "vision":  # its own verbs are asked for by their name only
            verbs.add_parser(verb, help="Images: `vqspeech vision --help`.")
            continue
        module = import_module(f"{package}.{verb.replace('-', '_')}")
        about = (module.__doc__ or verb).strip().splitlines()[0]
        one = verbs.add_parser(verb, help=about, description=module.__doc__)
        module.add_arguments(one)
        one.set_defaults(run=module.run)


if __name__ == "__main__":
    sys.exit(main())
