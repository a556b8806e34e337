"""Spectral envelopes of speech quantised by every method at several rates, dead codes replaced or not."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from vqspeech.data.envelopes import DIMENSION
from vqspeech.models.quantize import Codebook, quantizer
from vqspeech.models.quantize.residual import ResidualCodebook
from vqspeech.studies.quantised_speech import Speech, distortions, qualities
from vqspeech.studies.rates import RateStudy, called
from vqspeech.studies.seeds import keep_arrays, kept_arrays
from vqspeech.training.fitting import fitted_stages

LR = 0.1
"""Learning rate of Adam for gradient and NSVQ: with 0.01, codes that set out as noise have not arrived after 500 steps
and are 0.3 dB further off at 8 bits; from 0.03 on it matters little."""
BEST_PESQ = 4.6439
"""Wide-band PESQ of what does not differ."""
LOST = {"dB": lambda one: one["sd"], "PESQ lost": lambda one: BEST_PESQ - one["pesq_copy"]}
"""What the published directions are held against."""


class SpeechStudy(RateStudy):
    """Fits of `steps` steps on batches of `batch` vectors for `seeds` seeds at `rates`, each the bits of its stages.
    Runs are kept in `out`, and the codebooks of seed 0."""

    name = "speech"
    columns = {
        "spectral distortion (dB)": ("sd", 1), "frames above 2 dB (%)": ("above2", 100),
        "frames above 4 dB (%)": ("above4", 100), "PESQ against WORLD copy": ("pesq_copy", 1),
        "PESQ against recording": ("pesq_recording", 1), "STOI against WORLD copy": ("stoi_copy", 1),
        "STOI against recording": ("stoi_recording", 1), "dead codes": ("dead", 1), "perplexity": ("perplexity", 1),
    }  # fmt: skip

    def __init__(self, out: Path, heard: Speech, rates: Sequence[Sequence[int]], seeds: int, steps: int, batch: int):
        super().__init__(out, rates, seeds, steps, batch)
        self.heard, self.speech = heard, heard.fingerprint

    def figures(self, bits: Sequence[int], row: str, seed: int, steps: int | None = None) -> dict[str, float]:
        """The figures of one run; with `steps` of another number of them, then without PESQ and STOI."""
        settings = self._settings(bits, row, seed, steps)
        return self.runs.figures(settings, partial(self._figures, bits, row, seed, steps))

    def _settings(self, bits: Sequence[int], row: str, seed: int, steps: int | None = None) -> dict[str, Any]:
        return {
            "speech": self.speech, "bits": list(bits), "seed": seed, "steps": steps or self.steps, "batch": self.batch,
            "lr": LR, "judged": steps is None,
        } | self.rows[row]  # fmt: skip

    def _figures(self, bits: Sequence[int], row: str, seed: int, steps: int | None) -> Mapping[str, float]:
        started = time.perf_counter()
        stages = [quantizer(codes=2**one, dimension=DIMENSION, **self.rows[row]) for one in bits]
        device = self.heard.vectors.device
        draws = torch.Generator().manual_seed(seed)

        def begin(stage: Codebook, vectors: Tensor) -> None:
            # As the papers do: all methods set out from the same noise, as strong as what is to be quantised.
            noise = torch.randn(stage.weight.shape, generator=draws) * vectors.square().mean().sqrt().cpu()
            stage.to(device).start(noise.to(device))

        book = fitted_stages(stages, self.heard.vectors, steps or self.steps, self.batch, LR, seed, begin)
        lasted = time.perf_counter() - started
        if steps is not None:
            return distortions(book, self.heard) | {"seconds": lasted}
        if seed == 0:
            weights = [stage.weight.detach().cpu().numpy() for stage in stages]
            keep_arrays(self._kept(bits, row), self._settings(bits, row, seed), weights)
        return distortions(book, self.heard) | qualities(self.heard, book) | {"seconds": lasted}

    def _kept(self, bits: Sequence[int], row: str) -> Path:
        return self.out / "codebooks" / f"{called(bits)}, {row}.npz"

    def codebook(self, bits: Sequence[int], row: str) -> ResidualCodebook:
        """The codebook of seed 0; one that is not kept, damaged or of other settings is fitted again."""
        path, settings = self._kept(bits, row), self._settings(bits, row, 0)
        weights = kept_arrays(path, settings)
        if weights is None:
            self._figures(bits, row, 0, None)
            weights = kept_arrays(path, settings)
        assert weights is not None
        stages = [quantizer("ema", *weight.shape) for weight in weights]
        for stage, weight in zip(stages, weights, strict=True):
            stage.start(torch.from_numpy(weight))
        return ResidualCodebook(stages).eval()

    def unquantised(self) -> list[dict[str, Any]]:
        """The table of what no quantiser can surpass: the WORLD copies, against themselves and the recordings."""
        found = qualities(self.heard)
        columns = {column: found[figure] for column, (figure, _) in self.columns.items() if figure in found}
        return [{"row": "WORLD copy", "spectral distortion (dB)": 0.0} | columns]

    def convergence(self, bits: Sequence[int]) -> list[dict[str, Any]]:
        """Spectral distortion (dB) of seed 0 at a rate after a quarter, half and all of the steps, each with a learning
        rate that falls to its end: what further steps would still bring."""
        shares = {f"{self.steps // part} steps": self.steps // part for part in (4, 2) if self.steps >= part}
        return [
            {"row": row}
            | {f"{name} (dB)": self.figures(bits, row, 0, steps)["sd"] for name, steps in shares.items()}
            | {f"{self.steps} steps (dB)": self.figures(bits, row, 0)["sd"]}
            for row in tqdm(self.rows, desc="convergence", unit="row", disable=None)
        ]
