"""Spectral envelopes of speech by every method at several rates, with and without replacement of dead codes."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from vqspeech.data.envelopes import DIMENSION
from vqspeech.models.quantize import Codebook, make_quantizer
from vqspeech.models.quantize.residual import ResidualCodebook
from vqspeech.progress import track
from vqspeech.studies.quantised_speech import Speech, measure_distortion, measure_quality, quantise_frames
from vqspeech.studies.rates import RateStudy, name_rate
from vqspeech.studies.runs import load_arrays, save_arrays
from vqspeech.training.fitting import fit_stages

LR = 0.1
"""Learning rate of Adam for gradient and NSVQ.

With 0.01, codes that start as noise have not converged after 500 steps and are 0.3 dB worse at 8 bits; from 0.03 on it
matters little."""
BEST_PESQ = 4.6439
"""Wide-band PESQ of identical signals."""
LOSSES = {"dB": lambda one: one["sd"], "PESQ lost": lambda one: BEST_PESQ - one["pesq_copy"]}
"""Losses that the published claims are judged on."""


class SpeechStudy(RateStudy):
    """Codebooks of spectral envelopes at several rates; see `RateStudy`. Those of seed 0 are kept."""

    name = "speech"
    columns: ClassVar[Mapping[str, tuple[str, float]]] = {
        "spectral distortion (dB)": ("sd", 1), "frames above 2 dB (%)": ("above2", 100),
        "frames above 4 dB (%)": ("above4", 100), "PESQ against WORLD copy": ("pesq_copy", 1),
        "PESQ against recording": ("pesq_recording", 1), "STOI against WORLD copy": ("stoi_copy", 1),
        "STOI against recording": ("stoi_recording", 1), "dead codes": ("dead", 1), "perplexity": ("perplexity", 1),
    }  # fmt: skip

    def __init__(self, out: Path, speech: Speech, rates: Sequence[Sequence[int]], seeds: int, steps: int, batch: int):
        super().__init__(out, rates, seeds, steps, batch)
        self.speech, self.fingerprint = speech, speech.fingerprint

    def load_or_run(self, bits: Sequence[int], row: str, seed: int, steps: int | None = None) -> dict[str, float]:
        """Return the figures of one run, which is made if it is missing.

        With `steps` it is a run of that many steps, without PESQ and STOI.
        """
        settings = self._settings(bits, row, seed, steps)
        return self.runs.load_or_run(settings, partial(self._run_one, bits, row, seed, steps))

    def _settings(self, bits: Sequence[int], row: str, seed: int, steps: int | None = None) -> dict[str, Any]:
        return {
            "speech": self.fingerprint, "bits": list(bits), "seed": seed, "steps": steps or self.steps,
            "batch": self.batch, "lr": LR, "judged": steps is None,
        } | self.rows[row]  # fmt: skip

    def _run_one(self, bits: Sequence[int], row: str, seed: int, steps: int | None) -> Mapping[str, float]:
        started = time.perf_counter()
        stages = [make_quantizer(codes=2**one, dimension=DIMENSION, **self.rows[row]) for one in bits]
        device = self.speech.vectors.device
        generator = torch.Generator().manual_seed(seed)

        def begin(stage: Codebook, vectors: Tensor) -> None:
            # As in the papers: all methods start from the same noise, scaled as what is to be quantised.
            noise = torch.randn(stage.weight.shape, generator=generator) * vectors.square().mean().sqrt().cpu()
            stage.to(device).start(noise.to(device))

        book = fit_stages(stages, self.speech.vectors, steps or self.steps, self.batch, LR, seed, begin)
        seconds = time.perf_counter() - started
        if steps is not None:
            return measure_distortion(book, self.speech) | {"seconds": seconds}
        if seed == 0:
            weights = [stage.weight.detach().cpu().numpy() for stage in stages]
            save_arrays(self._codebook_path(bits, row), self._settings(bits, row, seed), weights)
        return measure_distortion(book, self.speech) | measure_quality(self.speech, book) | {"seconds": seconds}

    def _codebook_path(self, bits: Sequence[int], row: str) -> Path:
        return self.out / "codebooks" / f"{name_rate(bits)}, {row}.npz"

    def load_codebook(self, bits: Sequence[int], row: str) -> ResidualCodebook:
        """Return the codebook of seed 0; it is fitted again where it is missing, damaged or of other settings."""
        path, settings = self._codebook_path(bits, row), self._settings(bits, row, 0)
        weights = load_arrays(path, settings)
        if weights is None:
            self._run_one(bits, row, 0, None)
            weights = load_arrays(path, settings)
        assert weights is not None
        stages = [make_quantizer("ema", *weight.shape) for weight in weights]
        for stage, weight in zip(stages, weights, strict=True):
            stage.start(torch.from_numpy(weight))
        return ResidualCodebook(stages).eval()

    def quantise_frames(self, bits: Sequence[int], row: str, frames: np.ndarray) -> np.ndarray:
        """Return WORLD frames `(frames, CHANNELS)` with envelopes quantised by the codebook of seed 0."""
        return quantise_frames(self.load_codebook(bits, row), self.speech, frames)

    def tabulate_unquantised(self) -> list[dict[str, Any]]:
        """Return the table of the upper bound: WORLD copies, compared with themselves and with the recordings."""
        quality = measure_quality(self.speech)
        columns = {column: quality[figure] for column, (figure, _) in self.columns.items() if figure in quality}
        return [{"row": "WORLD copy", "spectral distortion (dB)": 0.0} | columns]

    def tabulate_convergence(self, bits: Sequence[int]) -> list[dict[str, Any]]:
        """Return the spectral distortion (dB) of seed 0 at a rate after a quarter, half and all of the steps.

        Each is a fit of its own, whose learning rate falls to its end: what further steps would still bring.
        """
        shares = {f"{self.steps // part} steps": self.steps // part for part in (4, 2) if self.steps >= part}
        return [
            {"row": row}
            | {f"{name} (dB)": self.load_or_run(bits, row, 0, steps)["sd"] for name, steps in shares.items()}
            | {f"{self.steps} steps (dB)": self.load_or_run(bits, row, 0)["sd"]}
            for row in track(self.rows, "convergence", "row")
        ]
