"""What the image models share: convolutions both ways, a likelihood, codes as maps, and how they are kept."""

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
"""Losses by name, whose sum is minimised, in nats a dimension; the codes; the mask of those that count."""


@dataclass(frozen=True)
class Latents:
    """Options of the group `model`: how many latents a place has, and of how many numbers each."""

    latents: Width
    dimension: Width


class Autoencoder(Pretrained, ABC):
    """A model as its configuration describes it (groups `model`, `network`, `likelihood`, for codes `quantizer`), for
    images of `shape` (channels, height, width).

    `model.latents` of `model.dimension` numbers each stand at every place of the map. Raises `ConfigError` where the
    configuration names something unknown or does not fit.
    """

    def __init__(self, config: Mapping[str, Any], shape: Sequence[int]):
        super().__init__()
        config = self.config = check_groups(config, self.groups)
        self.shape = (int(shape[0]), int(shape[1]), int(shape[2]))
        self.latents, self.dimension = config["model"]["latents"], config["model"]["dimension"]
        self.likelihood: Likelihood = LIKELIHOOD.make(config["likelihood"], channels=self.shape[0])
        self.encoder = Encoder(self.shape[0], self.latents * self.outputs(config["model"]), **config["network"])
        self.decoder = Decoder(self.latents * self.dimension, self.likelihood.outputs, **config["network"])
        factor = 2 ** int(config["network"]["halvings"])
        if self.shape[1] % factor or self.shape[2] % factor:
            raise ConfigError(
                f"images of {self.shape[1]}x{self.shape[2]} cannot be made {factor} times smaller; "
                "choose another size, or network.halvings"
            )
        self.places = (self.shape[1] // factor, self.shape[2] // factor)

    groups = {"network": NETWORK, "likelihood": LIKELIHOOD}
    """Each model adds `model`, whose options are its own."""
    fields = ("shape",)
    expected = "not a model of images; name one that `vqspeech vision train` made"

    @classmethod
    def from_metadata(cls: type[Kind], metadata: Mapping[str, Any]) -> Kind:
        """As `Pretrained.from_metadata`, of the kind of model that the configuration names."""
        from vqspeech.vision.models import image_model

        return cast(Kind, image_model(metadata["config"], metadata["shape"]))

    @staticmethod
    @abstractmethod
    def outputs(options: Mapping[str, Any]) -> int:
        """Numbers that the encoder gives for each latent, by the options of the group `model`."""

    codes = 0
    """How many codes there are; 0 for a model without."""

    @property
    def dimensions(self) -> int:
        """Numbers an image has: pixels times channels."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def code_shape(self) -> tuple[int, int]:
        """Rows and columns of the map of codes: the latents of a place stand side by side in its row."""
        return self.places[0], self.places[1] * self.latents

    def encoded(self, images: Tensor) -> Tensor:
        """Encoder output `(batch, outputs, time)` of images uint8: time counts the latents of all places, row by row,
        the latents of a place after each other."""
        x = self.encoder(images.float() / 127.5 - 1)
        return x.unflatten(1, (self.latents, -1)).permute(0, 2, 3, 4, 1).flatten(2)

    def decoded(self, vectors: Tensor) -> Tensor:
        """What the likelihood needs `(batch, outputs, height, width)`, of vectors `(batch, dimension, time)`."""
        x = vectors.unflatten(2, (*self.places, self.latents)).permute(0, 4, 1, 2, 3)
        return self.decoder(x.flatten(1, 2))

    @abstractmethod
    def forward(self, batch: ImageBatch) -> Losses:
        """Losses, codes and mask of a batch."""

    @abstractmethod
    def bound(self, images: Tensor) -> Tensor:
        """A lower bound of log p(x) of images uint8 `(batch, channels, height, width)`, in nats: `(batch,)`."""

    @abstractmethod
    def reconstruct(self, images: Tensor) -> Tensor:
        """Images through the latents and back: uint8, as they were."""

    def checked(self, images: Tensor) -> Tensor:
        """The images on the model's device. Raises `ImageError` where they are not uint8, or of another shape."""
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
    """An image model with codes: maps int64 `(batch, height, width)`, see `code_shape`."""

    @classmethod
    def from_pretrained(cls: type[Kind], path: str | Path, device: str | torch.device = "cpu") -> Kind:
        """As `Pretrained.from_pretrained`. Raise `ConfigError` also where the model has no codes."""
        model = super().from_pretrained(path, device)
        if not isinstance(model, CodeModel):
            raise ConfigError(f"{path}: {model.config['model']['name']} has no codes; name a VQ-VAE")
        return model

    @abstractmethod
    def lookup(self, codes: Tensor) -> Tensor:
        """Vectors `(batch, dimension, time)` of codes `(batch, time)`."""

    @abstractmethod
    def chosen(self, images: Tensor) -> Tensor:
        """The codes of images `(batch, time)`, int64."""

    @torch.inference_mode()
    def encode(self, images: Tensor) -> Tensor:
        """Codes int64 `(batch, height, width)` of images uint8. Raises `ImageError` for another shape."""
        return self.chosen(self.checked(images)).view(-1, *self.code_shape)

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """The mean images of codes `(batch, height, width)`: uint8 `(batch, channels, height, width)`."""
        return self.likelihood.best(self.decoded(self.lookup(codes.to(self.device).flatten(1))))

    @torch.inference_mode()
    def log_likelihood(self, images: Tensor, codes: Tensor) -> Tensor:
        """log p(x|z) of images uint8 given codes `(batch, height, width)`, in nats: `(batch,)`."""
        outputs = self.decoded(self.lookup(codes.to(self.device).flatten(1)))
        return self.likelihood.log_prob(outputs, self.checked(images))

    def reconstruct(self, images: Tensor) -> Tensor:
        return self.decode(self.encode(images))
