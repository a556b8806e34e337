"""Kill verbs by SIGKILL at random moments: python tools/soak/kills.py FOLDER [KILLS] [SEED].

After each kill: no process of it is left; every file under its own name is one that a quiet run writes, or is refused
by its reader; the same command then ends well, with the outputs of a quiet run, and leaves no temporary file.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file

from vqspeech.data.dump import read_shards
from vqspeech.data.sharding import OBSERVED
from vqspeech.errors import VqspeechError
from vqspeech.storage import require_uploaded
from vqspeech.uploads import MANIFEST

TINY = ["training.batch=2", "training.steps=6", "training.evaluate_every=2", "training.evaluate_batches=1"]
TRAIN = [*TINY, "training.listen_every=1000", "training.seconds=0.64", "quantizer.codes=16"]
PRIOR = [
    *TINY, "prior=transformer_small", "prior.layers=1", "prior.width=8", "prior.heads=2", "prior.window=16",
    "training.length=16",
]  # fmt: skip

VERBS: Mapping[str, Sequence[str]] = {
    "prepare": ["prepare", "folder", "--corpus", "corpus", "--out", "OUT/data", "--nj", "2"],
    "prepare --shards": ["prepare", "folder", "--corpus", "corpus", "--out", "OUT/data", "--nj", "2", "--shards", "3"],
    "subset": ["subset", "data", "--out", "OUT/data", "--per-speaker", "2"],
    "split": ["split", "data", "--out", "OUT/parts", "--unseen", "1"],
    "combine": ["combine", "data", "--out", "OUT/data"],
    "align": ["align", "data", "--from", "labels", "--out", "OUT/data", "--nj", "2"],
    "dump": ["dump", "data", "--out", "OUT/dump", "--world", "--nj", "2"],
    "dump --shards": ["dump", "data", "--out", "OUT/dump", "--nj", "2", "--shards", "3"],
    "dump to a URL": ["dump", "data", "--out", "file://OUT/dump"],
    "dump --shards to a URL": ["dump", "data", "--out", "file://OUT/dump", "--nj", "2", "--shards", "3"],
    "encode": ["encode", "--model", "units-small", "--data", "data", "--out", "OUT/units", "--nj", "2"],
    "encode --shard": ["encode", "--model", "units-small", "--data", "data", "--out", "OUT/units", "--shard", "1/2"],
    "gather": ["gather", "OUT/units"],
    "score --shard": ["score", "units", "--units", "units", "--data", "data", "--out", "OUT/scores.json",
                      "--shard", "1/2"],
    "convert": ["convert", "--model", "world", "--src", "corpus/a/0.wav", "corpus/b/1.wav", "--speaker", "SPEAKER",
                "--out", "OUT/wav/"],
    "reconstruct": ["reconstruct", "--model", "world", "--src", "corpus/a/0.wav", "--speaker", "SPEAKER", "--out",
                    "OUT/wav/"],
    "export": ["export", "--model", "world", "--out", "OUT/model.safetensors"],
    "voice make": ["voice", "make", "--model", "voice", "--src", "corpus/a", "--name", "x", "--force", "--out",
                   "OUT/x.safetensors"],
    "train": ["train", "--conf", "mini_world", "--train", "dump", "--dev", "dump", "--out", "OUT/exp", *TRAIN],
    "prior": ["prior", "--conf", "mini_prior", "--units", "units", "--dev", "units", "--out", "OUT/exp", *PRIOR],
}  # fmt: skip
"""Command lines, in a folder with `corpus`, `labels`, `data`, `dump` and `units`; OUT is the folder of the outputs."""


@dataclass(frozen=True)
class Quiet:
    """What a verb does when nothing disturbs it: its outputs, the seconds it takes, and the bytes of the outputs."""

    outputs: Mapping[str, object]
    seconds: float
    size: int


def start(folder: Path, words: Sequence[str]) -> subprocess.Popen:
    """Start a verb in a session of its own."""
    log = open(folder / "log", "ab")  # noqa: SIM115 -- the process writes to it
    environment = os.environ | {"OMP_NUM_THREADS": "1", "VQSPEECH_CACHE": str(folder / "cache")}
    return subprocess.Popen(
        [sys.executable, "-m", "vqspeech.cli", *words], cwd=folder, stdout=log, stderr=log, env=environment,
        start_new_session=True,
    )  # fmt: skip


def list_session(session: int) -> list[int]:
    """Return the processes of a session that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] not in (b"Z", b"X"):
                found.append(int(entry.name))
    return found


