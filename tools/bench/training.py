"""Training steps of the paper's VCTK model: ours, and the same with the naive decoder; and the cost of a batch."""

import tempfile
import time

import torch
from naive import NaiveWaveNet
from speech import dumped

from vqspeech import audio
from vqspeech.conf import load_config
from vqspeech.data.windows import SpeechBatch, Windows
from vqspeech.models.decoders import WaveNet
from vqspeech.models.vqvae import VQVAE

SPEAKERS = [f"p{i}" for i in range(109)]  # as many as VCTK has


def random_batch(windows: int, samples: int) -> SpeechBatch:
    """Windows of noise: the samples do not change what a step costs."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randint(-3000, 3000, (windows, samples), generator=generator, dtype=torch.int16)
    return SpeechBatch(noise, torch.full((windows,), samples), torch.arange(windows) % len(SPEAKERS), None, None)


def model_of(name: str) -> VQVAE:
    """Return a model with random weights, the same at every call."""
    torch.manual_seed(0)
    model = VQVAE({group: value for group, value in load_config(name).items() if group != "training"}, SPEAKERS)
    if isinstance(model.decoder, WaveNet):  # logits of the size they have after some training
        with torch.no_grad():
            model.decoder.logits.weight.mul_(30.0)
    return model


class Step:
    """One training step at every call: seconds it took. `kind` is ours or naive; bf16 is by autocast."""

    def __init__(self, kind: str, precision: str, windows: int):
        training = load_config("vctk")["training"]
        samples = round(training["seconds"] * audio.RATE)
        self.model, self.precision = model_of("vctk").train(), precision
        if kind == "naive":
            self.model.decoder = NaiveWaveNet(self.model.decoder)  # type: ignore[arg-type]
        self.batch, self.clip = random_batch(windows, samples), training["clip"]
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=training["lr"], betas=(0.9, 0.99), fused=True)
        self()  # the codebook is fitted at the first step
        self.about = {"samples": windows * samples, "batch": training["batch"]}

    def __call__(self) -> float:
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            losses, _, _ = self.model(self.batch)
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return time.perf_counter() - started


@torch.no_grad()
def difference() -> tuple[float, float]:
    """Largest difference of the logits of ours and the naive decoder with the same weights, and the largest logit."""
    ours = model_of("vctk").decoder
    assert isinstance(ours, WaveNet)
    batch, latents = random_batch(2, 64 * ours.hop), torch.randn(2, ours.smooth.in_channels, 64)
    logits = ours(batch.samples, ours.conditioning(latents, batch.speakers))
    other = NaiveWaveNet(ours)(batch.samples, latents, batch.speakers)
    return float((logits - other).abs().max()), float(logits.abs().max())


def auto() -> str:
    """Return what `training.precision=auto` selects on this machine: bf16 or fp32."""
    return "bf16" if torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported() else "fp32"  # noqa: SLF001 -- torch has no public one


def random_windows(batch: int, repeats: int) -> list[float]:
    """Seconds of drawing a batch of windows of the vctk configuration, from a dump of ten minutes."""
    with tempfile.TemporaryDirectory() as folder:
        shards = dumped(folder, 600.0)
        windows = Windows(
            shards, sorted(set(shards.speakers)), round(load_config("vctk")["training"]["seconds"] * audio.RATE)
        )
        times = []
        for step in range(repeats):
            started = time.perf_counter()
            windows.random(batch, 0, step)
            times.append(time.perf_counter() - started)
    return times
