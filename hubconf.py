"""The models that come with the toolkit, for `torch.hub.load(FOLDER, NAME, source="local")`.

units = torch.hub.load("vqspeech", "units", source="local")
codes = units.encode(wave)  # wave: (time,) at 16 kHz; codes: int64 (codes,), 25 a second
"""

from typing import TYPE_CHECKING

dependencies = ["torch", "numpy", "safetensors", "soundfile", "hydra"]

if TYPE_CHECKING:
    from vqspeech.models.coder import Coder
    from vqspeech.models.vqvae import VQVAE


def units(device: str = "cpu") -> "Coder":
    """Return the coder of `--model units`: clusters of a content encoder's features, 128 at 25 Hz."""
    from vqspeech.models.coder import Coder

    return Coder.from_pretrained("units", device)


def units_small(device: str = "cpu") -> "Coder":
    """Return the coder of `--model units-small`: clusters of projected MFCC, 128 at 25 Hz, in 89 kB."""
    from vqspeech.models.coder import Coder

    return Coder.from_pretrained("units-small", device)


def voice(device: str = "cpu") -> "VQVAE":
    """Return the model of `--model voice`: conversion to the voice of any recording."""
    from vqspeech import VQVAE

    return VQVAE.from_pretrained("voice", device)


def world(device: str = "cpu") -> "VQVAE":
    """Return the model of `--model world`: voice conversion with the WORLD decoder."""
    from vqspeech import VQVAE

    return VQVAE.from_pretrained("world", device)
