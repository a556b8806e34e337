"""The command line: `vqspeech VERB …`.

Every verb is a module of `vqspeech.commands`, and of `vqspeech.vision.commands` for `vqspeech vision VERB …` (likewise
`text`), with `add_arguments(parser)`, `run(args)` and an `EXAMPLE`. A verb of several kinds has a module per kind
(`subcommands`).
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from vqspeech import __version__
from vqspeech.console import open_standard_streams, show_progress
from vqspeech.deprecation import rename_arguments
from vqspeech.devices import keep_freed_memory
from vqspeech.errors import FAILED, VqspeechError, describe_error, is_out_of_memory
from vqspeech.extras import import_extra, name_missing_extra
from vqspeech.signals import Interrupted, exit_on_interrupt, raise_on_signals
from vqspeech.subcommands import describe_command, find_subparsers, list_leaves

VERBS = (
    "prepare", "validate", "align", "split", "subset", "combine", "copy", "dump", "train", "prior", "adapt", "export",
    "info", "doctor", "models", "speakers", "voice", "voices", "study", "sweep",
    "encode", "reconstruct", "convert", "live", "page", "sample", "gather", "score", "draw", "results",
    "vision", "text",
)  # fmt: skip
VISION_VERBS = (
    "prepare", "record", "validate", "train", "encode", "prior", "prior-video", "sample", "sample-video", "reconstruct",
    "score", "draw",
)  # fmt: skip
"""Verbs of `vqspeech vision`."""
PARTS = {
    "vision": ("The same for images and video.", "Images and video", VISION_VERBS),
    "text": ("Translation with discrete latents.", "Translation", ("train", "translate", "score")),
}
"""Words before verbs of their own: what the help of the part says, what that of the whole calls it, its verbs."""
SHELLS = ("bash", "zsh", "tcsh")
"""Shells whose command lines can be completed."""
BROKEN_PIPE = 141
"""Exit status where standard output is closed by its reader, as of other tools, which SIGPIPE ends."""


def main(argv: list[str] | None = None) -> int:
    """Run one verb and return the exit status. An error of the user is printed in one line, without a traceback.

    Args:
        argv: The arguments. Without them it is the program: it takes the arguments, streams and signals of the process.
    """
    if argv is None:
        argv = sys.argv[1:]
        exit_on_interrupt(" ".join(["vqspeech", *argv[:1]]))
        open_standard_streams()
    argv = rename_arguments(argv)
    parser = make_parser(argv)
    name, argv = (f"vqspeech {argv[0]}", argv[1:]) if argv and argv[0] in PARTS else ("vqspeech", argv)
    name = " ".join([name, *argv[:1]])
    try:
        with raise_on_signals():
            args = parser.parse_args(argv)
            if args.version or args.completion:
                print(make_completion(args.completion) if args.completion else __version__)
                return 0
            if args.verb is None:
                parser.print_help()
                return FAILED
            keep_freed_memory()
            with show_progress(args.quiet), name_missing_extra():
                return args.run(args)
    except BrokenPipeError:
        return BROKEN_PIPE
    except KeyboardInterrupt as error:
        interrupted = error if isinstance(error, Interrupted) else Interrupted(2)
        print(f"{name}: {interrupted}", file=sys.stderr)
        return interrupted.status
    except (VqspeechError, OSError, MemoryError, RuntimeError) as error:
        # OSError: a full disk, a forbidden folder. Files are written whole or not at all, so none is damaged.
        if isinstance(error, RuntimeError) and not is_out_of_memory(error):
            raise
        print(f"{name}: {describe_error(error)}", file=sys.stderr)
        return FAILED


def make_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of the verbs, or of those of a part such as `vision`, whose arguments come after that word.

    Args:
        argv: The arguments. Only the verb that they name is imported, so that `vqspeech validate` starts without torch.
    """
    name, about, names, package = "vqspeech", "Discrete speech units and voice conversion from raw audio.", VERBS, ""
    first = argv[:1]
    if first and first[0] in PARTS:
        part = first[0]
        (about, _, names), name, package, first = PARTS[part], f"vqspeech {part}", f"{part}.", argv[1:2]
    parser = argparse.ArgumentParser(name, description=about)
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument(
        "--completion",
        choices=SHELLS,
        help="print a script that completes command lines, for your shell to source, and exit",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    for verb in names:
        if first and first[0] in names and verb != first[0]:
            verbs.add_parser(verb)
        elif verb in PARTS and not package:  # its verbs are loaded only where they are asked for
            verbs.add_parser(verb, help=f"{PARTS[verb][1]}: `vqspeech {verb} --help`.")
        else:
            module = import_module(f"vqspeech.{package}commands.{verb.replace('-', '_')}")
            command = verbs.add_parser(verb, **describe_command(module))
            module.add_arguments(command)
            for leaf in list_leaves(command):
                leaf.add_argument("--quiet", action="store_true", help="print results and warnings only, no progress")
            command.set_defaults(run=module.run)
    return parser


def make_completion(shell: str) -> str:
    """Return a script by which a shell completes verbs, options and files: `source <(vqspeech --completion bash)`.

    Raises:
        MissingExtra: shtab is not installed.
    """
    shtab = import_extra("shtab", "completion")
    parser = make_parser([])
    verbs = find_subparsers(parser)
    for part in PARTS:
        verbs[part] = make_parser([part])
    for leaf in list_leaves(parser):
        for action in leaf._actions:  # noqa: SLF001 -- argparse has no other way to them
            if action.metavar in ("DIR", "DATA", "EXP", "SHARDS"):
                action.complete = shtab.DIRECTORY  # pyright: ignore[reportAttributeAccessIssue]
            elif action.metavar in ("FILE", "PATH", "JSON", "UNITS", "NAME|FILE"):
                action.complete = shtab.FILE  # pyright: ignore[reportAttributeAccessIssue]
    return shtab.complete(parser, shell)


if __name__ == "__main__":
    sys.exit(main())
