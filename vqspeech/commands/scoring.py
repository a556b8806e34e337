"""One declarative `Score` for every kind of `vqspeech score` and `vqspeech vision score` (not a verb).

A score is one module with a `SCORE`, and its name in the registry of its verb:

    def measure(args):
        waves = {one.id: audio.read_waveform(one.path) for one in DataDir.read(args.data)}
        rows = [{"row": "recordings", "level (dB)": estimate_ratio([level(wave) for wave in waves.values()])}]
        yield Table(rows, notes=["root mean square, full scale is 0 dB"])

    SCORE = Score("level", "Measure the level of recordings.", measure, arguments=[argument("--data", required=True)],
                  columns={"level (dB)": "mean level"}, example="vqspeech score level --data data/dev --out s.json")

Reading `--out`, writing scores.json, tables, pictures and the exit status are the same for all of them.
"""

import argparse
import json
import textwrap
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from vqspeech.commands.arguments import add_json_argument, non_negative_int, number, scores_file
from vqspeech.commands.outputs import print_json
from vqspeech.commands.sharding import add_shard_arguments, run_shards
from vqspeech.data.sharding import OBSERVED, Share
from vqspeech.errors import ShardError
from vqspeech.extras import require_training_packages
from vqspeech.files import write_text
from vqspeech.metrics.reports import markdown, pictures, scores


@dataclass(frozen=True)
class Argument:
    """An argument of a command line: `names` and `options` are those of `argparse`'s `add_argument`."""

    names: Sequence[str]
    options: Mapping[str, Any]


def argument(*names: str, **options: Any) -> Argument:
    """Return the declaration of an argument; parameters as in `argparse.ArgumentParser.add_argument`."""
    return Argument(names, options)


@dataclass(frozen=True)
class Table:
    """What a score measured: one section of the scores file.

    Attributes:
        rows: Rows as `scores.add_rows` takes them: the key "row", and a key for each column.
        notes: How it was measured, a sentence each.
        name: Of the table, where a score has several: its section is "SECTION: name".
        details: Figures of single items.
        seed: Of what was drawn at random, None where nothing was.
        packages: Further packages whose versions matter.
        figures: Pictures by name, figures of matplotlib, written to pictures/NAME.png beside the scores file.
        files: Other files that were written, printed below the table.
    """

    rows: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = ()
    name: str = ""
    details: Sequence[Mapping[str, Any]] = ()
    seed: int | None = None
    packages: Sequence[str] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[str] = ()


Measure = Callable[..., Generator[Table, None, int | None]]
"""Takes the parsed arguments, and what `Observe` yielded, if that was done in shards; yields each `Table` as soon as it
is measured, returns the exit status, None for 0."""
Observe = Callable[[argparse.Namespace, Share], Iterator[Mapping[str, Any]]]
"""Takes the parsed arguments and a share of the utterances; yields what is read of each, as JSON has it, and `name`."""


