"""vqspeech: discrete speech units, voice conversion and unconditional speech from raw audio.

from vqspeech import VQVAE
model = VQVAE.from_pretrained()
codes = model.encode(wave)
other = model.convert(wave, speaker="1089")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vqspeech.models.vqvae import VQVAE

__version__ = "0.1.0"
__all__ = ["VQVAE", "__version__"]


def __getattr__(name: str) -> Any:
    # At its first use: the commands that only handle data need no torch.
    if name == "VQVAE":
        from vqspeech.models.vqvae import VQVAE

        return VQVAE
    raise AttributeError(f"module 'vqspeech' has no attribute '{name}'")
