"""A small model that takes a voice from a recording, for tests."""

import numpy as np
import torch
from scipy.signal import lfilter

from vqspeech import VQVAE, audio
from vqspeech.conf import load_config

_SMALL = (
    "decoder=source_filter", "decoder.channels=16", "decoder.bands=12", "decoder.voice=8", "encoder.channels=16",
    "encoder.latents=8", "quantizer.codes=32",
)  # fmt: skip


def voice_model(*overrides: str, speakers: tuple[str, ...] = ("high", "low"), seed: int = 0) -> VQVAE:
    """A model with untrained weights, whose envelopes follow latents, pitch and voice."""
    groups = load_config("librispeech_world", [*_SMALL, *overrides])
    torch.manual_seed(seed)
    made = VQVAE({key: value for key, value in groups.items() if key != "training"}, speakers).eval()
    torch.nn.init.normal_(made.decoder.output.weight, std=0.2)  # pyright: ignore
    made.quantizer.weight.normal_()  # pyright: ignore
    made.pitch.copy_(torch.tensor([[5.3, 0.1], [4.6, 0.1]])[: len(speakers)])
    return made


def vowels(hertz: float, seconds: float, formant: float = 500.0) -> np.ndarray:
    """Speech-like sound: syllables of pulses through formants, in float32 at 16 kHz."""
    time = np.arange(int(seconds * audio.RATE)) / audio.RATE
    sound = np.diff(np.floor(np.cumsum(hertz * 2 ** (np.sin(9 * time) / 12) / audio.RATE)), prepend=0.0)
    for centre in (formant, 3 * formant):
        sound = lfilter([1.0], [1.0, -2 * 0.98 * np.cos(2 * np.pi * centre / audio.RATE), 0.98**2], sound)
    return (sound / np.abs(sound).max() * np.where(time * 2.5 % 1 < 0.75, 0.3, 0.0)).astype(np.float32)
