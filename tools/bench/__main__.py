"""Speed and memory of the toolkit as one Markdown table, in under five minutes of two cores: python tools/bench

Everything is measured within one run and in processes of its own; what is compared is measured in turns. Times are
medians of wall-clock time: on a busy machine the ratios hold, the absolute figures do not.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

# The toolkit beside this file, installed or not; here and in the processes started from here.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from process import Process, alone

CORES = 2
TOLERANCE = 1e-4
BAR = 1.5


@dataclass
class Row:
    """One line of the table: what was measured, its figure in a unit, and under which circumstances."""

    what: str
    figure: float
    unit: str
    note: str = ""

    def __str__(self) -> str:
        figure = f"{self.figure:,.0f}" if self.figure >= 100 else f"{self.figure:.3g}"
        return f"| {self.what} | {figure} {self.unit} | {self.note} |"


def training(windows: int, rounds: int) -> Iterator[Row]:
    """Steps of the vctk model, ours and naive, by precision; what a batch costs beside a step."""
    (apart, largest), _ = alone("training:difference")
    if apart > TOLERANCE * max(1.0, largest):
        raise SystemExit(f"the naive network is not ours: logits up to {largest:.2g} differ by {apart:.2g}")
    note = f"logits up to {largest:.1f} in size"
    yield Row("naive WaveNet with our weights: largest difference", apart, "", note)
    auto, _ = alone("training:auto")
    kinds = [(kind, precision) for precision in ("fp32", "bf16") for kind in ("ours", "naive")]
    steps = {kind: Process("training:Step", *kind, windows) for kind in kinds}
    about = steps[kinds[0]].about
    times: dict[tuple[str, str], list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, step in steps.items():
            times[kind].append(step())
    seconds = {kind: median(values) for kind, values in times.items()}
    for kind, step in steps.items():
        note = f"{seconds[kind]:.2f} s a step of {windows} windows ({about['batch']} in the configuration)"
        yield Row(f"train vctk, {' '.join(kind)}: speed", about["samples"] / seconds[kind], "samples/s", note)
        yield Row(f"train vctk, {' '.join(kind)}: peak memory", step.close(), "MiB", f"with torch; {windows} windows")
    default = f"training.precision=auto is {auto} here; bar {BAR} x"
    pairs = [
        ("ours by default : naive fp32", ("naive", "fp32"), ("ours", auto), default),
        ("ours by default : naive in the same", ("naive", auto), ("ours", auto), default),
        ("fp32 : fp32", ("naive", "fp32"), ("ours", "fp32"), "the layout of the network alone"),
        ("bf16 : bf16", ("naive", "bf16"), ("ours", "bf16"), "the layout of the network alone"),
    ]
    for what, theirs, ours, note in pairs:
        ratios = [a / b for a, b in zip(times[theirs], times[ours], strict=True)]
        yield Row(f"train vctk, {what}", median(ratios), "x", f"{note}; {min(ratios):.2f} to {max(ratios):.2f}")
    batch = median(alone("training:random_windows", windows, 50)[0])
    share = 100 * batch / seconds["ours", auto]
    yield Row("a random batch beside its step", share, "%", f"{1000 * batch:.2f} ms, {windows} windows")


def imports(repeats: int) -> Iterator[Row]:
    """Import times beyond torch."""
    for statement in ("import vqspeech", "from vqspeech import VQVAE"):
        found = [alone("importing:seconds", statement)[0] for _ in range(repeats)]
        torch = median(one["torch"] for one in found)
        beyond = median(one["beyond"] for one in found)
        yield Row(f"`{statement}` beyond `import torch`", beyond, "s", f"torch itself {torch:.2f} s")


def dumping(repeats: int) -> Iterator[Row]:
    """Dumps, times real time on one core."""
    for with_world, seconds in ((False, 200.0), (True, 30.0)):
        for rate, ending in ((16_000, "flac"), (48_000, "wav")):
            times, _ = alone("inference:dump", seconds, rate, ending, with_world, repeats)
            what = f"dump {'with' if with_world else 'without'} WORLD, {rate // 1000} kHz {ending.upper()}"
            yield Row(what, seconds / median(times), "x real time", f"one core, {seconds:.0f} s in files of 5 s")


def encoding(repeats: int) -> Iterator[Row]:
    """Encoding, times real time, and its memory by length."""
    for name in ("vctk", "librispeech_world"):
        times, _ = alone("inference:encode", name, 1, CORES, min(2, repeats))
        yield Row(f"encode, {name}", 60 / median(times), "x real time", f"{CORES} cores, a recording of 1 min")
    for name, lengths in (("vctk", (1, 3)), ("librispeech_world", (5, 60))):
        peaks = [alone("inference:encode", name, minutes, CORES, 1)[1] for minutes in lengths]
        for minutes, peak in zip(lengths, peaks, strict=True):
            yield Row(f"encode {minutes} min, {name}: peak memory", peak, "MiB", "with torch")


def sampling(repeats: int) -> Iterator[Row]:
    """Samples a second of `generate` by lanes, measured in turns."""
    sampler, steps = Process("inference:Sampling"), 192
    sampler(1, 64)
    times: dict[int, list[float]] = {1: [], 8: [], 32: []}
    for _ in range(repeats):
        for lanes, values in times.items():
            values.append(sampler(lanes, steps))
    for lanes, values in times.items():
        rate, note = lanes * steps / median(values), f"{median(values) / steps * 1000:.2f} ms a step"
        yield Row(f"sample vctk, {lanes} lane{'s' * (lanes > 1)}", rate, "samples/s", note)
    sampler.close()


def main() -> None:
    sections: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
        "training": lambda args: training(args.windows, args.rounds),
        "imports": lambda args: imports(args.rounds),
        "dump": lambda args: dumping(args.rounds),
        "encode": lambda args: encoding(args.rounds),
        "sample": lambda args: sampling(args.rounds),
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", metavar="FILE", help="write the figures there as JSON too")
    parser.add_argument("--only", nargs="+", choices=sections, default=list(sections), help="these parts")
    parser.add_argument("--windows", type=int, default=2, help="windows a training step (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions of everything (default: %(default)s)")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(CORES))
    started, rows = time.perf_counter(), []
    print(f"| what | median of {args.rounds} | |\n|---|---:|---|")
    for name in args.only:
        for row in sections[name](args):
            print(row, flush=True)
            rows.append(asdict(row))
        print(f"{name}: done after {time.perf_counter() - started:.0f} s", file=sys.stderr)
    load, took = os.getloadavg()[0], time.perf_counter() - started
    print(f"\n{CORES} threads; medians of wall-clock time; load average {load:.1f}; all of it in {took:.0f} s.")
    if args.out:
        Path(args.out).write_text(json.dumps({"rows": rows, "load": load}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
