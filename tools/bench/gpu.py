"""Sampling on a GPU as one Markdown table: python tools/bench/gpu.py [--seconds 0.6]. Without a GPU it prints "no GPU".

First every engine is held against the plain loop in float32, then the 30-layer network of the paper is timed. It needs
torch with Triton and tqdm, nothing else, and a few minutes; every line is printed as soon as it is known.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

# The toolkit of this checkout, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vqspeech.generate import Cell, cached, persistent
from vqspeech.models.wavenet import CausalStack

RATE, HOP = 16_000, 64
ONE, ALL = 16_000, 1_000_000
"""Bars, samples/s: one stream, and all of a full batch together."""
EXACT, BF16 = torch.float32, torch.bfloat16
Sampler = Callable[..., Tensor]


def cell_of(layers: int, cycle: int, residual: int, skip: int, scale: float) -> Cell:
    """Return a network with random weights, `scale` times as large as at the start of training."""
    torch.manual_seed(0)
    net = CausalStack(256, 256, 128, RATE, layers, cycle, residual, skip).cuda().eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(scale)
        net.logits.weight.mul_(10 / scale)  # logits of the size they have after some training
    return net.cell()


def given_to(cell: Cell, lanes: int, steps: int, hop: int = HOP) -> tuple[Tensor, Tensor]:
    """Conditioning, the same for all lanes (it is only expanded, for memory), and uniforms that differ."""
    generator = torch.Generator(device="cuda").manual_seed(1)
    conditioning = (
        torch.randn(1, cell.conditioning_channels, -(-steps // hop), generator=generator, device="cuda") * 0.3
    )
    return conditioning.expand(lanes, -1, -1), torch.rand(lanes, steps, generator=generator, device="cuda")


@torch.inference_mode()
def sampled(engine: Sampler, cell: Cell, conditioning: Tensor, uniforms: Tensor, **options) -> Tensor:
    """Sample with an engine; `options` replace the defaults."""
    nothing = torch.empty(len(uniforms), 0, dtype=torch.long, device="cuda")
    defaults = {"temperature": 1.0, "top_p": 1.0, "given": nothing, "logits": None, "progress": False}
    return engine(cell, conditioning, uniforms, **defaults | options)


def forced(engine: Sampler, cell: Cell, conditioning: Tensor, classes: Tensor, **options) -> Tensor:
    """Return the logits of a teacher-forced engine, `(batch, time, classes)`."""
    out = torch.full((*classes.shape, cell.classes), float("nan"), device="cuda")
    uniforms = torch.zeros(classes.shape, device="cuda")
    sampled(engine, cell, conditioning, uniforms, given=classes, logits=out, **options)
    return out


def line(what: str, figure: str, note: str = "") -> None:
    print(f"| {what} | {figure} | {note} |", flush=True)


def checks() -> Iterator[bool]:
    """Compare the engines with the plain loop, one line each; return for each line whether they agree."""
    small = cell_of(6, 4, 24, 40, 3.0)
    conditioning, uniforms = given_to(small, 37, 15 * 14, 15)
    conditioning = conditioning * torch.linspace(-1, 1, 37, device="cuda")[:, None, None]
    kinds: dict[str, tuple[Sampler, dict]] = {}
    for lanes in (16, 32):
        tiling = persistent.Tiling(lanes)
        kinds[f"persistent, tiles of {lanes}"] = (persistent.sample_classes, {"precision": EXACT, "tiling": tiling})
    for settings in ({}, {"temperature": 0.7, "top_p": 0.8}, {"temperature": 0.0}):
        wanted = sampled(cached.sample_classes, small, conditioning, uniforms, **settings)
        for name, (engine, options) in kinds.items():
            same = (sampled(engine, small, conditioning, uniforms, **options, **settings) == wanted).float().mean()
            again = sampled(engine, small, conditioning, uniforms, **options, **settings)
            steady = torch.equal(again, sampled(engine, small, conditioning, uniforms, **options, **settings))
            line(f"small network, {name}, float32: samples as the loop's", f"{100 * same:.2f} %", str(settings))
            yield steady and bool(same > 0.99)  # a sum in another order may move a sample, and all after it
    for name, cell in (("small", small), ("30 layers", cell_of(30, 10, 64, 256, 1.0))):
        conditioning, uniforms = given_to(cell, 37, 1280)
        classes = (uniforms * 256).long()
        wanted = forced(cached.sample_classes, cell, conditioning, classes)
        for precision in (EXACT, BF16, torch.float16):
            found = forced(persistent.sample_classes, cell, conditioning, classes, precision=precision)
            largest, rms = (found - wanted).abs().max(), (found - wanted).square().mean().sqrt()
            figure = f"{largest:.2g} at most, {rms:.2g} rms"
            line(f"{name}, persistent, {precision}: error of logits", figure, f"deviation {wanted.std():.2g}")
            yield bool(largest < 1e-4 if precision is EXACT else rms < 0.05 * wanted.std())


def seconds_of(engine: Sampler, cell: Cell, lanes: int, steps: int, **options) -> float:
    """Seconds that so many steps of so many lanes take, all of it."""
    inputs = given_to(cell, lanes, steps)
    torch.cuda.synchronize()
    started = time.perf_counter()
    sampled(engine, cell, *inputs, **options)
    torch.cuda.synchronize()
    return time.perf_counter() - started


def step_of(engine: Sampler, cell: Cell, lanes: int, seconds: float, **options) -> tuple[float, float]:
    """Return the seconds per step, and those before the first.

    The first is the difference of a run of at least `seconds` and one of a quarter of its steps, the median of three.
    """
    for steps in (HOP, 2 * HOP):  # what is compiled is compiled
        seconds_of(engine, cell, lanes, steps, **options)
    steps = 8 * HOP
    while (took := seconds_of(engine, cell, lanes, steps, **options)) < seconds:
        steps *= max(2, min(8, int(seconds / took)))
    pairs = [[seconds_of(engine, cell, lanes, n, **options) for n in (steps, steps // 4)] for _ in range(3)]
    step = median((long - short) / (steps - steps // 4) for long, short in pairs)
    return step, max(0.0, median(long for long, _ in pairs) - steps * step)


def speeds(seconds: float) -> None:
    """Print the samples per second of the engines, by batch size."""
    cell = cell_of(30, 10, 64, 256, 1.0)
    units = torch.cuda.get_device_properties(0).multi_processor_count

    def timed(what: str, engine: Sampler, lanes: int, **options) -> None:
        try:
            step, before = step_of(engine, cell, lanes, seconds, **options)
        except Exception as error:  # noqa: BLE001
            line(f"{what}, {lanes:,} lanes", "failed", f"{type(error).__name__}: {str(error)[:200]}".replace("\n", " "))
            return
        bar = f"; bar {ONE:,}" if lanes == 1 else f"; bar {ALL:,}" if lanes >= 16 * units else ""
        rate = lanes / step
        note = f"{1e6 * step:.1f} us a step, {1e3 * before:.0f} ms before; {rate / RATE:,.1f} x real time{bar}"
        line(f"{what}, {lanes:,} lane{'s' * (lanes > 1)}", f"{rate:,.0f} samples/s", note)

    for lanes in (1, units * 16, units * 32):
        timed("persistent, bf16", persistent.sample_classes, lanes)
    whole = seconds_of(persistent.sample_classes, cell, 1, 10 * RATE)
    line("persistent, bf16: 10 s of speech from first to last", f"{whole:.2f} s", f"{10 / whole:.2f} x real time")
    for lanes in (1, 256, 4096):
        timed("cached, float32", cached.sample_classes, lanes)
    for lanes in (16, 64, 4096, units * 64):
        timed("persistent, bf16", persistent.sample_classes, lanes)
    timed("persistent, bf16, top_p 0.9", persistent.sample_classes, 1, top_p=0.9)
    timed("persistent, fp16", persistent.sample_classes, 1, precision=torch.float16)
    timed("persistent, float32", persistent.sample_classes, 1, precision=EXACT)
    for warps in (4, 8, 16):
        for stages in (1, 2, 3):
            tiling = persistent.Tiling(16, warps, stages)
            timed(f"persistent, bf16, {warps} warps, {stages} stages", persistent.sample_classes, 1, tiling=tiling)
    for lanes, warps, stages in ((16, 8, 3), (16, 8, 2), (32, 8, 3), (32, 8, 2), (64, 8, 2), (64, 8, 1), (64, 16, 2)):
        what = f"persistent, bf16, tiles of {lanes}, {warps} warps, {stages} stages"
        timed(what, persistent.sample_classes, units * 64, tiling=persistent.Tiling(lanes, warps, stages))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.6, help="of a timed run, at least (default: %(default)s)")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU")
        return
    import triton

    started = time.perf_counter()
    about = f"{torch.cuda.get_device_name()}, torch {torch.__version__}, triton {triton.__version__}"
    print(f"{about}; random weights\n\n| what | figure | |\n|---|---:|---|", flush=True)
    good = list(checks())
    print(f"checks: {sum(good)} of {len(good)} good after {time.perf_counter() - started:.0f} s", file=sys.stderr)
    speeds(args.seconds)
    print(f"\nAll of it in {time.perf_counter() - started:.0f} s. Checks: {sum(good)} of {len(good)} good.")
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
