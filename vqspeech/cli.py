"""`vqspeech VERB …`: every verb is a module of `vqspeech.commands`; `vqspeech vision VERB …`: of `vision.commands`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from vqspeech import __version__
from vqspeech.console import open_standard_streams
from vqspeech.devices import keep_freed_memory
from vqspeech.errors import FAILED, VqspeechError, describe_error, is_out_of_memory
from vqspeech.signals import Interrupted, exit_on_interrupt, raise_on_signals

VERBS = (
    "prepare", "validate", "align", "split", "subset", "combine", "dump", "train", "prior", "adapt", "export", "info",
    "models", "speakers", "voice", "voices", "study", "sweep",
    "encode", "reconstruct", "convert", "live", "sample", "score", "draw", "results", "vision",
)  # fmt: skip
VISION_VERBS = (
    "prepare", "record", "validate", "train", "encode", "prior", "prior-video", "sample", "sample-video", "reconstruct",
    "score", "draw",
)  # fmt: skip
"""Those of `vqspeech vision`."""


BROKEN_PIPE = 141
"""Exit status where nobody reads what is written to standard output: that of other tools, which SIGPIPE ends."""


def main(argv: list[str] | None = None) -> int:
    """Runs one verb; returns the exit status. A user's error is said in one line, without a traceback.

    Without `argv` it is the program, which takes the arguments, streams and signals of the process.
    """
    if argv is None:
        argv = sys.argv[1:]
        exit_on_interrupt(" ".join(["vqspeech", *argv[:1]]))
        open_standard_streams()
    name, about, verbs, package = "vqspeech", "Discrete speech units and voice conversion from raw audio.", VERBS, ""
    if argv[:1] == ["vision"]:
        name, about, verbs, package = "vqspeech vision", "The same for images.", VISION_VERBS, "vision."
        argv = argv[1:]
    parser = argparse.ArgumentParser(name, description=about)
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    _add_verbs(parser, verbs, f"vqspeech.{package}commands", argv[:1])
    name = " ".join([name, *argv[:1]])
    try:
        with raise_on_signals():
            args = parser.parse_args(argv)
            if args.version:
                print(__version__)
                return 0
            if args.verb is None:
                parser.print_help()
                return FAILED
            keep_freed_memory()
            return args.run(args)
    except BrokenPipeError:
        return BROKEN_PIPE
    except KeyboardInterrupt as error:
        interrupted = error if isinstance(error, Interrupted) else Interrupted(2)
        print(f"{name}: {interrupted}", file=sys.stderr)
        return interrupted.status
    except (VqspeechError, OSError, MemoryError, RuntimeError) as error:
        # OSError: a full disk, a forbidden folder. Writing is atomic, so nothing that was there is harmed.
        if isinstance(error, RuntimeError) and not is_out_of_memory(error):
            raise
        print(f"{name}: {describe_error(error)}", file=sys.stderr)
        return FAILED


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