def read_output(path: Path) -> object:
    """Return what a file says, without what differs from run to run (times); None where its reader refuses it."""
    try:
        if path.suffix == ".safetensors":
            return {name: one.tobytes() for name, one in load_file(path).items()}
        if path.name == "index.json":
            return read_shards(path.parent).fingerprint
        if path.name == OBSERVED:
            return path.read_bytes().splitlines()[1:]  # below the command line
        if path.name == MANIFEST:
            require_uploaded(f"file://{path.parent.absolute()}")
            if path.parent.parent.name.endswith(".shards"):
                return ""  # has the hash of a manifest, which holds times
    except (SafetensorError, VqspeechError):
        return None
    return path.read_bytes()


def collect(out: Path) -> dict[str, object]:
    """Return what the files of a folder say; curves, events and manifests, which hold times, only by their names."""
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_file() and "tensorboard" not in name and "/logs/" not in name:
            timed = path.name in ("curves.jsonl", "manifest.json") or path.suffix == ".md"
            found[name] = "" if timed else read_output(path)
    return found


def list_leftovers(out: Path) -> list[str]:
    """Return temporary files, folders and locks."""
    return [
        str(path) for path in out.parent.rglob(".*") if any(part in path.name for part in (".tmp", ".old", ".lock"))
    ]


def prepare(folder: Path, speaker: str) -> dict[str, list[str]]:
    """Write the inputs of all verbs; return the verbs with the name of the voice."""
    import numpy as np
    import soundfile

    generator = np.random.default_rng(0)
    for name, f0 in (("a", 110), ("b", 200), ("c", 150)):
        for i in range(6):
            time_axis = np.arange(16_000 + 4000 * i) / 16_000
            wave = sum(np.sin(2 * np.pi * f0 * k * time_axis) / k for k in range(1, 12))
            path = folder / "corpus" / name / f"{i}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.1 * wave + 0.003 * generator.standard_normal(len(time_axis)), 16_000)
            label = folder / "labels" / f"{name}-{i}.lab"
            label.parent.mkdir(exist_ok=True)
            label.write_text("0 4000000 AA\n4000000 9000000 S\n")
            path.with_suffix(".txt").write_text(f"sentence number {i}\n")
    for words in (
        ["prepare", "folder", "--corpus", "corpus", "--out", "data"],
        ["dump", "data", "--out", "dump", "--world"],
        ["encode", "--model", "units-small", "--data", "data", "--out", "units"],
        *(
            ["encode", "--model", "units-small", "--data", "data", "--out", "parts/units", "--shard", f"{i}/3"]
            for i in (1, 2, 3)
        ),
    ):
        if start(folder, words).wait() != 0:
            raise SystemExit(f"failed: {words}, see {folder}/log")
    return {name: [speaker if word == "SPEAKER" else word for word in words] for name, words in VERBS.items()}


def begin(folder: Path, name: str, out: str) -> None:
    """Make the folder of the outputs anew."""
    shutil.rmtree(folder / out, ignore_errors=True)
    (folder / out).mkdir()
    if name == "gather":
        shutil.copytree(folder / "parts" / "units.shards", folder / out / "units.shards")


