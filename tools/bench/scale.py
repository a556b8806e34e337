"""Measure what an hour of speech costs at each stage, and memory: python tools/bench/scale.py OUT.json CORPUS...

Each CORPUS is a folder of LibriSpeech, with two hours or more in all, of which `PER_SPEAKER` utterances of each speaker
are encoded and two go through the slower stages. One process, one core: what is measured is the time of the processor,
so that other processes count only as far as they share its caches; how many there were is noted.
"""

import json
import os
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

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


def measure(corpora: list[str], folder: Path) -> dict:
    """Return seconds of a core and bytes for an hour of speech, by stage, and memory after each shard of `encode`."""
    stages: dict[str, dict[str, float]] = {}
    load = os.getloadavg()[0]

    def add(name: str, seconds: float, hours: float, path: Path) -> None:
        stages[name] = {"core_seconds": seconds / hours, "bytes": count_bytes(path) / hours, "hours": hours}
        print(name, stages[name], f"{read_memory():.0f} MB", flush=True)

    everything, data = folder / "everything", folder / "data"
    parts = [str(folder / f"data{i}") for i in range(len(corpora))]
    took = sum(
        run(["prepare", "librispeech", "--corpus", corpus, "--out", part])
        for corpus, part in zip(corpora, parts, strict=True)
    )
    main(["combine", *parts, "--out", str(everything)])
    main(["subset", str(everything), "--out", str(data), "--per-speaker", str(PER_SPEAKER)])
    hours = DataDir.read(everything).seconds / 3600
    add("prepare", took, hours, everything)
    stages["corpus"] = {
        "core_seconds": 0.0,
        "bytes": sum(count_bytes(Path(corpus)) for corpus in corpora) / hours,
        "hours": hours,
    }
    units, memory = folder / "units", []
    run(["encode", "--model", "units", "--data", str(data), "--out", str(folder / "warm"), "--limit", "2"])
    took = 0.0
    for number in range(1, SHARDS + 1):
        words = ["encode", "--model", "units", "--data", str(data), "--out", str(units)]
        took += run([*words, "--shard", f"{number}/{SHARDS}"])
        memory.append(read_memory())
    took += run(["gather", str(units)])
    encoded = sum(sum(manifest.seconds) for manifest in list_shards(units).values()) / 3600
    add("encode", took, encoded, units)
    some = folder / "some"
    main(["subset", str(data), "--out", str(some), "--per-speaker", "2"])
    part = DataDir.read(some).seconds / 3600
    add("align", run(["align", str(some), "--out", str(folder / "aligned")]), part, folder / "aligned.align")
    for name, words in (
        ("dump", ["dump", str(some)]),
        ("dump --world", ["dump", str(some), "--world"]),
        ("convert", ["convert", "--model", "world", "--data", str(some), "--speaker", first_voice()]),
    ):
        out = folder / name.replace(" ", "")
        add(name, run([*words, "--out", str(out)]), part, out)
    return {
        "stages": stages,
        "memory_mb": memory,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "cpu": describe_cpu(),
        "load": load,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def first_voice() -> str:
    from vqspeech import VQVAE, pretrained

    return VQVAE.from_pretrained(pretrained.find_checkpoint("world")).speakers[0]


def describe_cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as made:
        found = measure(sys.argv[2:], Path(made))
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
