"""Measure time and memory that the index of a large dump takes to open, and the time to draw places of windows.

Usage: python tools/bench/index.py [--utterances 10000000] [--keep DIR]

The dump is synthetic: an index of utterances of 4 to 16 s by 20,000 speakers, and files of zeros that take no disk.
Memory is the growth of the largest resident set of the process that opens it over that after its imports. Needs Linux.
Prints one line of JSON.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from vqspeech import world
from vqspeech.data.dump import SHARD_SAMPLES, VERSION, read_shards
from vqspeech.data.dump_index import Categories, Names, Table, write_table

SPEAKERS = 20_000
WINDOWS, BATCHES = 64, 50


def write(folder: Path, utterances: int) -> None:
    """Write the index, and files with holes for samples."""
    rng = np.random.default_rng(0)
    length = rng.integers(4 * 100, 16 * 100, utterances) * world.FRAME
    ends = np.cumsum(length)
    shard = (ends - 1) // SHARD_SAMPLES
    begins = np.flatnonzero(np.diff(shard, prepend=-1))
    first = ends - length - np.repeat((ends - length)[begins], np.diff(np.append(begins, utterances)))
    speaker = np.sort(rng.integers(0, SPEAKERS, utterances)).astype(np.int32)
    speakers = [f"s{i:05d}" for i in range(SPEAKERS)]
    # s01234-567-00000001: 19 bytes each, as those of LibriSpeech.
    names = np.full((utterances, 19), ord("-"), np.uint8)
    names[:, :6] = np.frombuffer("".join(speakers).encode(), np.uint8).reshape(-1, 6)[speaker]
    names[:, 7:10] = np.frombuffer(b"567", np.uint8)
    names[:, 11:] = ord("0") + np.arange(utterances)[:, None] // 10 ** np.arange(8)[::-1] % 10
    columns = Names(names.reshape(-1), np.arange(1, utterances + 1, dtype=np.int64) * names.shape[1])
    write_table(folder, Table(columns, Categories(speakers, speaker), shard, first, length))
    sizes = np.zeros(int(shard[-1]) + 1, dtype=np.int64)
    np.maximum.at(sizes, shard, first + length)
    files = [{"audio": f"audio.{i:03d}.s16"} for i in range(len(sizes))]
    for file, size in zip(files, sizes.tolist(), strict=True):
        with open(folder / file["audio"], "wb") as holes:
            holes.truncate(2 * size)
    index = {"format": "vqspeech-shards", "version": VERSION, "rate": 16_000, "shards": files}
    index |= {"utterances": utterances, "samples": int(length.sum()), "sha256": "0" * 64, "genders": {}}
    (folder / "index.json").write_text(json.dumps(index))


def read_peak_memory() -> float:
    """Return the largest resident set of this process so far (GB); getrusage begins with that of the parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e6


def measure(folder: Path) -> None:
    """Open the dump, draw windows from it, and print what it took."""
    # Loads torch, whose memory is not counted.
    from vqspeech.data.windows import Windows

    before, began, worked = read_peak_memory(), time.perf_counter(), time.process_time()
    dump = read_shards(folder)
    opened, opened_memory, work = time.perf_counter() - began, read_peak_memory() - before, time.process_time() - worked
    windows = Windows(dump, [f"s{i:05d}" for i in range(SPEAKERS)], 16_000)
    ready, ready_memory = time.perf_counter() - began, read_peak_memory() - before
    times = []
    for step in range(BATCHES):
        began = time.perf_counter()
        windows._places.random(WINDOWS, 0, step)  # noqa: SLF001 -- samples are zeros here, reading them tells nothing
        times.append(time.perf_counter() - began)
    print(
        json.dumps(
            {
                "utterances": len(dump), "hours": round(dump.seconds / 3600), "files": len(dump.audio_maps),
                "open_seconds": round(opened, 2), "open_cpu_seconds": round(work, 2),
                "open_gb": round(opened_memory, 2), "windows_seconds": round(ready, 2),
                "windows_gb": round(ready_memory, 2),
                f"places_of_{WINDOWS}_ms": round(1000 * float(np.median(times)), 2),
            }
        )
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=10_000_000)
    parser.add_argument("--keep", type=Path, help="folder for the dump, which is not removed")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "index.json").exists():
            write(folder, args.utterances)
        # In a process of its own, whose memory is that of opening alone.
        subprocess.run([sys.executable, __file__, "--measure", folder], check=True)


if __name__ == "__main__":
    main()
