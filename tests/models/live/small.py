"""A small live model that nothing was learned by, and sound to stream."""

import numpy as np
import torch

from tests.conftest import buzz
from vqspeech.models.live.model import Live

CONFIG = {
    "encoder": {"latents": 12, "channels": 16, "dilations": [1, 2]},
    "tracker": {"channels": 8, "dilations": [1, 2]},
    "decoder": {
        "name": "source_filter", "causal": True, "conditioning": "continuous", "channels": 16, "bands": 20, "voice": 12,
        "frame_dilations": [1, 2],
    },
}  # fmt: skip


def live_model(seed: int = 0) -> Live:
    """A model with the voices "a", at 150 Hz, and "b", at 300 Hz."""
    torch.manual_seed(seed)
    model = Live(CONFIG, ["a", "b"])
    model.pitch.copy_(torch.tensor([[np.log(150.0), 0.1], [np.log(300.0), 0.2]]))
    torch.nn.init.normal_(model.decoder.output.weight, std=0.2)
    torch.nn.init.constant_(model.tracker.output.bias[-1:], 0.5)
    return model.eval()


def speech(seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    """A voice with a pause before and behind it, float32 `(time,)`."""
    pause = np.random.default_rng(seed).normal(0, 1e-3, int(0.2 * 16_000)).astype(np.float32)
    return np.concatenate([pause, 0.3 * buzz(seconds, 120.0, seed), pause])
