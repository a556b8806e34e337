"""Models of images: encoder, decoder and likelihoods, and VAE, VQ-VAE and VIMCO made of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from vqspeech.schema import find_class
from vqspeech.vision.models.autoencoder import Autoencoder, CodeModel
from vqspeech.vision.models.vae import VAE
from vqspeech.vision.models.vimco import VIMCO
from vqspeech.vision.models.vqvae import VQVAE

MODELS: dict[str, type[Autoencoder]] = {"vae": VAE, "vqvae": VQVAE, "vimco": VIMCO}
"""Models by name."""

__all__ = [
    "MODELS",
    "VAE",
    "VIMCO",
    "VQVAE",
    "Autoencoder",
    "CodeModel",
    "build_image_model",
    "find_model_class",
]


def build_image_model(config: Mapping[str, Any], shape: Sequence[int]) -> Autoencoder:
    """Build the model of a configuration, for images of `shape` (channels, height, width).

    Raises:
        ConfigError: The configuration describes something else, or names something unknown.
    """
    return find_model_class(config)(config, shape)


def find_model_class(config: Any) -> type[Autoencoder]:
    """Return the class of the model that a configuration describes.

    Raises:
        ConfigError: The configuration describes something else.
    """
    return find_class(config, MODELS, "of images")
