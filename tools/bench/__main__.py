"""Print speed and memory of the toolkit as one Markdown table, in under five minutes on two cores.

Usage: python tools/bench

Everything is measured within one run, in separate processes; alternatives are measured in turns. Times are
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

# The toolkit of this checkout, installed or not; here and in the processes started from here.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from process import MissingPackage, Process, alone

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
    """Measure training steps of the vctk model, ours and naive, by precision, and the cost of a batch."""
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


def trainer(rounds: int) -> Iterator[Row]:
    """Measure the trainer beside a plain loop: ratios within one run, absolute figures on a GPU; and of content."""
    for name, unit in (("vctk", "samples/s"), ("cifar10_vqvae", "steps/s")):
        runs = [alone("trainer:rates", name, 40)[0] for _ in range(rounds)]
        about = runs[0]
        if about["device"] == "cpu" and not all(run["same"] for run in runs):
            raise SystemExit(f"the losses of the trainer are not those of the plain loop: {name}")
        for kind in about["rates"]:
            if kind != "plain":
                ratios = [run["rates"][kind] / run["rates"]["plain"] for run in runs]
                note = f"{about['device']}; {min(ratios):.2f} to {max(ratios):.2f}"
                yield Row(f"train {name}, trainer ({kind}) : plain loop", median(ratios), "x", note)
            if about["device"] != "cpu":
                rate = median(run["rates"][kind] for run in runs)
                note = f"{about['device']}; {1000 / rate:.1f} ms a step of {about['items']:,} {about['unit']}"
                yield Row(f"train {name}, {kind}: speed", rate * (about["items"] if name == "vctk" else 1), unit, note)
    about = alone("trainer:content", 10.0)[0]
    yield Row(f"train {about['name']}: speed", about["rate"], "s of speech/s", f"{about['device']}; once")


def imports(repeats: int) -> Iterator[Row]:
    """Measure import times beyond torch."""
    for statement in ("import vqspeech", "from vqspeech import VQVAE"):
        found = [alone("importing:seconds", statement)[0] for _ in range(repeats)]
        torch = median(one["torch"] for one in found)
        beyond = median(one["beyond"] for one in found)
        yield Row(f"`{statement}` beyond `import torch`", beyond, "s", f"torch itself {torch:.2f} s")


def dumping(repeats: int) -> Iterator[Row]:
    """Measure dumps, relative to real time, on one core."""
    for with_world, seconds in ((False, 200.0), (True, 30.0)):
        for rate, ending in ((16_000, "flac"), (48_000, "wav")):
            times, _ = alone("inference:dump", seconds, rate, ending, with_world, repeats)
            what = f"dump {'with' if with_world else 'without'} WORLD, {rate // 1000} kHz {ending.upper()}"
            yield Row(what, seconds / median(times), "x real time", f"one core, {seconds:.0f} s in files of 5 s")


def encoding(repeats: int) -> Iterator[Row]:
    """Measure encoding, relative to real time, and its memory by length."""
    for name in ("vctk", "librispeech_world", "units", "units-small"):
        times, _ = alone("inference:encode", name, 1, CORES, min(2, repeats))
        yield Row(f"encode, {name}", 60 / median(times), "x real time", f"{CORES} cores, a recording of 1 min")
    for name, lengths in (("vctk", (1, 3)), ("librispeech_world", (5, 60)), ("units", (5, 60))):
        peaks = [alone("inference:encode", name, minutes, CORES, 1)[1] for minutes in lengths]
        for minutes, peak in zip(lengths, peaks, strict=True):
            yield Row(f"encode {minutes} min, {name}: peak memory", peak, "MiB", "with torch")


def sampling(repeats: int) -> Iterator[Row]:
    """Measure samples per second of the vctk network, by engine, in turns."""
    sampler = Process("sampling:Sampling")
    about = sampler.about
    if not about["alike"]:
        raise SystemExit("the engines and the naive sampler do not draw the same samples from the same numbers")
    hop = 64
    ways: dict[str, tuple[tuple, int]] = {
        "plain loop, 1 stream": (("plain", 4), 4),
        "ring buffers in PyTorch, 1 stream": (("queues", 1, 2), 2 * hop),
        "engine cached, 1 stream": (("engine", "cached", 1, 2, CORES), 2 * hop),
    }
    for cores in (1, CORES):
        for lanes, codes in ((1, 128), (8, 64), (32, 24)):
            what = f"engine kernel, {lanes} lane{'s' * (lanes > 1)}, {cores} core{'s' * (cores > 1)}"
            ways[what] = (("engine", "kernel", lanes, codes, cores), lanes * codes * hop)
    for what, name, *arguments in (
        ("one utterance of 10 s, exact", "decode", 10.0, True),
        ("one utterance of 10 s, parallel", "decode", 10.0, False),
        ("`vqspeech convert` of 10 s", "convert", 10.0),
    ):
        ways[what] = ((name, *arguments), 160_000)
    times: dict[str, list[float]] = {what: [] for what in ways}
    sampler("decode", 0.2, False)
    for turn in range(repeats):
        for what, (call, count) in ways.items():
            if turn == 0 or count < 160_000:
                times[what].append(sampler(*call))
    sampler.close()
    rates = {what: count / median(times[what]) for what, (_, count) in ways.items()}
    naive = rates["ring buffers in PyTorch, 1 stream"]
    for what, rate in rates.items():
        note = f"{rate / 16_000:.3g}x real time, {rate / naive:,.3g}x the ring buffers in PyTorch"
        yield Row(f"sample vctk, {what}", rate, "samples/s", note)
    for cores in (1, CORES):
        peak = alone("sampling:gflops", cores)[0]
        reached = about["operations"] * rates[f"engine kernel, 32 lanes, {cores} core{'s' * (cores > 1)}"] / 1e9
        note = f"{reached:.0f} of {peak:.0f} GFLOP/s, of torch's product of 2048 x 2048 matrices"
        yield Row(
            f"share of the float32 peak, 32 lanes, {cores} core{'s' * (cores > 1)}", 100 * reached / peak, "%", note
        )
    for exact, lengths in ((True, (1.0, 4.0)), (False, (5.0, 20.0))):
        for length in lengths:
            took, peak = alone("sampling:speech_of", length, exact)
            mode = "exact" if exact else "parallel"
            note = f"peak memory {peak:,.0f} MiB, with torch"
            yield Row(f"decode {length:.0f} s, {mode}", took / length, "s a second", note)


def priors(repeats: int) -> Iterator[Row]:
    """Measure codes per second that priors sample, by batch size, and score."""
    process = Process("prior:Priors")
    about, codes = process.about, 250
    for name, parameters in about["parameters"].items():
        for what, lanes in (("sample", 1), ("sample", 8), ("score", 8)):
            process(name, what, lanes, codes)
            rate = lanes * codes / median(process(name, what, lanes, codes) for _ in range(repeats))
            note = (
                f"{rate / about['rate']:,.0f}x real time at {about['rate']:g} Hz; {parameters / 1e6:.1f} M parameters"
            )
            yield Row(f"prior, {name}: {what}, {lanes} lane{'s' * (lanes > 1)}", rate, "codes/s", note)
    process.close()


def pixels(repeats: int) -> Iterator[Row]:
    """Measure images per second of priors over 32x32 codes, cached and by full passes, in turns."""
    process = Process("pixels:Pixels")
    about = process.about
    if not about["alike"]:
        raise SystemExit("the full passes do not draw the codes that the cached sampler draws from the same numbers")
    for name, parameters in about["parameters"].items():
        for lanes in (1, 8) if name == "small_prior" else (1,):
            times: dict[str, list[float]] = {way: [] for way in ("cached", "full passes")}
            for _ in range(repeats):
                for way, some in times.items():
                    some.append(process(name, way, lanes))
            ratios = [full / cached for cached, full in zip(*times.values(), strict=True)]
            what = f"PixelCNN, {name}, {lanes} image{'s' * (lanes > 1)}"
            for way, some in times.items():
                note = (
                    f"{parameters / 1e6:.1f} M parameters, 32x32 codes of 512"
                    if way == "cached"
                    else f"by {about['passes']} of 1,024 passes"
                )
                yield Row(f"{what}: {way}", 1 / median(some), "images/s", note)
            note = f"{min(ratios):,.0f} to {max(ratios):,.0f}; bar 20 x"
            yield Row(f"{what}: full passes : cached", median(ratios), "x", note)
    process.close()


def images(batch: int, rounds: int) -> Iterator[Row]:
    """Measure training steps of the cifar10_vqvae model, ours and naive, by precision."""
    (apart, largest), _ = alone("images:difference", batch)
    if apart > TOLERANCE * max(1.0, largest):
        raise SystemExit(f"the naive VQ-VAE is not ours: losses up to {largest:.2g} differ by {apart:.2g}")
    auto, _ = alone("training:auto")
    kinds = list(dict.fromkeys([("naive", "fp32"), ("ours", "fp32"), ("naive", auto), ("ours", auto)]))
    steps = {kind: Process("images:Step", *kind, batch) for kind in kinds}
    times: dict[tuple[str, str], list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, step in steps.items():
            times[kind].append(step())
    for kind, step in steps.items():
        seconds, peak = median(times[kind]), step.close()
        note = f"{seconds:.2f} s a step of {batch} images; peak memory {peak:,.0f} MiB, with torch"
        yield Row(f"train cifar10_vqvae, {' '.join(kind)}", batch / seconds, "images/s", note)
    for what, theirs, ours in (
        ("ours by default : naive fp32", ("naive", "fp32"), ("ours", auto)),
        ("fp32 : fp32", ("naive", "fp32"), ("ours", "fp32")),
        (f"{auto} : {auto}", ("naive", auto), ("ours", auto)),
    ):
        ratios = [a / b for a, b in zip(times[theirs], times[ours], strict=True)]
        note = f"training.precision=auto is {auto} here; {min(ratios):.2f} to {max(ratios):.2f}"
        yield Row(f"train cifar10_vqvae, {what}", median(ratios), "x", note)


def videos(repeats: int) -> Iterator[Row]:
    """Measure frames per second of priors over video, beside a plain loop over their codes."""
    process = Process("video:Videos")
    about = process.about
    if not about["alike"]:
        raise SystemExit("a prior over video and the plain loop do not draw the same codes from the same numbers")
    for name, parameters in about["parameters"].items():
        for lanes in (1, 8):
            seconds: dict[str, list[float]] = {"cached": [], "plain": []}
            for _ in range(repeats):
                for way, found in seconds.items():
                    found.append(process(name, way, lanes, 2))
            rates = {way: lanes / median(found) for way, found in seconds.items()}
            note = f"{parameters / 1e6:.1f} M parameters, 21x21 codes; after 6 frames"
            for way, rate in rates.items():
                yield Row(f"video, {name}, {lanes} lane{'s' * (lanes > 1)}, {way}", rate, "frames/s", note)
            ratios = [a / b for a, b in zip(seconds["plain"], seconds["cached"], strict=True)]
            span = f"{min(ratios):.0f} to {max(ratios):.0f}"
            yield Row(f"video, {name}, {lanes} lane{'s' * (lanes > 1)}, cached : plain", median(ratios), "x", span)
    process.close()


def scoring() -> Iterator[Row]:
    """Measure scores of units: an hour without and with ABX, and ABX as plain loops."""
    times, peak = alone("scores:scoring", 3600.0, CORES)
    for what, seconds in times.items():
        cores = "one core" if what == "all but ABX" else f"{CORES} cores"
        yield Row(f"score units, 1 h, {what}", seconds, "s", f"once, {cores}, 40 speakers, 50 Hz, 512 codes")
    yield Row("score units, 1 h: peak memory", peak, "MiB", "")
    (plain, ours, apart), _ = alone("scores:plain", 60.0, 2)
    if apart > TOLERANCE:
        raise SystemExit(f"the plain loops are not ours: ABX errors differ by {apart:.2g}")
    yield Row("ABX of 60 s, plain loops : ours", plain / ours, "x", f"{plain:.1f} s : {ours:.3f} s, one core")


def quantizers(rounds: int) -> Iterator[Row]:
    """Measure nearest neighbours, beside torch.cdist and others, and a training step of every quantiser."""
    for vectors, codes, dimension in ((32_768, 512, 64), (8192, 4096, 256)):
        name = f"{codes} x {dimension}"
        searches = Process("quantizers:Searches", vectors, codes, dimension)
        if searches.about["differ"] > TOLERANCE:
            raise SystemExit(f"of {vectors} vectors, {searches.about['differ']:.2%} have another nearest code")
        times: dict[str, list[float]] = {kind: [] for kind in searches.about["kinds"]}
        for _ in range(5 * rounds):
            for kind, seconds in times.items():
                seconds.append(searches(kind))
        searches.close()
        for kind, seconds in times.items():
            ratios = [theirs / ours for theirs, ours in zip(seconds, times["ours"], strict=True)]
            note = f"{median(ratios):.2f} x as long as ours, {min(ratios):.2f} to {max(ratios):.2f}; one core"
            yield Row(f"nearest of {name}, {kind}", vectors / median(seconds), "vectors/s", note)
        for kind in times:
            peaks = [alone("quantizers:search", kind, n * vectors, codes, dimension)[1] for n in (1, 4)]
            grown = (peaks[1] - peaks[0]) * 2**20 / (3 * vectors)
            note = f"{peaks[0]:,.0f} MiB for {vectors} vectors, {peaks[1]:,.0f} for {4 * vectors}, with torch"
            yield Row(f"nearest of {name}, {kind}: memory", grown, "bytes a vector", note)
    steps = Process("quantizers:Steps")
    for name in steps.about["kinds"]:
        steps(name)
    taken = [{name: steps(name) for name in steps.about["kinds"]} for _ in range(10 * rounds)]
    steps.close()
    for name in steps.about["kinds"]:
        ratios = [turn[name] / turn["vector-quantize-pytorch"] for turn in taken]
        note = f"{median(ratios):.2f} of vector-quantize-pytorch's, {min(ratios):.2f} to {max(ratios):.2f}"
        figure = 1000 * median(turn[name] for turn in taken)
        yield Row(f"training step, {name}", figure, "ms", f"{note}; {steps.about['size']}, one core")


def main() -> int:
    sections: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
        "training": lambda args: training(args.windows, args.rounds),
        "trainer": lambda args: trainer(args.rounds),
        "imports": lambda args: imports(args.rounds),
        "dump": lambda args: dumping(args.rounds),
        "encode": lambda args: encoding(args.rounds),
        "sample": lambda args: sampling(args.rounds),
        "prior": lambda args: priors(args.rounds),
        "pixels": lambda args: pixels(args.rounds),
        "video": lambda args: videos(args.rounds),
        "scores": lambda _: scoring(),
        "quantizers": lambda args: quantizers(args.rounds),
        "images": lambda args: images(4 * args.windows, args.rounds),
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", metavar="FILE", help="write the figures there as JSON too")
    parser.add_argument("--only", nargs="+", choices=sections, default=list(sections), help="these parts")
    parser.add_argument("--windows", type=int, default=2, help="windows a training step (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions of everything (default: %(default)s)")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(CORES))
    started, rows, missing = time.perf_counter(), [], False
    print(f"| what | median of {args.rounds} | |\n|---|---:|---|")
    for name in args.only:
        try:
            for row in sections[name](args):
                print(row, flush=True)
                rows.append(asdict(row))
        except MissingPackage as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
            missing = True
            continue
        print(f"{name}: done after {time.perf_counter() - started:.0f} s", file=sys.stderr)
    load, took = os.getloadavg()[0], time.perf_counter() - started
    print(f"\n{CORES} threads; medians of wall-clock time; load average {load:.1f}; all of it in {took:.0f} s.")
    if args.out:
        Path(args.out).write_text(json.dumps({"rows": rows, "load": load}, indent=1) + "\n", encoding="utf-8")
    return int(missing)


if __name__ == "__main__":
    sys.exit(main())
