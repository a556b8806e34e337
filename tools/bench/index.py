"""Measure time and memory that a large dump and a large data directory take to open.

Usage: python tools/bench/index.py [--only dump|data] [--utterances 10000000] [--keep DIR]

The dump is synthetic: an index of utterances of 4 to 16 s by 20,000 speakers, and files of zeros that take no disk; the
time to draw places of windows is measured as well. The data directory has the same utterances in wav.scp, utt2spk,
spk2utt, utt2dur and text, of ten words each (about 3 GB of disk); the time that one shard of 1000 takes to choose its
utterances is measured as well. Memory is the growth of the largest resident set of the process that opens it over that
after its imports. Needs Linux. Prints a line of JSON for each.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import groupby
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


def write_data(folder: Path, utterances: int) -> None:
    """Write a data directory."""
    rng = np.random.default_rng(0)
    speakers = np.sort(rng.integers(0, SPEAKERS, utterances)).tolist()
    seconds = rng.integers(400, 1600, utterances).tolist()
    words = [f"word{i:02}" for i in range(100)]
    names = ("wav.scp", "utt2spk", "utt2dur", "text")
    with ExitStack() as stack:
        files = [stack.enter_context(open(folder / name, "w")) for name in (*names, "spk2utt")]
        for number, group in groupby(range(utterances), speakers.__getitem__):
            speaker, some = f"s{number:05d}", list(group)
            ids = [f"{speaker}-567-{i:08d}" for i in some]
            values = (
                [f"/corpora/speech/{speaker}/567/{name}.flac" for name in ids],
                [speaker] * len(ids),
                [f"{seconds[i] / 100}" for i in some],
                [" ".join(words[i % 90 : i % 90 + 10]) for i in some],
            )
            for file, column in zip(files, values, strict=False):
                file.writelines(f"{name} {value}\n" for name, value in zip(ids, column, strict=True))
            files[-1].write(f"{speaker} {' '.join(ids)}\n")


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


def measure_data(folder: Path) -> None:
    """Open the data directory, choose the utterances of a shard, and print what it took."""
    from vqspeech.data.datadir import DataDir
    from vqspeech.data.sharding import Shard, Share

    before, began, worked = read_peak_memory(), time.perf_counter(), time.process_time()
    data = DataDir.read(folder)
    opened, opened_memory, work = time.perf_counter() - began, read_peak_memory() - before, time.process_time() - worked
    began, worked = time.perf_counter(), time.process_time()
    chosen = Share(Shard(500, 1000), "").select(data)
    chosen_seconds, chosen_work = time.perf_counter() - began, time.process_time() - worked
    chosen_memory = read_peak_memory() - before
    times = []
    for one in chosen[:: len(chosen) // 100]:
        began = time.perf_counter()
        assert data[one.id] == one
        times.append(time.perf_counter() - began)
    print(
        json.dumps(
            {
                "data_utterances": len(data), "hours": round(data.seconds / 3600), "open_seconds": round(opened, 2),
                "open_cpu_seconds": round(work, 2), "open_gb": round(opened_memory, 2),
                "shard_utterances": len(chosen), "shard_seconds": round(chosen_seconds, 2),
                "shard_cpu_seconds": round(chosen_work, 2),
                "shard_gb": round(chosen_memory, 2), "lookup_ms": round(1000 * float(np.median(times)), 3),
            }
        )
    )  # fmt: skip


KINDS = {"dump": (write, measure, "index.json"), "data": (write_data, measure_data, "spk2utt")}
"""What writes, and what measures, and a file that tells whether it is there."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=10_000_000)
    parser.add_argument("--only", choices=list(KINDS), help="measure this alone")
    parser.add_argument("--keep", type=Path, help="folder for dump and data directory, which are not removed")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        KINDS[args.only][1](args.measure)
        return
    for kind in [args.only] if args.only else KINDS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (args.keep or Path(temporary)) / kind
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / KINDS[kind][2]).exists():
                KINDS[kind][0](folder, args.utterances)
            # In a process of its own, whose memory is that of opening alone.
            subprocess.run([sys.executable, __file__, "--only", kind, "--measure", folder], check=True)


if __name__ == "__main__":
    main()
