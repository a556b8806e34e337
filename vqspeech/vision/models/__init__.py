"""Models of images: encoder, decoder, likelihoods; VAE, VQ-VAE and VIMCO made of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.models import checkpoint
from vqspeech.vision.models.autoencoder import Autoencoder, CodeModel
from vqspeech.vision.models.vae import VAE
from vqspeech.vision.models.vimco import VIMCO
from vqspeech.vision.models.vqvae import VQVAE

MODELS: dict[str, Callable[..., Autoencoder]] = {"vae": VAE, "vqvae": VQVAE, "vimco": VIMCO}
"""Models by name."""

__all__ = ["MODELS", "VAE", "VIMCO", "VQVAE", "Autoencoder", "CodeModel", "code_model", "image_model", "pretrained"]


def image_model(config: Mapping[str, Any], shape: Sequence[int]) -> Autoencoder:
    """The model of a configuration, for images of `shape` (channels, height, width).

    Raises `ConfigError` where the configuration is of something else, or names something unknown.
    """
    name = config.get("model", {}).get("name")
    if name not in MODELS:
        raise ConfigError(f"the configuration is of no model of images ({name}); there are {', '.join(MODELS)}")
    return MODELS[name](config, shape)


def pretrained(path: str | Path, device: str | torch.device = "cpu") -> Autoencoder:
    """The trained model of a checkpoint, or of an experiment folder, ready for use.

    Raises `CheckpointError` where there is none, or it is of something else.
    """
    path = checkpoint.best(path)
    tensors, about = checkpoint.read(path, "model.", device)
    if "shape" not in about or "config" not in about:
        raise CheckpointError(f"{path}: not a model of images; name one that `vqspeech vision train` made")
    model = image_model(about["config"], about["shape"]).to(device)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: its weights do not fit its configuration ({error}); train again") from None
    return model.eval()


def code_model(path: str | Path, device: str | torch.device = "cpu") -> CodeModel:
    """As `pretrained`, of a model with codes. Raises `ConfigError` where it has none."""
    model = pretrained(path, device)
    if not isinstance(model, CodeModel):
        raise ConfigError(f"{path}: {model.config['model']['name']} has no codes; name a VQ-VAE")
    return model
