"""Ten thousand recordings, one in a hundred broken, in shards under kills: python tools/soak/load.py FOLDER [FILES].

First a quiet run of `prepare`, `dump`, `encode` and `score units`; then each in 8 shards, by two processes, of which
one is killed at work, and then all at once, and one shard that was done is lost with its disk; then the same command
again. Every broken recording must be named, every other one be there once, byte for byte as in the quiet run; memory
must be that of few recordings, except what is kept of each.

Real are the files, the verbs, their processes, and SIGKILL: of one process at work on a shard, then of all at once,
with whatever they had open. The recordings are synthetic. The loss of a node is emulated, on this machine, by the two
things that such a loss leaves behind: all processes end without a word, and a shard that was whole is gone (its folder
is removed). So it does not test what only several machines have: a network, shared storage with its delays and caches,
an engine that notices the loss and moves the work (the engine here is `local`, and this program gives the same command
again), nor a loss of power, after which writes that were not synced would be missing. A node that is really killed, one
of two that Ray starts on one machine, is in `tests/clusters/test_clusters.py::test_ray_survives_the_loss_of_a_node`,
with eight small shards of the engine `ray`; there the node is a group of processes, no second machine either.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.soak.kills import list_leftovers, list_session, start
from vqspeech.data.dump import read_shards

SHARDS, SPEAKERS, BROKEN = 8, 20, 100
"""Shards, speakers, and recordings of which one is broken."""
VERBS: Mapping[str, Sequence[str]] = {
    "prepare": ["prepare", "folder", "--corpus", "corpus", "--out", "OUT"],
    "dump": ["dump", "data", "--out", "OUT"],
    "encode": ["encode", "--model", "units-small", "--data", "data", "--out", "OUT"],
    "score": ["score", "units", "--units", "units", "--data", "data", "--out", "OUT"],
}
"""Command lines in the folder."""
LIMITED: Mapping[str, Sequence[str]] = {"encode": ["--limit", "100"]}
"""Options by which a verb works on few of the recordings."""
KEPT, SLACK = 5e-3, 64.0
"""Memory that a verb may keep of a recording, and that it may need besides (MB)."""


@dataclass(frozen=True)
class Run:
    """A run of a verb: its exit status, what it printed, and the most memory of one of its processes (MB)."""

    status: int
    said: str
    memory: float


def write_corpus(folder: Path, files: int) -> list[Path]:
    """Write recordings of a fifth of a second; return those that are to be broken."""
    import soundfile

    generator, chosen = np.random.default_rng(0), list[Path]()
    time_axis = np.arange(3200) / 16_000
    for i in range(files):
        path = folder / f"s{i % SPEAKERS:02}" / f"r{i:05}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        f0 = 90 + 7 * (i % SPEAKERS) + 10 * generator.random()
        wave = sum(np.sin(2 * np.pi * f0 * k * time_axis) / k for k in range(1, 8))
        soundfile.write(path, 0.1 * wave + 0.003 * generator.standard_normal(len(time_axis)), 16_000)
        if i % BROKEN == BROKEN // 2:
            chosen.append(path)
    return chosen


def break_files(paths: Sequence[Path]) -> set[str]:
    """Make recordings empty, cut off in their header, or no sound, in turn; return their names."""
    for i, path in enumerate(paths):
        path.write_bytes((b"", b"RIFF\x24\x00\x00\x00WAVEfmt ", b"no sound at all\n")[i % 3])
    return {path.stem for path in paths}


def run(folder: Path, words: Sequence[str]) -> Run:
    """Run a verb to its end."""
    log = folder / "log"
    size = log.stat().st_size if log.is_file() else 0
    process, memory = start(folder, words), 0.0
    while process.poll() is None:
        memory = max([memory, *read_memory(process.pid)])
        time.sleep(0.2)
    return Run(process.returncode, log.read_bytes()[size:].decode(), memory)


def read_memory(session: int) -> Iterator[float]:
    """Yield the largest resident memory that each process of a session has had (MB)."""
    for number in list_session(session):
        try:
            lines = Path(f"/proc/{number}/status").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        yield from (int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM"))


def list_done(out: Path) -> list[Path]:
    """Return the shards of an output that are whole."""
    return sorted(Path(f"{out}.shards").glob("*-of-*/manifest.json"))


def wait_for_shards(process: subprocess.Popen, out: Path, count: int) -> None:
    """Wait until so many shards are done, or the process has ended."""
    while process.poll() is None and len(list_done(out)) < count:
        time.sleep(0.02)


def disturb(folder: Path, words: Sequence[str], out: Path, choose: random.Random) -> list[str]:
    """Run a verb in shards, kill one process at work, later all, and lose a shard; return what was done."""
    process, done = start(folder, words), list[str]()
    wait_for_shards(process, out, 1)
    workers = sorted(set(list_session(process.pid)) - {process.pid})
    workers = [one for one in workers if is_worker(one)]
    if workers and process.poll() is None:
        os.kill(choose.choice(workers), signal.SIGKILL)
        done.append(f"a process killed after {len(list_done(out))} shards")
    wait_for_shards(process, out, SHARDS // 2)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        done.append(f"all processes killed after {len(list_done(out))} shards")
    process.wait()
    whole = list_done(out)
    if whole:
        shutil.rmtree(choose.choice(whole).parent)
        done.append("a shard lost")
    return done


def is_worker(process: int) -> bool:
    """Return whether a process works on shards: not the one that only tidies up after others."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(b"spawn_main" in word for word in words)


