"""Spectral envelopes of speech quantised by every method at several rates, dead codes replaced or not."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from vqspeech.data.envelopes import DIMENSION
from vqspeech.files import replaced
from vqspeech.metrics.bootstrap import Estimate
from vqspeech.models.quantize import Codebook, quantizer
from vqspeech.models.quantize.residual import ResidualCodebook
from vqspeech.studies import toy
from vqspeech.studies.findings import Finding
from vqspeech.studies.quantised_speech import Speech, distortions, qualities
from vqspeech.studies.seeds import Runs, over_seeds
from vqspeech.training.fitting import fitted_stages

METHODS = {name: toy.METHODS[name] for name in ("gradient", "EMA", "NSVQ", "soft EM, τ = 1", "k-means")}
"""Quantisers by what they are called in tables. EMA is hard EM."""
REPLACEMENTS: dict[str, dict[str, Any]] = {
    "never": {"revive_below": 0.0},
    "by batches": {"revive_below": 0.05, "revive_by": "batches"},
}
"""Policies for dead codes: none, and that of NSVQ for all."""
LR = 0.1
"""Learning rate of Adam for gradient and NSVQ: with 0.01, codes that set out as noise have not arrived after 500 steps
and are 0.3 dB further off at 8 bits; from 0.03 on it matters little."""
BEST_PESQ = 4.6439
"""Wide-band PESQ of what does not differ."""
COLUMNS = {
    "spectral distortion (dB)": "sd", "frames above 2 dB (%)": "above2", "frames above 4 dB (%)": "above4",
    "PESQ against WORLD copy": "pesq_copy", "PESQ against recording": "pesq_recording",
    "STOI against WORLD copy": "stoi_copy", "STOI against recording": "stoi_recording",
    "dead codes": "dead", "perplexity": "perplexity",
}  # fmt: skip
"""Columns of the tables, each with the name of its figure."""
_NSVQ, _GAIN = "Vali and Bäckström 2022", "said of Vali and Bäckström 2022"
_RIVALS = ("gradient", "EMA", "k-means")
FINDINGS = (
    *(
        Finding(f"NSVQ with its replacement errs less than {one} without", _NSVQ, "NSVQ, by batches", f"{one}, never")
        for one in _RIVALS
    ),
    *(
        Finding(f"replaced in {where}: NSVQ errs less than {one}", _NSVQ, f"NSVQ, {policy}", f"{one}, {policy}")
        for where, policy in (("neither", "never"), ("both", "by batches"))
        for one in _RIVALS
    ),
    Finding("NSVQ with replacement errs less than without", _GAIN, "NSVQ, by batches", "NSVQ, never"),
    Finding("gradient with replacement errs less than NSVQ without", _GAIN, "gradient, by batches", "NSVQ, never"),
    *(
        Finding(
            f"replaced in {where}: gradient errs as NSVQ does, within 2 %", _GAIN, f"gradient, {policy}",
            f"NSVQ, {policy}", 0.02,
        )
        for where, policy in (("neither", "never"), ("both", "by batches"))
    ),
    Finding("EMA with replacement errs less than without", "Dhariwal et al. 2020", "EMA, by batches", "EMA, never"),
    *(
        Finding(
            f"replaced in {where}: soft EM errs less than hard EM", "Roy et al. 2018", f"soft EM, τ = 1, {policy}",
            f"EMA, {policy}",
        )
        for where, policy in (("neither", "never"), ("both", "by batches"))
    ),
)  # fmt: skip
"""Published directions, on spectral distortion and on PESQ that is lost: NSVQ as its paper compares it, replacement
confounded with the method, then without that."""


class SpeechStudy:
    """Fits of `steps` steps on batches of `batch` vectors for `seeds` seeds at `rates`, each the bits of its stages.
    Runs are kept in `out`, and the codebooks of seed 0."""

    def __init__(self, out: Path, heard: Speech, rates: Sequence[Sequence[int]], seeds: int, steps: int, batch: int):
        self.out, self.heard, self.rates, self.seeds = out, heard, rates, range(seeds)
        self.steps, self.batch = steps, batch
        self.runs = Runs(out / "runs.jsonl")
        self.speech = heard.fingerprint
        self.found: dict[str, dict[str, list[dict[str, float]]]] = {}

    def run(self) -> None:
        """Makes all runs that have not been made, with a progress bar: rate by rate, in their order."""
        cells = [(bits, row, seed) for bits in self.rates for seed in self.seeds for row in rows()]
        self.found = {called(bits): {row: [] for row in rows()} for bits in self.rates}
        for bits, row, seed in tqdm(cells, desc="speech", unit="fit", disable=None):
            self.found[called(bits)][row].append(self.figures(bits, row, seed))

    def figures(self, bits: Sequence[int], row: str, seed: int, steps: int | None = None) -> dict[str, float]:
        """The figures of one run; with `steps` of another number of them, then without PESQ and STOI."""
        settings = {
            "speech": self.speech, "bits": list(bits), "seed": seed, "steps": steps or self.steps, "batch": self.batch,
            "lr": LR, "judged": steps is None,
        } | rows()[row]  # fmt: skip
        return self.runs.figures(settings, partial(self._figures, bits, row, seed, steps))

    def _figures(self, bits: Sequence[int], row: str, seed: int, steps: int | None) -> Mapping[str, float]:
        started = time.perf_counter()
        stages = [quantizer(codes=2**one, dimension=DIMENSION, **rows()[row]) for one in bits]
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
            with replaced(self._kept(bits, row)) as temporary, open(temporary, "wb") as file:
                np.savez(file, *(stage.weight.detach().cpu().numpy() for stage in stages))
        return distortions(book, self.heard) | qualities(self.heard, book) | {"seconds": lasted}

    def _kept(self, bits: Sequence[int], row: str) -> Path:
        return self.out / "codebooks" / f"{called(bits)}, {row}.npz"

    def codebook(self, bits: Sequence[int], row: str) -> ResidualCodebook:
        """The codebook of seed 0."""
        with np.load(self._kept(bits, row), allow_pickle=False) as kept:
            weights = [torch.from_numpy(kept[name]) for name in kept.files]
        stages = [quantizer("ema", *weight.shape) for weight in weights]
        for stage, weight in zip(stages, weights, strict=True):
            stage.start(weight)
        return ResidualCodebook(stages).eval()

    def table(self, bits: Sequence[int]) -> list[dict[str, Any]]:
        """The table of a rate for scores.json: a row a method and policy."""
        found = self.found[called(bits)]
        percent = {"above2", "above4"}
        return [
            {"row": row}
            | {
                column: over_seeds([one[name] * (100 if name in percent else 1) for one in found[row]])
                for column, name in COLUMNS.items()
            }
            for row in rows()
        ]

    def unquantised(self) -> list[dict[str, Any]]:
        """The table of what no quantiser can surpass: the WORLD copies, against themselves and the recordings."""
        found = qualities(self.heard)
        columns = {column: found[name] for column, name in COLUMNS.items() if name in found}
        return [{"row": "WORLD copy", "spectral distortion (dB)": 0.0} | columns]

    def convergence(self, bits: Sequence[int]) -> list[dict[str, Any]]:
        """Spectral distortion (dB) of seed 0 at a rate after a quarter, half and all of the steps, each with a learning
        rate that falls to its end: what further steps would still bring."""
        shares = {f"{self.steps // part} steps": self.steps // part for part in (4, 2) if self.steps >= part}
        return [
            {"row": row}
            | {f"{name} (dB)": self.figures(bits, row, 0, steps)["sd"] for name, steps in shares.items()}
            | {f"{self.steps} steps (dB)": self.figures(bits, row, 0)["sd"]}
            for row in tqdm(rows(), desc="convergence", unit="row", disable=None)
        ]

    def findings(self) -> list[dict[str, Any]]:
        """The published directions beside ours, for scores.json: on spectral distortion, then on PESQ that is lost.

        Figures count to four places: what is beyond is the rounding of single precision, which decides nothing.
        """
        cases = {
            f"{rate}: {what}": {row: [round(figure(one), 4) for one in runs] for row, runs in by_row.items()}
            for what, figure in (("dB", lambda one: one["sd"]), ("PESQ lost", lambda one: BEST_PESQ - one["pesq_copy"]))
            for rate, by_row in self.found.items()
        }
        return [finding.row(cases) for finding in FINDINGS]

    def estimates(self, figure: str, row: str) -> list[Estimate]:
        """A figure of a row by rate."""
        return [over_seeds([one[figure] for one in by_row[row]]) for by_row in self.found.values()]


def rows() -> dict[str, dict[str, Any]]:
    """Options of the quantiser by row: every method with every policy."""
    return {
        f"{method}, {replacement}": options | policy
        for method, options in METHODS.items()
        for replacement, policy in REPLACEMENTS.items()
    }


def called(bits: Sequence[int]) -> str:
    """What a rate is called: "8 bits", or of two stages "8+8 bits"."""
    return "+".join(map(str, bits)) + " bits"
