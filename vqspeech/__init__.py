"""vqspeech: discrete speech units, voice conversion and unconditional speech from raw audio.

import vqspeech
wave = vqspeech.convert("a.wav", like="b.wav")  # float32 (samples,) at 16 kHz
codes = vqspeech.units("a.wav")  # int64 (codes,), 25 a second

model = vqspeech.VQVAE.from_pretrained()
codes = model.encode(wave)
other = model.convert(wave, speaker="1089")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vqspeech.models.vqvae import VQVAE
    from vqspeech.recordings import convert, units

__version__ = "0.1.0"
__all__ = ["VQVAE", "__version__", "convert", "units"]
_MODULES = {"VQVAE": "vqspeech.models.vqvae", "convert": "vqspeech.recordings", "units": "vqspeech.recordings"}


def __getattr__(name: str) -> Any:
    # At its first use: the commands that only handle data need no torch.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'vqspeech' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
