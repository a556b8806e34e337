"""A prior over video with random weights: seconds a frame, with what was computed before kept, and as a plain loop."""

import time

import numpy as np
import torch

from vqspeech.conf.vision import load_config
from vqspeech.generate.cached import draw_classes
from vqspeech.vision.models.prior import draw_uniforms
from vqspeech.vision.models.video import VideoPrior

GIVEN, SIZE, SHAPE = 6, 512, (21, 21)
PLAIN = 12
"""Codes of a frame that the plain loop draws: all of them cost the same."""


class Videos:
    """The priors of the configuration `mini_video_prior`, by network.

    A call returns the seconds that a frame takes in so many streams, after six given frames.
    """

    def __init__(self):
        torch.manual_seed(0)
        codes = {"codes": SIZE, "shape": [1, *SHAPE], "model": "bench", "sha256": ""}
        self.priors = {
            name: VideoPrior(
                {"video": load_config("mini_video_prior", [f"video={name}_small"])["video"]}, ["a"], codes
            ).eval()
            for name in ("pixelcnn", "transformer")
        }
        generator = np.random.default_rng(0)
        self.given = torch.from_numpy(generator.integers(0, SIZE, (8, GIVEN, *SHAPE)))
        self.about = {
            "parameters": {name: sum(p.numel() for p in prior.parameters()) for name, prior in self.priors.items()},
            "alike": all(self._alike(name) for name in self.priors),
        }

    def __call__(self, name: str, way: str, lanes: int, frames: int) -> float:
        prior, given = self.priors[name], self.given[:lanes]
        started = time.perf_counter()
        if way == "cached":
            prior.sample(given, torch.ones(lanes, GIVEN + frames - 1, dtype=torch.long), progress=False)
            return (time.perf_counter() - started) / frames
        self._plain(prior, given, PLAIN)
        return (time.perf_counter() - started) / PLAIN * SHAPE[0] * SHAPE[1]

    @torch.inference_mode()
    def _plain(self, prior: VideoPrior, given: torch.Tensor, count: int) -> list[torch.Tensor]:
        """Sample the first codes of the next frame, each by a full pass over all frames."""
        lanes = len(given)
        clip = torch.cat([given, torch.zeros(lanes, 1, *SHAPE, dtype=torch.long)], 1)
        actions, numbers = torch.ones(lanes, GIVEN + 1, dtype=torch.long), draw_uniforms(lanes, (1, *SHAPE), 0)
        found = []
        for place in list(np.ndindex(*SHAPE))[:count]:
            logits = prior.network(clip, actions)[(slice(None), slice(None), GIVEN, *place)]
            found.append(draw_classes(logits, numbers[(slice(None), 0, *place)], 1.0, 1.0))
            clip[(slice(None), GIVEN, *place)] = found[-1]
        return found

    def _alike(self, name: str) -> bool:
        prior, given = self.priors[name], self.given[:1]
        cached = prior.sample(given, torch.ones(1, GIVEN, dtype=torch.long), progress=False)[:, 0].flatten(1)
        return all(bool((one == cached[:, i]).all()) for i, one in enumerate(self._plain(prior, given, 3)))