def read_output(out: Path) -> dict[str, object]:
    """Return what an output says, however it is divided into files, and without times."""
    if (out / "index.json").is_file():
        dump = read_shards(out)
        return {name: dump.samples(i).tobytes() for i, name in enumerate(dump.utterances)}
    if out.is_dir():
        return {path.name: path.read_bytes() for path in out.iterdir()}
    found = {path.name: path.read_bytes() for path in (out, Path(f"{out}.json")) if path.is_file()}
    if out.name == "score":
        sections = json.loads(found["score"])["sections"]
        return {name: (one["rows"], one["notes"]) for name, one in sections.items()}
    return dict(found)


def check_output(folder: Path, name: str, found: Run, broken: set[str], count: int) -> list[str]:
    """Return what is wrong with the joined output of a verb."""
    wrong = []
    if found.status != (3 if broken else 0):
        wrong.append(f"exit status {found.status}")
    missing = sorted(one for one in broken if one not in found.said)
    if missing:
        wrong.append(f"{len(missing)} broken recordings are not named, such as {missing[0]}")
    if f"{count - len(broken)} of {count} utterances" not in found.said:
        wrong.append(f"counts otherwise: {found.said[-300:]}")
    quiet, joined = (read_output(folder / one / name) for one in ("quiet", "joined"))
    differ = [file for file in quiet.keys() | joined.keys() if quiet.get(file) != joined.get(file)]
    if differ:
        wrong.append(f"{len(differ)} of {len(quiet)} outputs are not those of a quiet run, such as {min(differ)}")
    if leftovers := list_leftovers(folder / "joined" / name):
        wrong.append(f"left: {leftovers[:3]}")
    return wrong


def run_load(folder: Path, files: int, names: Sequence[str] = tuple(VERBS), seed: int = 0) -> list[str]:
    """Run verbs quietly and disturbed; return what is wrong."""
    choose, faults = random.Random(seed), list[str]()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = write_corpus(folder / "corpus", files)
    broken, count = break_files(chosen[::2]), files
    for name in names:
        words = VERBS[name]
        quiet = run(folder, [word.replace("OUT", f"quiet/{name}") for word in words])
        out = folder / "joined" / name
        shards = [*(word.replace("OUT", f"joined/{name}") for word in words), "--shards", str(SHARDS), "--nj", "2"]
        done = disturb(folder, shards, out, choose)
        again = run(folder, shards)
        wrong = check_output(folder, name, again, broken, count)
        if LIMITED.get(name):
            few = run(folder, [*(word.replace("OUT", f"few/{name}") for word in words), *LIMITED[name]])
            if quiet.memory > few.memory + SLACK + KEPT * files:
                wrong.append(f"memory of {quiet.memory:.0f} MB, and {few.memory:.0f} MB with fewer recordings")
        print(
            f"{name}: {count} recordings, {len(broken)} broken; {', '.join(done) or 'not disturbed'}; "
            f"memory {quiet.memory:.0f} MB, in shards {again.memory:.0f} MB: {'; '.join(wrong) or 'well'}",
            flush=True,
        )
        faults += [f"{name}: {one}" for one in wrong]
        if name == "prepare":  # of what it listed, half of the rest breaks now
            shutil.copytree(folder / "quiet" / name, folder / "data")
            count, broken = count - len(broken), break_files(chosen[1::2])
        elif name == "encode":
            for path in (folder / "quiet").glob("encode*"):
                shutil.copy(path, folder / path.name.replace("encode", "units"))
            count, broken = count - len(broken), set()
    return faults


if __name__ == "__main__":
    found = run_load(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10_000)
    print(f"{len(found)} faults", *found, sep="\n")
    sys.exit(bool(found))
