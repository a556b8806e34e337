"""Run verbs on disks that fill up at random: python tools/soak/disks.py FOLDER [TIMES] [SEED], as root on Linux.

The disk of the outputs is a tmpfs of fewer bytes than the outputs need. Each time the verb must say so in one line and
leave no half file that passes as whole; with a larger disk the same command then ends well, with the outputs of a quiet
run, and leaves no temporary file.
"""

import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.soak.kills import VERBS, Quiet, check_rest, find_voice, prepare, run_again, run_quietly, start

FULL = ("No space left", "and the disk has")
"""What a verb says of a disk that is full: in the middle, and before it begins."""
PAGE = 4096
"""Bytes by which a tmpfs fills."""


def mount(folder: Path, size: int, *options: str) -> None:
    """Mount a tmpfs of so many bytes, or give the one that is there another size."""
    words = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "vqspeech", str(folder)]
    subprocess.run(words, check=True)


def fill_once(folder: Path, name: str, words: Sequence[str], quiet: Quiet, size: int) -> tuple[bool, list[str]]:
    """Run a verb on a disk of so many bytes, then on a large one; return whether it was full, and what is wrong."""
    out, wrong, log = folder / "out", list[str](), folder / "log"
    out.mkdir(exist_ok=True)
    mount(out, size)
    try:
        given = [word.replace("OUT", "out") for word in words]
        said = log.stat().st_size
        status = start(folder, given).wait()
        text = log.read_bytes()[said:].decode()
        full = status not in (0, 3)
        if full and not any(one in text for one in FULL):
            wrong.append(f"does not say that the disk is full, but: {text[-200:]}")
        if "Traceback" in text:
            wrong.append("ended with a traceback")
        wrong += check_rest(folder, name, quiet)
        mount(out, 1 << 30, "remount")
        wrong += run_again(folder, given, quiet)
    finally:
        subprocess.run(["umount", "-l", str(out)], check=True)
    return full, wrong


def run_disks(
    folder: Path, times: int, seed: int = 0, names: Sequence[str] = tuple(VERBS), speaker: str = ""
) -> list[str]:
    """Fill disks under verbs in turn; return what is wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    verbs, generator, quiet, faults = prepare(folder, speaker), random.Random(seed), dict[str, Quiet](), list[str]()
    names = [name for name in names if name != "gather"]  # its inputs lie where its output does
    filled = 0
    for i in range(times):
        name = names[i % len(names)]
        if name not in quiet:
            quiet[name] = run_quietly(folder, name, verbs[name])
        needed = quiet[name].size
        size = max(1, generator.randrange(max(2, needed // PAGE))) * PAGE
        full, wrong = fill_once(folder, name, verbs[name], quiet[name], size)
        filled += full
        state = "full" if full else "large enough"
        print(f"{i + 1}: {name} with {size / 1000:.0f} kB, {state}: {'; '.join(wrong) or 'well'}", flush=True)
        faults += [f"{name} with {size} bytes: {one}" for one in wrong]
    return faults if filled else [*faults, "no disk was full"]


if __name__ == "__main__":
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 2 * len(VERBS)
    found = run_disks(Path(sys.argv[1]), count, int(sys.argv[3]) if len(sys.argv) > 3 else 0, speaker=find_voice())
    print(f"{count} disks, {len(found)} faults", *found, sep="\n")
    sys.exit(bool(found))
