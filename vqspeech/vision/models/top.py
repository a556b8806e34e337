"""Second VQ-VAE (1711.00937, section 4.2): a few latents for a whole map of codes, with a PixelCNN as decoder.

A PixelCNN can ignore its latents, and those of a VAE then collapse (posterior collapse). Here a code costs the same
whether it is used or not, and the decoder sees a limited part of the earlier codes, some of them hidden in training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.errors import ConfigError
from vqspeech.models.pretrained import Pretrained
from vqspeech.models.quantize import QUANTIZER, Codebook, SeparateCodebooks
from vqspeech.schema import Options, Width, check_groups
from vqspeech.vision.data.code_batches import CodeBatch, CodeBatches, to_grids, to_maps
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.network import Blocks, ResidualBlock
from vqspeech.vision.models.pixelcnn import PRIOR, build_pixelcnn
from vqspeech.vision.models.pixelcnn_cache import sample_codes
from vqspeech.vision.models.prior import BATCH, describe_codes, draw_uniforms, require_same_codes, start_at_unigram

HALVINGS = 2
"""Strided convolutions between the map of codes and the latents."""


@dataclass(frozen=True)
class TopOptions:
    """Options of the group `top`.

    Attributes:
        latents: Number of latents.
        dimension: Dimension of a latent.
        channels: Channels of encoder and condition.
        blocks: Residual blocks of each.
        codebooks: A codebook for each latent (`own`), or one for all (`shared`).
    """

    latents: Width
    dimension: Width
    channels: Width
    blocks: Blocks
    codebooks: Literal["own", "shared"] = "shared"


class MapEncoder(nn.Module):
    """Encode a map of codes int `(batch, channels, height, width)` to vectors `(batch, dimension, latents)`.

    Every component is normalised to mean 0 and deviation 1 over the batch. Without that, a latent may lie at one place
    for all maps, far from the other latents only: one code each, a collapse that the commitment loss makes permanent.
    """

    def __init__(
        self, size: int, shape: tuple[int, int, int], latents: int, dimension: int, channels: int, blocks: int
    ):
        super().__init__()
        self.latents, self.size = latents, size
        self.embedding = nn.Embedding(shape[0] * size, channels)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, channels, 4, stride=2, padding=1) for _ in range(HALVINGS)
        )
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        places = (shape[1] >> HALVINGS) * (shape[2] >> HALVINGS)
        if not places:
            raise ConfigError(f"maps of {shape[1]}x{shape[2]} codes are too small for a second level; use at least 4x4")
        self.projection = nn.Linear(channels * places, latents * dimension)
        self.norm = nn.BatchNorm1d(latents * dimension, affine=False)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the vectors."""
        offsets = torch.arange(codes.shape[1], device=codes.device)[:, None, None] * self.size
        x = self.embedding(codes + offsets).sum(1).permute(0, 3, 1, 2)
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        x = self.norm(self.projection(F.relu(self.blocks(x)).flatten(1)))
        return x.unflatten(1, (self.latents, -1)).transpose(1, 2)