@dataclass(frozen=True)
class Score:
    """A kind of score.

    Attributes:
        name: The word on the command line, and the section of the scores file.
        help: What it measures, in one sentence.
        measure: The function that measures.
        arguments: What it takes from the command line, besides `--out` and what the flags below add; a function adds
            several to a parser.
        columns: What each column (or row) says, by its name.
        example: A command line.
        about: Further sentences for `--help`.
        section: Whether `--section` names another section.
        nj: Whether it takes `--nj`, the number of processes.
        seed: Whether it takes `--seed`.
        headings: Whether the names of the sections are printed above their tables.
        print_notes: Whether the notes are printed below their table; they are written to the file in any case.
        observe: The part of the work that needs no other utterance, for a score in shards: it takes `--shard`.
    """

    name: str
    help: str
    measure: Measure
    arguments: Sequence[Argument | Callable[[argparse.ArgumentParser], None]] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    example: str = ""
    about: str = ""
    section: bool = False
    nj: bool = False
    seed: bool = False
    headings: bool = False
    print_notes: bool = True
    observe: Observe | None = None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this score."""
        for one in self.arguments:
            if isinstance(one, Argument):
                parser.add_argument(*one.names, **one.options)
            else:
                one(parser)
        parser.add_argument(
            "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
        )
        add_json_argument(parser)
        if self.section:
            parser.add_argument(
                "--section", default=self.name, metavar="NAME", help="section in it (default: %(default)s)"
            )
        if self.seed:
            parser.add_argument("--seed", **number(0, "of all that is drawn", non_negative_int))
        if self.nj:
            parser.add_argument("--nj", **number(1, "processes"))
        if self.observe:
            add_shard_arguments(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Measure, write each table to the scores file and print it, or make shards; return the exit status."""
        require_training_packages()
        if self.observe and (args.shard or args.shards):
            return run_shards(args, f"score {self.name}", self._observe)
        return self._write_all(args, self.measure(args))

    def join(self, out: str, parts: Iterable[Path], as_json: bool = False) -> int:
        """Measure from what was read in shards, as `run`.

        Args:
            out: The scores file.
            parts: Folders of the shards.
            as_json: Whether the tables are printed as JSON.

        Raises:
            ShardError: What a shard has read is nothing that this score can use.
        """
        rows, given = [], {}
        for part in parts:
            try:
                given, *some = map(json.loads, (part / OBSERVED).read_text(encoding="utf-8").splitlines())
            except ValueError as error:
                raise ShardError(f"{part / OBSERVED}: damaged ({error}); make the shard again") from None
            rows += some
        command = f"{given['command']}; {scores.this_command()}"
        args = argparse.Namespace(**given | {"out": out, "json": as_json, "command": command})
        return self._write_all(args, self.measure(args, rows))

    def _observe(self, args: argparse.Namespace, share: Share) -> int:
        """Write what is read of each utterance of a shard, below the arguments, a line each."""
        assert self.observe is not None
        rows = list(self.observe(args, share))
        command = {"command": scores.this_command()}
        given = {
            key: value
            for key, value in vars(args).items()
            if key != "out" and isinstance(value, str | int | float | None)
        }
        lines = [json.dumps(row) + "\n" for row in [given | command, *rows]]
        write_text(Path(args.out).with_name(OBSERVED), "".join(lines))
        share.done = [row["name"] for row in rows]
        return share.skipped.status(len(rows))

    def _write_all(self, args: argparse.Namespace, tables: Generator[Table, None, int | None]) -> int:
        count = 0
        while True:
            try:
                table = next(tables)
            except StopIteration as end:
                return end.value or 0
            if count and not self.headings and not args.json:
                print()
            self._write(table, args)
            count += 1

    def _write(self, table: Table, args: argparse.Namespace) -> None:
        section = getattr(args, "section", self.name)
        section = f"{section}: {table.name}" if table.name else section
        for name, figure in table.figures.items():
            pictures.save_figure(figure, Path(args.out).parent / "pictures" / f"{name}.png")
        scores.add_rows(
            args.out, section, table.rows, getattr(args, "command", None), notes=table.notes, details=table.details,
            seed=table.seed, packages=table.packages,
        )  # fmt: skip
        rows = scores.read(args.out)["sections"][section]["rows"]
        if args.json:
            print_json({"section": section, "rows": rows, "notes": table.notes, "files": table.files})
            return
        text = markdown.format_table(rows)
        lines = [*(table.notes if self.print_notes else ()), *table.files]
        if self.headings:
            print(section, text, *(["\n".join(lines)] if lines else []), sep="\n\n", end="\n\n", flush=True)
        else:
            print(text, *lines, sep="\n", flush=True)

    @property
    def description(self) -> str:
        """What it measures, and what its columns say, for `--help`."""
        columns = [f"  {name}: {meaning}" for name, meaning in self.columns.items()]
        text = textwrap.fill(f"{self.help} {self.about}".strip(), 78)
        return "\n".join([text, *(["", "columns:", *columns] if columns else [])])


def find_score(modules: str, name: str) -> Score:
    """Return the `SCORE` of the module whose name is `modules` followed by `name`."""
    return import_module(modules + name).SCORE


def add_scores(parser: argparse.ArgumentParser, modules: str, names: Sequence[str]) -> None:
    """Add a sub-verb for each of the scores `names`; `modules` is what the names of their modules begin with."""
    subparsers = parser.add_subparsers(dest="kind", required=True, metavar="{" + ",".join(names) + "}")
    for name in names:
        score = find_score(modules, name)
        one = subparsers.add_parser(
            name, help=score.help, description=score.description, epilog=score.example and f"Example: {score.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        score.add_arguments(one)
