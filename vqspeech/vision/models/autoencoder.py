"""Base classes of the image models: convolutional encoder and decoder, likelihood, maps of codes."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from vqspeech.errors import ConfigError, ImageError
from vqspeech.models.pretrained import Pretrained, hash_weights
from vqspeech.schema import Width, check_groups
from vqspeech.vision.data.batches import ImageBatch
from vqspeech.vision.models.likelihood import LIKELIHOOD, Likelihood
from vqspeech.vision.models.network import NETWORK, Decoder, Encoder

Kind = TypeVar("Kind", bound="Autoencoder")
Losses = tuple[dict[str, Tensor], Tensor, Tensor]
"""Losses by name, in nats a dimension, whose sum is minimised; the codes; the mask of those that count."""


@dataclass(frozen=True)
class Latents:
    """Options of the group `model`.

    Attributes:
        latents: Latents a place.
        dimension: Dimension of a latent.
    """

    latents: Width
    dimension: Width


class Autoencoder(Pretrained, ABC):
    """Autoencoder with `model.latents` latents of `model.dimension` numbers at every place of a map.

    Args:
        config: Groups `model`, `network`, `likelihood`, and `quantizer` for a model with codes.
        shape: (channels, height, width) of the images.

    Raises:
        ConfigError: The configuration names something unknown or does not fit the images.
    """

    def __init__(self, config: Mapping[str, Any], shape: Sequence[int]):
        super().__init__()
        config = self.config = check_groups(config, self.groups)
        self.shape = (int(shape[0]), int(shape[1]), int(shape[2]))
        self.latents, self.dimension = config["model"]["latents"], config["model"]["dimension"]
        self.likelihood: Likelihood = LIKELIHOOD.make(config["likelihood"], channels=self.shape[0])
        self.encoder = Encoder(self.shape[0], self.latents * self.count_outputs(config["model"]), **config["network"])
        self.decoder = Decoder(self.latents * self.dimension, self.likelihood.outputs, **config["network"])
        factor = 2 ** int(config["network"]["halvings"])
        if self.shape[1] % factor or self.shape[2] % factor:
            raise ConfigError(
                f"images of {self.shape[1]}x{self.shape[2]} cannot be made {factor} times smaller; "
                "choose another size, or network.halvings"
            )
        self.places = (self.shape[1] // factor, self.shape[2] // factor)

    groups = {"network": NETWORK, "likelihood": LIKELIHOOD}
    """Each model adds `model`, with its own options."""
    fields = ("shape",)
    expected = "not a model of images; name one that `vqspeech vision train` made"

    @classmethod
    def from_metadata(cls: type[Kind], metadata: Mapping[str, Any]) -> Kind:
        """As `Pretrained.from_metadata`, of the kind of model that the configuration names."""
        from vqspeech.vision.models import build_image_model

        return cast(Kind, build_image_model(metadata["config"], metadata["shape"]))

    @staticmethod
    @abstractmethod
    def count_outputs(options: Mapping[str, Any]) -> int:
        """Return the number of encoder outputs for each latent, from the options of the group `model`."""

    codes = 0
    """Number of codes; 0 for a model without codes."""

    @property
    def dimensions(self) -> int:
        """Pixels times channels of an image."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def code_shape(self) -> tuple[int, int]:
        """Rows and columns of the map of codes; the latents of a place lie side by side in its row."""
        return self.places[0], self.places[1] * self.latents

    def encode_vectors(self, images: Tensor) -> Tensor:
        """Encode images uint8 to vectors `(batch, outputs, time)`.

        Time runs over the places row by row, and over the latents of each place.
        """
        x = self.encoder(images.float() / 127.5 - 1)
        return x.unflatten(1, (self.latents, -1)).permute(0, 2, 3, 4, 1).flatten(2)

    def decode_vectors(self, vectors: Tensor) -> Tensor:
        """Decode vectors `(batch, dimension, time)` to likelihood inputs `(batch, outputs, height, width)`."""
        x = vectors.unflatten(2, (*self.places, self.latents)).permute(0, 4, 1, 2, 3)
        return self.decoder(x.flatten(1, 2))

    @abstractmethod
    def forward(self, batch: ImageBatch) -> Losses:
        """Return losses, codes and mask of a batch."""

    @abstractmethod
    def bound(self, images: Tensor) -> Tensor:
        """Return a lower bound of log p(x) of images uint8 `(batch, channels, height, width)`, in nats: `(batch,)`."""

    @abstractmethod
    def reconstruct(self, images: Tensor) -> Tensor:
        """Encode images and decode them again: uint8, of the same shape."""

    def check_images(self, images: Tensor) -> Tensor:
        """Move images to the model's device.

        Raises:
            ImageError: They are not uint8, or have another shape than those of the model.
        """
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != self.shape:
            raise ImageError(
                f"{images.dtype} images of {tuple(images.shape[1:])}, the model has uint8 of {self.shape}; "
                "prepare them as those it was trained on"
            )
        return images.to(self.device)

    def fingerprint(self) -> str:
        """Return the SHA-256 of what makes codes: configuration and weights, except those of the decoder."""
        state = {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("decoder.")}
        return hash_weights([state], json.dumps(self.config["model"], sort_keys=True).encode())


class CodeModel(Autoencoder):
    """Image model with codes: maps int64 `(batch, height, width)`, see `code_shape`."""

    @classmethod
    def from_pretrained(cls: type[Kind], path: str | Path, device: str | torch.device = "cpu") -> Kind:
        """Load a model as `Pretrained.from_pretrained` does.

        Raises:
            ConfigError: The model has no codes.
        """
        model = super().from_pretrained(path, device)
        if not isinstance(model, CodeModel):
            raise ConfigError(f"{path}: {model.config['model']['name']} has no codes; name a VQ-VAE")
        return model

    @abstractmethod
    def lookup(self, codes: Tensor) -> Tensor:
        """Return the vectors `(batch, dimension, time)` of codes `(batch, time)`."""

    @abstractmethod
    def choose_codes(self, images: Tensor) -> Tensor:
        """Return the codes of images: int64 `(batch, time)`."""

    @torch.inference_mode()
    def encode(self, images: Tensor) -> Tensor:
        """Encode images uint8 to codes int64 `(batch, height, width)`.

        Raises:
            ImageError: The images have another shape than those of the model.
        """
        return self.choose_codes(self.check_images(images)).view(-1, *self.code_shape)

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """Decode codes `(batch, height, width)` to the mean images: uint8 `(batch, channels, height, width)`."""
        return self.likelihood.round_mean(self.decode_vectors(self.lookup(codes.to(self.device).flatten(1))))

    @torch.inference_mode()
    def log_likelihood(self, images: Tensor, codes: Tensor) -> Tensor:
        """Return log p(x|z) of images uint8 given codes `(batch, height, width)`, in nats: `(batch,)`."""
        outputs = self.decode_vectors(self.lookup(codes.to(self.device).flatten(1)))
        return self.likelihood.log_prob(outputs, self.check_images(images))

    def reconstruct(self, images: Tensor) -> Tensor:
        """Encode images and decode their codes."""
        return self.decode(self.encode(images))
