"""A model of tiny frames, a world of them, for tests."""

import numpy as np
import torch

from vqspeech.conf.vision import load_config
from vqspeech.vision.data.images import Image
from vqspeech.vision.models import CodeModel, build_image_model

SHAPE = (3, 12, 16)
ACTIONS = ["forward", "right"]


def small_model(seed=0, codes=8) -> CodeModel:
    """A VQ-VAE of frames of 12x16 with random weights: 3x4 codes."""
    torch.manual_seed(seed)
    settings = load_config(
        "frames",
        ["network=small", "network.channels=8", "network.blocks=1", f"quantizer.codes={codes}", "model.dimension=4"],
    )
    made = build_image_model({key: group for key, group in settings.items() if key != "training"}, SHAPE).eval()
    assert isinstance(made, CodeModel)
    return made


def frames(episodes: int, length: int, seed: int = 0):
    """A bright bar that moves down a row where "forward" is done, and right by a column where "right" is."""
    draw = np.random.default_rng(seed)
    for episode in range(episodes):
        row, column = int(draw.integers(12)), int(draw.integers(16))
        for i in range(length):
            pixels = np.full(SHAPE, 20, np.uint8)
            pixels[:, row % 12, :] = 120
            pixels[:, :, column % 16] = 220
            action = int(draw.integers(2))
            yield Image(f"{seed}-{episode}/{i}", pixels, 0, episode, action)
            row, column = row + (action == 0), column + (action == 1)
