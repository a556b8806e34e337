"""Models of images: encoder, decoder, likelihoods; VAE, VQ-VAE and VIMCO made of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from vqspeech.errors import ConfigError
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
    "image_kind",
    "image_model",
]


def image_model(config: Mapping[str, Any], shape: Sequence[int]) -> Autoencoder:
    """The model of a configuration, for images of `shape` (channels, height, width).

    Raises `ConfigError` where the configuration is of something else, or names something unknown.
    """
    return image_kind(config)(config, shape)


def image_kind(config: Any) -> type[Autoencoder]:
    """The class of the model of a configuration. Raises `ConfigError` as `image_model`."""
    model = config.get("model") if isinstance(config, Mapping) else None
    name = model.get("name") if isinstance(model, Mapping) else None
    if not isinstance(name, str) or name not in MODELS:
        raise ConfigError(f"the configuration is of no model of images ({name}); there are {', '.join(MODELS)}")
    return MODELS[name]
