"""Sampling from the paper's VCTK model with random weights: seconds it takes, one way and another."""

import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from naive import NaiveSampler, NaiveWaveNet
from speech import speech
from torch import Tensor
from training import SPEAKERS, model_of

from vqspeech import audio
from vqspeech.cli import main
from vqspeech.generate import generate
from vqspeech.models.decoders import WaveNet


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def gflops(threads: int) -> float:
    """Return the float32 operations per second (10⁹) of a large matrix product, the best of several."""
    torch.set_num_threads(threads)
    a, b = torch.randn(2, 2048, 2048).unbind()
    return 2 * 2048**3 / min(seconds(lambda: a @ b) for _ in range(5)) / 1e9


def speech_of(length: float, exact: bool) -> float:
    """Return the seconds that decoding so many seconds takes, after a warm-up."""
    sampling = Sampling()
    sampling.decode(0.2, exact)
    return sampling.decode(length, exact)


class Sampling:
    """Seconds of the method that is named, at every call; `about`: operations a sample, and whether all draw alike."""

    def __init__(self):
        self.model = model_of("vctk").eval()
        assert isinstance(self.model.decoder, WaveNet)
        self.network, self.cell = self.model.decoder, self.model.decoder.cell()
        self.naive = NaiveSampler(NaiveWaveNet(self.network))
        matrices = [self.cell.gated, *(weight for weight, _ in self.cell.residual + self.cell.output)]
        self.about = {"operations": 2 * sum(weight.numel() for weight in matrices), "alike": self._alike()}

    def __call__(self, name: str, *arguments) -> float:
        return getattr(self, name)(*arguments)

    def plain(self, steps: int) -> float:
        """One stream, the whole receptive field computed again for each of its samples."""
        codes = -(-self.network.receptive_field // self.network.hop)
        latents, voices, _ = self._inputs(1, codes)
        conditioning = self.network.conditioning(latents, voices).detach()
        past = torch.full((1, codes * self.network.hop), audio.MIDPOINT, dtype=torch.uint8)

        @torch.inference_mode()
        def work() -> None:
            nonlocal past
            for _ in range(steps):
                odds = self.network(past, conditioning)[:, :, -1].softmax(1)
                past = torch.cat([past[:, 1:], odds.multinomial(1).to(torch.uint8)], 1)

        return seconds(work)

    def queues(self, lanes: int, codes: int) -> float:
        """Sample as is common in PyTorch."""
        return seconds(lambda: self.naive(*self._inputs(lanes, codes)))

    def engine(self, name: str, lanes: int, codes: int, threads: int) -> float:
        """One of our engines."""
        torch.set_num_threads(threads)
        latents, voices, uniforms = self._inputs(lanes, codes)
        conditioning = self.network.conditioning(latents, voices).detach()
        return seconds(lambda: generate(self.cell, conditioning, uniforms, engine=name, progress=False))

    def decode(self, length: float, exact: bool) -> float:
        """Decode an utterance of so many seconds, from codes to waveform."""
        codes = np.arange(round(length * self.model.rate)) * 7 % 512
        with contextlib.redirect_stderr(io.StringIO()):
            return seconds(lambda: self.model.decode(codes, SPEAKERS[0], exact=exact))

    def convert(self, length: float) -> float:
        """`vqspeech convert` of a file of so many seconds, from reading the model to the file that is written."""
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            model, source = Path(folder) / "model.safetensors", Path(folder) / "a.wav"
            self.model.save_pretrained(model)
            audio.write(source, speech(length, audio.RATE))
            command = ["convert", "--model", str(model), "--src", str(source), "--speaker", SPEAKERS[1]]
            with contextlib.redirect_stdout(io.StringIO()):
                return seconds(lambda: main(command))

    def _inputs(self, lanes: int, codes: int) -> tuple[Tensor, Tensor, Tensor]:
        generator = torch.Generator().manual_seed(0)
        latents = torch.randn(lanes, self.network.smooth.in_channels, codes, generator=generator)
        return latents, torch.arange(lanes), torch.rand(lanes, codes * self.network.hop, generator=generator)

    def _alike(self) -> bool:
        latents, voices, uniforms = self._inputs(2, 1)
        conditioning = self.network.conditioning(latents, voices).detach()
        wanted = self.naive(latents, voices, uniforms)
        engines = ("cached", "kernel")
        return all(
            torch.equal(generate(self.cell, conditioning, uniforms, engine=engine, progress=False), wanted)
            for engine in engines
        )
