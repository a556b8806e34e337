"""Models of images: encoder, decoder, likelihoods; VAE, VQ-VAE and VIMCO made of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.models import checkpoint
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
    "code_model",
    "image_kind",
    "image_model",
    "pretrained",
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


def pretrained(path: str | Path, device: str | torch.device = "cpu") -> Autoencoder:
    """The trained model of a checkpoint, or of an experiment folder, ready for use.

    Raises `CheckpointError` where there is none, or it is of something else.
    """
    path = checkpoint.best(path)
    tensors, about = checkpoint.read(path, "model.", device)
    if "shape" not in about or "config" not in about:
        raise CheckpointError(f"{path}: not a model of images; name one that `vqspeech vision train` made")
    return checkpoint.restored(path, tensors, lambda: image_model(about["config"], about["shape"]), device)


def code_model(path: str | Path, device: str | torch.device = "cpu") -> CodeModel:
    """As `pretrained`, of a model with codes. Raises `ConfigError` where it has none."""
    model = pretrained(path, device)
    if not isinstance(model, CodeModel):
        raise ConfigError(f"{path}: {model.config['model']['name']} has no codes; name a VQ-VAE")
    return model