class MapDecoder(nn.Module):
    """Decode vectors `(batch, dimension, latents)` to a condition `(batch, channels, height, width)`."""

    def __init__(self, shape: tuple[int, int, int], latents: int, dimension: int, channels: int, blocks: int):
        super().__init__()
        self.shape, self.small = shape, [-(-side // 2**HALVINGS) for side in shape[1:]]
        self.projection = nn.Linear(latents * dimension, channels * self.small[0] * self.small[1])
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.convolutions = nn.ModuleList(
            nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1) for _ in range(HALVINGS)
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the condition."""
        x = self.projection(vectors.flatten(1)).unflatten(1, (-1, *self.small))
        x = F.relu(self.blocks(x))
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        return x[:, :, : self.shape[1], : self.shape[2]]


class TopVQVAE(Pretrained):
    """VQ-VAE over maps of codes.

    `top.latents` vectors of `top.dimension` numbers have a codebook each (`top.codebooks: own`, as in the paper) or
    share one (`shared`, also for checkpoints that do not say). The conditioning dropout of the group `prior` is the
    share of maps whose condition is 0 in training, so that its bits without latents can be measured.

    Args:
        config: Groups `top`, `quantizer`, `prior`.
        codes: The codes, see `describe_codes`.

    Raises:
        ConfigError: The configuration names something unknown.
    """

    def __init__(self, config: Mapping[str, Any], codes: Mapping[str, Any]):
        super().__init__()
        config, self.codes = check_groups(config, self.groups), dict(codes)
        self.config, options, top = config, config["prior"], config["top"]
        self.condition_dropout, size = float(options["condition_dropout"]), int(codes["codes"])
        self.network = build_pixelcnn(options, size=size, shape=codes["shape"], condition=top["channels"])
        sizes = {name: value for name, value in top.items() if name != "codebooks"}
        self.encoder = MapEncoder(self.network.size, self.network.shape, **sizes)
        self.spread = MapDecoder(self.network.shape, **sizes)
        own = TopOptions(**top).codebooks == "own"
        books = [
            QUANTIZER.make(config["quantizer"], dimension=top["dimension"]) for _ in range(top["latents"] if own else 1)
        ]
        self.quantizer: Codebook | SeparateCodebooks = SeparateCodebooks(books) if own else books[0]

    groups = {
        "top": Options(TopOptions),
        "prior": PRIOR,
        "quantizer": QUANTIZER,
    }
    fields = ("codes",)
    expected = "no VQ-VAE over codes; train one with a configuration that has `top`"

    @classmethod
    def recognises(cls, metadata: Mapping[str, Any]) -> bool:
        """Return whether metadata describe a `TopVQVAE`."""
        return "codes" in metadata and "top" in metadata.get("config", {})

    @property
    def size(self) -> int:
        """Number of codes of a latent."""
        return self.quantizer.size

    # Training

    @torch.no_grad()
    def fit(self, codes: ImageCodes) -> None:
        """Initialise the output biases of the decoder to the unigram of the codes."""
        start_at_unigram(self.network, codes)

    def batches(self, codes: ImageCodes) -> CodeBatches:
        """Return batches of codes.

        Raises:
            UnitsError: They are the codes of another model.
        """
        require_same_codes(describe_codes(codes), self.codes, str(codes.path))
        return CodeBatches(codes, [])

    def forward(self, batch: CodeBatch) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return {"nll": nats a code} with the codebook losses, the latents' codes `(batch, latents)`, their mask."""
        vectors = self.encoder(batch.codes)
        mask = torch.ones(len(vectors), vectors.shape[2], dtype=torch.bool, device=vectors.device)
        quantised = self.quantizer(vectors, mask)
        conditioned = torch.rand(len(vectors), 1, 1, 1, device=vectors.device) >= self.condition_dropout * self.training
        nll = self.network.loss(
            batch.codes, torch.zeros_like(batch.classes), self.spread(quantised.vectors) * conditioned
        )
        return {"nll": nll.mean()} | quantised.losses, quantised.codes, mask

    # Inference

    @torch.no_grad()
    def summarise(self, codes: Tensor) -> Tensor:
        """Return the codes of the latents, int64 `(batch, latents)`, of maps `(batch, channels, height, width)`."""
        vectors = self.encoder(codes)
        if isinstance(self.quantizer, SeparateCodebooks):
            return self.quantizer.nearest_codes(vectors)
        return self.quantizer.nearest(vectors.transpose(1, 2).flatten(0, 1)).view(len(codes), -1)

    @torch.no_grad()
    def bits(self, codes: Tensor, latents: Tensor | None) -> Tensor:
        """Return -log2 p of each whole map: float64 `(batch,)`.

        Args:
            codes: Maps `(batch, channels, height, width)`.
            latents: Codes of the latents `(batch, latents)`, or None for a condition of 0.
        """
        nobody = torch.zeros(len(codes), dtype=torch.long, device=codes.device)
        nats = self.network.loss(codes, nobody, self._condition(latents, len(codes)))
        return nats.double().flatten(1).sum(1) / np.log(2)

    @torch.no_grad()
    def sample(self, latents: np.ndarray, seed: int = 0, temperature: float = 1.0, progress: bool = True) -> np.ndarray:
        """Draw a map for the latents `(n, latents)` of each: int64 `(n, height, width * channels)`."""
        numbers, drawn = draw_uniforms(len(latents), self.network.shape, seed).to(self.device), []
        for start in range(0, len(latents), BATCH):
            part = slice(start, start + BATCH)
            given = torch.from_numpy(np.asarray(latents[part])).to(self.device)
            nobody = torch.zeros(len(given), dtype=torch.long, device=self.device)
            condition = self._condition(given, len(given))
            drawn.append(
                sample_codes(self.network, numbers[part], nobody, condition, temperature=temperature, progress=progress)
            )
        return to_maps(torch.cat(drawn))

    def encode(self, codes: np.ndarray) -> np.ndarray:
        """Return the codes of the latents, int64 `(n, latents)`, of stored maps `(n, height, width * channels)`."""
        parts = [codes[start : start + BATCH] for start in range(0, len(codes), BATCH)]
        found = [self.summarise(to_grids(part, self.network.shape[0]).to(self.device)) for part in parts]
        return torch.cat(found).cpu().numpy()

    def _condition(self, latents: Tensor | None, batch: int) -> Tensor:
        if latents is None:
            channels, (_, height, width) = int(self.config["top"]["channels"]), self.network.shape
            return torch.zeros(batch, channels, height, width, device=self.device)
        return self.spread(self.quantizer.lookup(latents))