def run_quietly(folder: Path, name: str, words: Sequence[str]) -> Quiet:
    """Run a verb undisturbed."""
    begin(folder, name, "quiet")
    started = time.monotonic()
    status = start(folder, [word.replace("OUT", "quiet") for word in words]).wait()
    if status not in (0, 3):
        raise SystemExit(f"{name} failed with {status}, see {folder}/log")
    seconds = time.monotonic() - started
    size = sum(path.stat().st_size for path in (folder / "quiet").rglob("*") if path.is_file())
    return Quiet(collect(folder / "quiet"), seconds, size)


def kill_once(folder: Path, name: str, words: Sequence[str], quiet: Quiet, after: float) -> list[str]:
    """Kill a verb after some seconds, check what it left, run it again; return what is wrong."""
    begin(folder, name, "out")
    wrong = list[str]()
    given = [word.replace("OUT", "out") for word in words]
    process = start(folder, given)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 5
    while list_session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    wrong += [f"process {one} is left" for one in list_session(process.pid)]
    return wrong + check_rest(folder, name, quiet) + run_again(folder, given, quiet)


def check_rest(folder: Path, name: str, quiet: Quiet) -> list[str]:
    """Return what is wrong with what a verb left that was stopped: half files that pass as whole."""
    out, wrong = folder / "out", []
    # Of a training that was stopped, checkpoints are earlier ones; of a dump, files count once its index is there.
    partly = name in ("train", "prior") or (name.startswith("dump") and not list(out.rglob("index.json")))
    for file, content in collect(out).items():
        hidden = any(part.startswith(".") for part in Path(file).parts)
        if not hidden and not partly and content is not None and content != quiet.outputs.get(file):
            wrong.append(f"{file} is not that of a quiet run")
    if name in ("train", "prior"):
        wrong += [f"{path} is damaged" for path in out.rglob("[!.]*.safetensors") if read_output(path) is None]
    return wrong


def run_again(folder: Path, given: Sequence[str], quiet: Quiet) -> list[str]:
    """Run a verb that was stopped once more, undisturbed; return what is wrong then."""
    out, wrong = folder / "out", []
    status = start(folder, given).wait()
    if status not in (0, 3):
        wrong.append(f"the next run ended with {status}")
    found = collect(out)
    wrong += [
        f"after the next run, {file} is not that of a quiet run"
        for file in sorted(found.keys() | quiet.outputs.keys())
        if found.get(file, "missing") != quiet.outputs.get(file, "missing")
    ]
    wrong += [f"{path} is left" for path in list_leftovers(out)]
    return wrong


def run_kills(
    folder: Path, kills: int, seed: int = 0, names: Sequence[str] = tuple(VERBS), speaker: str = ""
) -> list[str]:
    """Kill verbs in turn, each at a random moment; return what is wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    verbs, generator, quiet, faults = prepare(folder, speaker), random.Random(seed), dict[str, Quiet](), list[str]()
    for i in range(kills):
        name = names[i % len(names)]
        if name not in quiet:
            quiet[name] = run_quietly(folder, name, verbs[name])
        after = generator.uniform(0, quiet[name].seconds)
        wrong = kill_once(folder, name, verbs[name], quiet[name], after)
        print(
            f"{i + 1}: {name} after {after:.2f} of {quiet[name].seconds:.2f} s: {'; '.join(wrong) or 'well'}",
            flush=True,
        )
        faults += [f"{name} after {after:.2f} s: {one}" for one in wrong]
    return faults


def find_voice() -> str:
    """Return a voice of the model `world`."""
    from vqspeech import VQVAE, pretrained

    return VQVAE.from_pretrained(pretrained.find_checkpoint("world")).speakers[0]


if __name__ == "__main__":
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    found = run_kills(Path(sys.argv[1]), count, int(sys.argv[3]) if len(sys.argv) > 3 else 0, speaker=find_voice())
    print(f"{count} kills, {len(found)} faults", *found, sep="\n")
    sys.exit(bool(found))
