"""Sampling PixelCNNs of random weights: with every place computed once, and by a full pass over the image for each."""

import time

import torch

from vqspeech.conf.vision import load_config
from vqspeech.generate.cached import draw_classes
from vqspeech.vision.models.pixelcnn import PixelCNN
from vqspeech.vision.models.pixelcnn_cache import sample_codes

SIZE, SHAPE = 512, (1, 32, 32)  # of the paper's ImageNet model
PASSES = 8
"""Passes of the naive loop that are timed: each is over the whole image, whichever place it is for."""


class Pixels:
    """Priors of the configurations `prior` and `small_prior` over 32x32 codes of 512: seconds an image."""

    def __init__(self):
        torch.manual_seed(0)
        self.priors = {name: _network(name) for name in ("small_prior", "prior")}
        uniforms = torch.rand(1, *SHAPE)
        drawn = [
            one.flatten()[:PASSES].tolist()
            for one in (self._cached("small_prior", uniforms), self._naive("small_prior", uniforms))
        ]
        parameters = {name: sum(p.numel() for p in prior.parameters()) for name, prior in self.priors.items()}
        self.about = {"alike": drawn[0] == drawn[1], "parameters": parameters, "passes": PASSES}

    def __call__(self, name: str, way: str, lanes: int) -> float:
        uniforms, started = torch.rand(lanes, *SHAPE), time.perf_counter()
        if way == "cached":
            self._cached(name, uniforms)
            return (time.perf_counter() - started) / lanes
        self._naive(name, uniforms)
        return (time.perf_counter() - started) / lanes / PASSES * SHAPE[1] * SHAPE[2]

    def _cached(self, name: str, uniforms: torch.Tensor) -> torch.Tensor:
        return sample_codes(self.priors[name], uniforms, torch.zeros(len(uniforms), dtype=torch.long))

    @torch.inference_mode()
    def _naive(self, name: str, uniforms: torch.Tensor) -> torch.Tensor:
        """Sample the first `PASSES` codes of each image."""
        codes, nobody = torch.zeros(uniforms.shape, dtype=torch.long), torch.zeros(len(uniforms), dtype=torch.long)
        for place in range(PASSES):
            i, j = divmod(place, SHAPE[2])
            logits = self.priors[name](codes, nobody)[:, :, 0, i, j]
            codes[:, 0, i, j] = draw_classes(logits, uniforms[:, 0, i, j], 1.0, 1.0)
        return codes


def _network(name: str) -> PixelCNN:
    options = load_config(name)["prior"]
    options.pop("condition_dropout")
    network = PixelCNN(SIZE, SHAPE, **options).eval()
    with torch.no_grad():
        for weight in network.parameters():  # else all codes are all but free of what is before them
            weight.add_(torch.randn_like(weight) * weight.std().nan_to_num(0.0))
    return network
