"""Verbs in shards: `--shard I/N` makes one, `--shards N` makes all by an engine and joins them (not a verb)."""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import Any

from vqspeech.clusters import CLUSTERS, load_cluster
from vqspeech.commands.arguments import positive_int
from vqspeech.commands.outputs import print_json
from vqspeech.data.sharding import (
    MANIFEST,
    AlreadyDone,
    Manifest,
    Shard,
    Share,
    name_shard,
    name_shards,
    read_manifest,
    write_manifest,
)
from vqspeech.errors import SOME_SKIPPED, ConfigError, ShardError, VqspeechError
from vqspeech.files import hash_file
from vqspeech.progress import report
from vqspeech.publishing import SHARD, publish_folder
from vqspeech.storage import find_size, is_remote

Verb = Callable[[argparse.Namespace, Share], int]
"""Does the work of a verb for a share of the utterances, which `Share.select` chooses; returns the exit status."""

FEATURES, DOUBTFUL = "features", "doubtful"
"""Names within a shard of what a verb writes besides its output."""
_NO_OPTIONS = {
    "verb", "version", "run", "out", "shard", "shards", "cluster", "cluster_option", "nj", "device", "data", "src",
    "corpus", "limit", "quiet", "json",
}  # fmt: skip
"""Arguments on which the output of a shard does not depend, or only by its utterances."""
_FILES = ("model", "like", "units")
"""Arguments that name files, whose contents count."""


def add_shard_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--shard`, `--shards`, `--cluster` and `--cluster-option`."""
    group = parser.add_argument_group("shards", "the work on many cores or machines")
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        "--shard",
        type=_parse_shard,
        metavar="I/N",
        help="only the I-th of N parts of the utterances, of about as many seconds each, into OUT.shards/, where it is "
        "not there yet; vqspeech gather OUT joins all N",
    )
    one.add_argument(
        "--shards", type=positive_int, metavar="N", help="make those of N shards that are missing, and join them"
    )
    group.add_argument(
        "--cluster",
        choices=list(CLUSTERS),
        default="local",
        help="what runs --shards: --nj processes here; a job array of Slurm; actors of Ray (default: %(default)s)",
    )
    group.add_argument(
        "--cluster-option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="setting of the cluster, such as partition=cpu or minutes=120 (several times)",
    )


def run_shards(args: argparse.Namespace, verb: str, work: Verb) -> int:
    """Do the work of a verb: all of it, one shard, or all shards; return the exit status."""
    if args.shard is not None:
        return _run_shard(args, verb, work)
    if args.shards is None:
        return work(args, Share())
    return _run_all(args)


def _run_shard(args: argparse.Namespace, verb: str, work: Verb) -> int:
    folder = name_shard(args.out, args.shard)
    share = Share(args.shard, folder, {"verb": verb, **_describe_options(args)})
    try:
        manifest = _write_shard(args, share, work)
    except AlreadyDone as found:
        manifest = found.manifest
        report(f"{folder}: was made before")
    except OSError:
        manifest = _find_twin(share)  # another process was faster with the same shard
        if manifest is None:
            raise
    report(f"{folder}: {len(manifest.done)} of {len(manifest.ids)} utterances")
    if args.json:
        figures = {"utterances": len(manifest.ids), "done": len(manifest.done), "skipped": manifest.skipped}
        print_json({"shard": folder, **figures})
    return SOME_SKIPPED if manifest.skipped else 0


def _write_shard(args: argparse.Namespace, share: Share, work: Verb) -> Manifest:
    with publish_folder(share.folder, SHARD) as folder:
        inside = argparse.Namespace(**vars(args) | {"out": str(folder / Path(args.out).name)})
        try:
            # What the verb prints names its output within the folder, which is renamed.
            with redirect_stdout(io.StringIO()) if args.json else nullcontext():
                work(inside, share)
        except VqspeechError:
            if not share.is_all_skipped():
                raise
        return write_manifest(folder, share)


def _find_twin(share: Share) -> Manifest | None:
    with suppress(ShardError):
        found = read_manifest(share.folder)
        if found.run == share.run:
            return found
    return None


def _run_all(args: argparse.Namespace) -> int:
    from vqspeech.commands.gather import gather

    cluster = load_cluster(args.cluster, _parse_options(args.cluster_option))
    call = partial(_call, argparse.Namespace(**vars(args) | {"shards": None}), args.shards)
    numbers = list(range(1, args.shards + 1))
    # On this machine, and so in the working folder, where the shards are not.
    logs = Path(name_shards(Path(args.out).name if is_remote(args.out) else args.out)) / "logs"
    failed = dict(cluster.run(call, numbers, args.nj, logs))
    if failed:
        number, reason = next(iter(failed.items()))
        raise ShardError(
            f"{args.out}: {len(failed)} of {args.shards} shards failed, such as {number}: {reason}; the same command "
            "makes those that are missing"
        )
    return gather(args.out, args.json)


def _call(args: argparse.Namespace, count: int, nj: int, number: int) -> int:
    """Make one shard by `nj` processes, in a process of an engine."""
    if nj == 1 and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # other shards have the other cores
    status = args.run(argparse.Namespace(**vars(args) | {"shard": Shard(number, count), "nj": nj}))
    if find_size(f"{name_shard(args.out, Shard(number, count))}/{MANIFEST}") is None:
        raise ShardError(f"{args.out}: shard {number}/{count} ended with status {status} and is not there")
    return status


def _describe_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the output depends on besides the utterances, as JSON has it."""
    from vqspeech import __version__

    options = {name: value for name, value in vars(args).items() if name not in _NO_OPTIONS}
    for name in _FILES:
        if name in options:
            options[name] = _hash_files(name, options[name])
    return json.loads(json.dumps({"version": __version__, **options}, default=str))


def _hash_files(name: str, value: Any) -> Any:
    if name == "model":
        from vqspeech.commands.loading import VARIABLE
        from vqspeech.pretrained import find_checkpoint

        value = find_checkpoint(value or os.environ.get(VARIABLE))
    paths = value if isinstance(value, list) else [value]
    return [hash_file(path) if path and os.path.isfile(path) else str(path) for path in paths]


def _parse_shard(text: str) -> Shard:
    number, slash, count = text.partition("/")
    try:
        shard = Shard(int(number), int(count))
    except ValueError:
        shard = Shard(0, 0)
    if not slash or not 1 <= shard.number <= shard.count <= 1_000_000:
        raise argparse.ArgumentTypeError(f"'{text}' is not a shard I/N, such as 3/8, with I from 1 to N")
    return shard


def _parse_options(given: Sequence[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise ConfigError(f"--cluster-option {key}: give KEY=VALUE, such as partition=cpu")
    return {key: value for key, _, value in pairs}
