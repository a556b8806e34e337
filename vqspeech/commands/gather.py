"""Join the shards of an output, after a check that nothing is missing, twice, or changed.

The shards stay where they are, in OUT.shards; large files are shared with OUT where the disk can link them. Those of a
URL are copied to the cache, joined there, and uploaded.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from vqspeech.commands.arguments import add_json_argument
from vqspeech.commands.outputs import print_json
from vqspeech.commands.score import MODULES
from vqspeech.commands.scoring import find_score
from vqspeech.commands.sharding import DOUBTFUL, FEATURES
from vqspeech.data.datadir import DataDir, check_replaceable, combine
from vqspeech.data.dump import join_dumps
from vqspeech.data.features import SIDE
from vqspeech.data.sharding import Manifest, fetch_shards, list_shards, locate_shards
from vqspeech.data.units import join_units, read_units, write_runs
from vqspeech.errors import OutputError, ShardError
from vqspeech.files import link_file, replace_folder, write_text
from vqspeech.jobs import Skipped
from vqspeech.locks import lock_file, lock_folder
from vqspeech.publishing import DATA, DUMP, SPEECH, UNITS, publish

EXAMPLE = "vqspeech gather exp/units/train.txt"

Shards = Mapping[Path, Manifest]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech gather`."""
    parser.add_argument(
        "out", metavar="OUT", help="what was given, a path or a URL, as --out to the verb with --shard I/N"
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write the whole output; the exit status is 3 where recordings were skipped."""
    return gather(args.out, args.json)


def gather(out: str, as_json: bool = False) -> int:
    """Join the shards of an output, print how much it is, and return the exit status.

    Raises:
        ShardError: A shard is missing, damaged or of another kind, or what was joined is not all of it.
    """
    with fetch_shards(out) as local:
        shards = list_shards(local)
        first = next(iter(shards.values()))
        verb = str(first.run["verb"])
        with lock_file(locate_shards(local) / "gather"):
            if verb.startswith("score "):
                find_score(MODULES, verb.removeprefix("score ")).join(out, shards, as_json)
            else:
                kind, join = JOINERS[verb]
                with publish(out, kind) as place:
                    join(place, shards)
    skipped = Skipped()
    for manifest in shards.values():
        for name, reason in manifest.skipped.items():
            if name not in skipped.reasons:
                skipped.add(name, reason)
    done = sum(len(manifest.done) for manifest in shards.values())
    seconds = sum(sum(manifest.seconds) for manifest in shards.values())
    if as_json:
        figures = {"utterances": first.run["utterances"], "done": done, "seconds": seconds, "shards": len(shards)}
        print_json({"out": out, **figures, "skipped": skipped.reasons})
        return skipped.status(done)
    length = f", {seconds / 3600:.2f} h" if seconds else ""
    print(f"{out}: {done} of {first.run['utterances']} utterances{length}, from {len(shards)} shards, each once")
    return skipped.status(done)


def _list_parts(out: Path, shards: Shards) -> list[Path]:
    """Return the outputs of the shards that have one: where all was skipped there is none."""
    return [path / out.name for path in shards if (path / out.name).exists()]


def _list_done(shards: Shards) -> list[str]:
    return [name for manifest in shards.values() for name in manifest.done]


def _require_same(out: Path, found: Iterable[str], shards: Shards) -> None:
    """Raise `ShardError` where what was joined is not what the shards have done."""
    if sorted(found) != sorted(_list_done(shards)):
        raise ShardError(f"{out}: is not what its shards have done; remove {locate_shards(out)} and make them again")


def _join_dumps(out: Path, shards: Shards) -> None:
    with lock_folder(out):
        joined = join_dumps(_list_parts(out, shards), out)
    _require_same(out, joined.utterances, shards)


def _join_units(out: Path, shards: Shards) -> None:
    parts, options = _list_parts(out, shards), next(iter(shards.values())).run
    _require_same(out, join_units(parts, out), shards)
    if options.get("runs"):
        write_runs(options["runs"], map(read_units, parts))
    if options.get("features"):
        folders = [part.with_name(FEATURES) for part in parts]
        for folder in folders:
            for file in sorted(folder.rglob("*")):
                if file.is_file() and file.name != SIDE:
                    link_file(file, Path(options["features"]) / file.relative_to(folder))
        link_file(folders[-1] / SIDE, Path(options["features"]) / SIDE)


def _join_data(out: Path, shards: Shards) -> None:
    check_replaceable(out.resolve())
    joined = combine([DataDir.read(part) for part in _list_parts(out, shards)])
    if next(iter(shards.values())).run["verb"] == "prepare":
        _require_same(out, joined.utterances, shards)
    joined.write(out)
    doubtful = [path / DOUBTFUL for path in shards if (path / DOUBTFUL).is_file()]
    if doubtful:
        write_text(Path(f"{out}.align") / DOUBTFUL, "".join(path.read_text(encoding="utf-8") for path in doubtful))


def _join_folders(out: Path, shards: Shards) -> None:
    files = {name: path for path, manifest in shards.items() for name in manifest.files}
    wanted = {Path(name).relative_to(out.name): path / name for name, path in files.items()}
    strange = [path for path in out.rglob("*") if path.is_file() and path.relative_to(out) not in wanted]
    if strange:
        raise OutputError(f"{strange[0]}: is none of the shards, and joining them would delete it; move it elsewhere")
    if len(wanted) != sum(len(manifest.files) for manifest in shards.values()):
        raise ShardError(f"{out}: two shards have a file of the same name; make them again")
    with replace_folder(out) as folder:
        for name, path in wanted.items():
            link_file(path, folder / name)


JOINERS: Mapping[str, tuple[str, Callable[[Path, Shards], None]]] = {
    "prepare": (DATA, _join_data),
    "align": (DATA, _join_data),
    "dump": (DUMP, _join_dumps),
    "encode": (UNITS, _join_units),
    "convert": (SPEECH, _join_folders),
}
"""What the output of a verb is that is no score, and what joins it."""
