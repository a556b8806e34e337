"""Measure what an hour of speech costs at each stage, and memory: python tools/bench/scale.py OUT.json CORPUS...

Each CORPUS is a folder of LibriSpeech, with two hours or more in all, of which `PER_SPEAKER` utterances of each speaker
are encoded and two go through the slower stages. One process, one core: what is measured is the time of the processor,
so that other processes count only as far as they share its caches; how many there were is noted.
"""

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from vqspeech.cli import main
from vqspeech.data.datadir import DataDir
from vqspeech.data.sharding import list_shards

SHARDS = 8
"""Shards of `encode`."""
PER_SPEAKER = 17
"""Utterances of a speaker that are encoded, at most."""


def count_bytes(path: Path) -> int:
    """Return the bytes of a file or of all files of a folder."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_size for one in files)


def read_memory() -> float:
    """Return the resident memory of this process (MB)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def run(words: list[str]) -> float:
    """Run a verb; return the processor time of this process (s)."""
    started = time.process_time()
    if main(words) not in (0, 3):
        raise SystemExit(f"failed: {words}")
    return time.process_time() - started


@dataclass
class Costs:
    """What was measured: by stage, seconds of a core and bytes for an hour of speech; memory after shards (MB)."""

    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    memory_mb: list[float] = field(default_factory=list)

    def add(self, name: str, seconds: float, hours: float, size: int) -> None:
        """Add a stage that took `seconds` for so many hours and wrote so many bytes."""
        self.stages[name] = {"core_seconds": seconds / hours, "bytes": size / hours, "hours": hours}
        print(name, self.stages[name], f"{read_memory():.0f} MB", flush=True)


def prepare(corpora: list[str], folder: Path, costs: Costs) -> Path:
    """Prepare the corpora; return a data directory of `PER_SPEAKER` utterances of each speaker."""
    everything, data = folder / "everything", folder / "data"
    parts = [str(folder / f"data{i}") for i in range(len(corpora))]
    took = sum(
        run(["prepare", "librispeech", "--corpus", corpus, "--out", part])
        for corpus, part in zip(corpora, parts, strict=True)
    )
    main(["combine", *parts, "--out", str(everything)])
    main(["subset", str(everything), "--out", str(data), "--per-speaker", str(PER_SPEAKER)])
    hours = DataDir.read(everything).seconds / 3600
    costs.add("prepare", took, hours, count_bytes(everything))
    costs.add("corpus", 0.0, hours, sum(count_bytes(Path(corpus)) for corpus in corpora))
    return data


def measure_encoding(data: Path, folder: Path, costs: Costs) -> None:
    """Measure `encode` in shards, all in this process, and its memory after each."""
    units = folder / "units"
    words = ["encode", "--model", "units", "--data", str(data), "--out"]
    run([*words, str(folder / "warm"), "--limit", "2"])
    took = 0.0
    for number in range(1, SHARDS + 1):
        took += run([*words, str(units), "--shard", f"{number}/{SHARDS}"])
        costs.memory_mb.append(read_memory())
    took += run(["gather", str(units)])
    hours = sum(sum(manifest.seconds) for manifest in list_shards(units).values()) / 3600
    costs.add("encode", took, hours, count_bytes(units))


def measure_others(data: Path, folder: Path, costs: Costs) -> None:
    """Measure the slower stages on two utterances of each speaker."""
    some = str(folder / "some")
    main(["subset", str(data), "--out", some, "--per-speaker", "2"])
    hours = DataDir.read(some).seconds / 3600
    for name, words, written in (
        ("align", ["align", some], "align.align"),
        ("dump", ["dump", some], "dump"),
        ("dump --world", ["dump", some, "--world"], "dump--world"),
        ("convert", ["convert", "--model", "world", "--data", some, "--speaker", first_voice()], "convert"),
    ):
        took = run([*words, "--out", str(folder / name.replace(" ", ""))])
        costs.add(name, took, hours, count_bytes(folder / written))


def first_voice() -> str:
    from vqspeech import VQVAE, pretrained

    return VQVAE.from_pretrained(pretrained.find_checkpoint("world")).speakers[0]


def describe_cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="what was measured before stays there")
    parser.add_argument("corpora", nargs="+", help="folders of LibriSpeech")
    parser.add_argument("--only", choices=("encode", "others"), help="one half of the stages")
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_num_threads(1)
    args = parse_arguments()
    before: dict[str, Any] = json.loads(args.out.read_text(encoding="utf-8")) if args.out.is_file() else {"stages": {}}
    machine = {
        "cpu": describe_cpu(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    if any(before.get(key, value) != value for key, value in machine.items()):
        sys.exit(f"{args.out}: was measured on another processor or with other versions; name another file")
    load, costs = os.getloadavg()[0], Costs()
    with tempfile.TemporaryDirectory() as made:
        speech = prepare(args.corpora, Path(made), costs)
        if args.only != "others":
            measure_encoding(speech, Path(made), costs)
        if args.only != "encode":
            measure_others(speech, Path(made), costs)
    found = {
        **before,
        "stages": before["stages"] | costs.stages,
        "peak_mb": max(before.get("peak_mb", 0.0), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
        **machine,
        "load": max(before.get("load", 0.0), load),
    } | ({"memory_mb": costs.memory_mb} if costs.memory_mb else {})
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
