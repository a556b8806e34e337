"""Priors over codes with random weights: seconds of sampling, and of scoring."""

import time

import numpy as np
import torch

from vqspeech.conf import load_config
from vqspeech.models.prior import LatentPrior

RATE, SIZE = 125.0, 512  # of the paper's LibriSpeech model


class Priors:
    """The priors of the configuration `prior`, by network.

    A call returns the seconds that sampling `codes` codes in each stream, or scoring as many, took.
    """

    def __init__(self):
        torch.manual_seed(0)
        units = {"rate_hz": RATE, "codes": SIZE, "model": "bench", "sha256": ""}
        self.priors = {
            name: LatentPrior({"prior": load_config("prior", [f"prior={name}"])["prior"]}, ["a"], units).eval()
            for name in ("wavenet", "transformer")
        }
        parameters = {name: sum(p.numel() for p in prior.parameters()) for name, prior in self.priors.items()}
        self.about = {"rate": RATE, "parameters": parameters}

    def __call__(self, name: str, what: str, lanes: int, codes: int) -> float:
        prior, started = self.priors[name], time.perf_counter()
        if what == "sample":
            prior.sample(codes, ["a"] * lanes, progress=False)
        else:
            prior.bits(list(np.random.default_rng(0).integers(0, SIZE, (lanes, codes))), ["a"] * lanes)
        return time.perf_counter() - started
