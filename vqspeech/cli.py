"""`vqspeech VERB …`: every verb is a module of `vqspeech.commands`."""

import argparse
import sys
from importlib import import_module

from vqspeech import __version__
from vqspeech.errors import FAILED, VqspeechError
from vqspeech.memory import keep_freed_memory

VERBS = (
    "prepare", "validate", "align", "split", "subset", "combine", "dump", "train", "prior", "adapt", "export", "info",
    "models", "speakers", "study", "sweep",
    "encode", "reconstruct", "convert", "sample", "score", "draw", "results",
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Runs one verb; returns the exit status. A user's error is said in one line, without a traceback."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        "vqspeech", description="Discrete speech units and voice conversion from raw audio."
    )
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    # Only the verb at hand is imported in full: `vqspeech validate` need not wait for torch.
    named = [verb for verb in argv[:1] if verb in VERBS]
    for verb in VERBS:
        if named and verb != named[0]:
            verbs.add_parser(verb)
            continue
        module = import_module(f"vqspeech.commands.{verb}")
        about = (module.__doc__ or verb).strip().splitlines()[0]
        one = verbs.add_parser(verb, help=about, description=module.__doc__)
        module.add_arguments(one)
        one.set_defaults(run=module.run)
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
        print(f"vqspeech {args.verb}: {error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        # A full disk, a forbidden folder: writing is atomic, so nothing that was there is harmed.
        print(f"vqspeech {args.verb}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(f"vqspeech {args.verb}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
