"""Write docs/scale.md from measured costs: python tools/scale.py [--check].

The costs are in docs/scale.json, as `tools/bench/scale.py` writes them: seconds of a core and bytes for an hour of
speech.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COSTS, PAGE = ROOT / "docs" / "scale.json", ROOT / "docs" / "scale.md"
HOURS, NODES = (1_000, 60_000, 1_000_000), (1, 10, 100)
CORES = 32
"""Cores of a node."""
PRICE = 0.04
"""Assumed price of a core for an hour (USD)."""
SHARED = 2e9
"""Assumed bytes a second of the storage that all nodes share."""
HASHED = 4e8
"""Assumed bytes a second that one process reads and hashes, as `vqspeech gather` does with a dump."""


@dataclass(frozen=True)
class Plan:
    """What a stage takes: hours of wall clock, USD, bytes that are written, and what limits it."""

    hours: float
    price: float
    stored: float
    limit: str


def plan(core_seconds: float, read: float, written: float, speech: float, nodes: int, joined: bool = False) -> Plan:
    """Return what a stage takes.

    Args:
        core_seconds: Seconds of a core for an hour of speech.
        read: Bytes that are read for an hour of speech.
        written: Bytes that are written for an hour of speech.
        speech: Hours of speech.
        nodes: Nodes of `CORES` cores.
        joined: Whether one process reads all that was written in the end, to join it.
    """
    parts = {
        "cores": core_seconds * speech / (nodes * CORES),
        "shared storage": (read + written) * speech / SHARED,
    }
    joining = written * speech / HASHED if joined else 0.0
    limit = max(parts, key=lambda name: parts[name])
    seconds = parts[limit] + joining
    if joining > parts[limit]:
        limit = "joining"
    return Plan(seconds / 3600, core_seconds * speech / 3600 * PRICE, written * speech, limit)


def format_hours(hours: float) -> str:
    """Return a duration with a fitting unit."""
    if hours < 1:
        return f"{60 * hours:.0f} min" if hours >= 1 / 60 else "< 1 min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def format_bytes(size: float) -> str:
    """Return a size with a fitting unit."""
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 1000:
            return f"{size:.3g} {unit}"
    return f"{size / 1000:.3g} PB"


HEAD = """# Scale

Made by `python tools/scale.py` from [scale.json](scale.json), which `tools/bench/scale.py` measured in several runs,
each some of the stages, on one core of {cpu} (torch {torch}), in seconds of its time;
the load average was up to {load:.0f} when a run began, and an idle core is faster.
The other figures are computed, not measured: a cost for an hour of speech, times the hours. Assumed are nodes of
{cores} cores, {price:g} USD for an hour of a core, shared storage of {shared}/s (read and written), and {hashed}/s for
the one process that joins a dump.

## Measured

| stage | speech (h) | seconds of a core for an hour of speech | hours of speech a core-day | bytes an hour of speech |
|---|---|---|---|---|
{rows}

Memory of one process of `encode` after each of its shards of {shard:.2f} h: {memory} MB; the peak of all
stages is {peak:.0f} MB.

## Computed

"""
TAIL = """## How

    vqspeech encode --model units --data data/all --out units.txt --shards 1000 --cluster slurm
    bash egs/librispeech/run.sh --shards 100 --cluster slurm --cluster-options "partition=cpu minutes=60"

A shard is what is lost with a process or a node: choose N so that one takes some minutes. Without an engine, a job
array runs `--shard I/1000` with its number, and `vqspeech gather units.txt` joins the shards. Outputs must lie on
storage that all nodes share, or at a [URL](storage.md#outputs-at-urls) of an object store; `gather` copies shards from
there to its cache, joins them, and uploads the result. Two processes at the same shard do the work twice, and one of
the results stays. Conversions are the same to the last bit in shards and in one piece with `--exact`, since batches of
other utterances are rounded otherwise.

## What breaks first

From the code, except the figures of data directories:

- Every shard reads the tables of the whole data directory, in columns, and makes the utterances of its own: of ten
  million, 30 seconds of a core and 1.3 GB each time, as `python tools/bench/index.py --only data` measured once.
  One with unusual lines (blanks before ids, a last line without its end, `spk2utt` in another order) is read row by
  row, about 11 minutes and 13 GB by what 300,000 took. Verbs that work on all utterances in one process also hold them
  as objects: `validate`, `split`, `combine`, `gather` of data directories, and `dump` and `encode` without shards.
- An output at a URL has no lock: give the same one to two processes only as shards.
- `vqspeech gather` reads all samples of a dump once, in one process; the tables say where that is the limit.
- `score units` reads alignments and recordings in shards, but its tables need the codes of all utterances, in one
  process: score a sample.
- With a file a recording, the metadata server of the storage limits `prepare` above some millions of recordings.
- Processes that train on several machines exchange the gradients of all parameters once an update. FSDP is not
  needed: weights and optimiser of the largest configuration fit into the memory of one device.
"""


def write_page(costs: dict) -> str:
    """Return the page."""
    stages, memory = costs["stages"], costs["memory_mb"]
    named = [name for name in stages if name != "corpus"]
    head = HEAD.format(
        cpu=costs["cpu"],
        torch=costs["versions"]["torch"],
        load=costs["load"],
        cores=CORES,
        price=PRICE,
        shared=format_bytes(SHARED),
        hashed=format_bytes(HASHED),
        rows="\n".join(format_costs(name, stages[name]) for name in named),
        shard=stages["encode"]["hours"] / len(memory),
        memory=", ".join(f"{value:.0f}" for value in memory),
        peak=costs["peak_mb"],
    )
    return head + "".join(format_plans(stages, named, speech) for speech in HOURS) + TAIL


def format_costs(name: str, one: dict) -> str:
    """Return the row of a stage in the table of what was measured."""
    seconds = one["core_seconds"]
    return f"| `{name}` | {one['hours']:.2f} | {seconds:.1f} | {86400 / seconds:,.0f} | {format_bytes(one['bytes'])} |"


def format_plans(stages: dict, named: list[str], speech: float) -> str:
    """Return the table for so many hours of speech."""
    columns = " | ".join("1 node" if count == 1 else f"{count} nodes" for count in NODES)
    lines = [
        f"### {speech:,} hours of speech\n",
        f"| stage | {columns} | USD | written | limit of {NODES[-1]} nodes |",
        "|---" * (len(NODES) + 4) + "|",
    ]
    for name in named:
        one, read = stages[name], 0.0 if name == "prepare" else stages["corpus"]["bytes"]
        joined = name.startswith("dump")
        plans = [plan(one["core_seconds"], read, one["bytes"], speech, nodes, joined) for nodes in NODES]
        hours = " | ".join(format_hours(found.hours) for found in plans)
        written = format_bytes(plans[0].stored)
        lines.append(f"| `{name}` | {hours} | {plans[0].price:,.0f} | {written} | {plans[-1].limit} |")
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    made = write_page(json.loads(COSTS.read_text(encoding="utf-8")))
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text(encoding="utf-8") != made)
    PAGE.write_text(made, encoding="utf-8")
