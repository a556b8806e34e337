"""The prior over codes of images: a PixelCNN told the class, where classes are known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from vqspeech.errors import ConfigError, UnitsError
from vqspeech.models.pretrained import Pretrained
from vqspeech.schema import check_groups
from vqspeech.vision.data.code_batches import CodeBatch, CodeBatches, grids, maps
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.pixelcnn import PRIOR, PixelCNN, pixelcnn
from vqspeech.vision.models.pixelcnn_cache import sampled

LANES = 32
"""Images that are scored, or drawn, side by side."""


def describe_codes(codes: ImageCodes) -> dict[str, Any]:
    """What a prior must know of codes: {"codes", "shape", "model", "sha256"}; shape is (latents, rows, columns)."""
    _, height, width = codes.codes.shape
    shape = [codes.latents, height, width // codes.latents]
    return {"codes": codes.size, "shape": shape, "model": codes.model, "sha256": codes.sha256}


def require_same(codes: Mapping[str, Any], learned: Mapping[str, Any], what: str) -> None:
    """Raises `UnitsError` where `what` has other codes than were `learned`, both as `described`: by number, shape or
    hash."""
    for key in ("codes", "shape", "sha256"):
        if codes[key] != learned[key]:
            raise UnitsError(
                f"{what} has other codes than were learned from ({key} {str(codes[key])[:12]}, not "
                f"{str(learned[key])[:12]}); use the model they were made by, {learned['model']}, or one for its codes"
            )


class ImagePrior(Pretrained):
    """A prior as its configuration (group `prior`) describes it, for images of `classes` and for codes as `described`.

    The class of a share `withheld` of the images is not told in training, so that the prior can also do without.
    Raises `ConfigError` where the configuration names something unknown.
    """

    def __init__(self, config: Mapping[str, Any], classes: Sequence[str], codes: Mapping[str, Any]):
        super().__init__()
        self.config, self.classes, self.codes = check_groups(config, self.groups), list(classes), dict(codes)
        options, self.size = self.config["prior"], int(codes["codes"])
        self.condition_dropout = float(options["withheld"])
        self.network = pixelcnn(options, size=self.size, shape=codes["shape"], classes=len(self.classes))

    groups = {"prior": PRIOR}
    fields = ("classes", "codes")
    expected = "no prior over codes of images; name one of `vqspeech vision prior`"

    @classmethod
    def recognises(cls, metadata: Mapping[str, Any]) -> bool:
        """As `Pretrained.recognises`; a `TopVQVAE` has a prior among others."""
        config = metadata.get("config", {})
        return "codes" in metadata and "prior" in config and "top" not in config

    # Training

    @torch.no_grad()
    def fit(self, codes: ImageCodes) -> None:
        """Starts it at the unigram of the codes: what no network need learn."""
        start_at_unigram(self.network, codes)

    def batches(self, codes: ImageCodes) -> CodeBatches:
        """Batches of codes. Raises `UnitsError` for other codes, `ImageError` for other classes than the prior's."""
        require_same(describe_codes(codes), self.codes, str(codes.path))
        return CodeBatches(codes, self.classes)

    def forward(self, batch: CodeBatch) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """{"nll": cross-entropy in nats a code}; the codes; a mask: all of them count."""
        classes = batch.classes
        if self.training:
            classes = classes * (torch.rand(classes.shape, device=classes.device) >= self.condition_dropout)
        nll = self.network.loss(batch.codes, classes).mean()
        return {"nll": nll}, batch.codes, torch.ones_like(batch.codes, dtype=torch.bool)

    # Inference

    def label(self, name: str | None) -> int:
        """Index of a class; 0 where it is None, not told. Raises `ConfigError` for a class that it does not know."""
        if name is not None and name not in self.classes:
            raise ConfigError(f"the prior has no class '{name}'; it has {', '.join(self.classes[:10]) or 'none'}")
        return 0 if name is None else 1 + self.classes.index(name)

    @torch.inference_mode()
    def bits(self, codes: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """-log2 p of each code of maps `(n, height, width * latents)` given those before it and classes int `(n,)`, 0
        where not told: float64 of the maps' shape."""
        found = np.empty(codes.shape)
        for start in tqdm(range(0, len(codes), LANES), "scoring", disable=None, leave=False):
            part = slice(start, start + LANES)
            grid = grids(codes[part], self.network.shape[0]).to(self.device)
            told = torch.from_numpy(np.asarray(classes[part])).to(self.device)
            found[part] = maps(self.network.loss(grid, told).double() / np.log(2))
        return found

    def sample(
        self,
        classes: Sequence[str | None],
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        seed: int = 0,
        given: np.ndarray | None = None,
        progress: bool = True,
    ) -> np.ndarray:
        """A map for each class: int64 `(n, height, width * latents)`; the first rows are `given` `(n, rows, …)`.

        A map's draws do not depend on those beside it.
        """
        labels = torch.tensor([self.label(name) for name in classes], device=self.device)
        numbers = uniforms(len(classes), self.network.shape, seed).to(self.device)
        rows = None if given is None else grids(given, self.network.shape[0]).to(self.device)
        parts = [slice(start, start + LANES) for start in range(0, len(labels), LANES)]
        drawn = [
            sampled(
                self.network, numbers[part], labels[part], temperature=temperature, top_p=top_p,
                given=None if rows is None else rows[part], progress=progress,
            )
            for part in parts
        ]  # fmt: skip
        return maps(torch.cat(drawn))


def uniforms(n: int, shape: Sequence[int], seed: int) -> Tensor:
    """The numbers that maps are drawn by: float32 `(n, *shape)`, each map's from (seed, its place) alone."""
    numbers = [np.random.default_rng((seed, i)).random(tuple(shape), dtype=np.float32) for i in range(n)]
    return torch.from_numpy(np.stack(numbers))


@torch.no_grad()
def start_at_unigram(network: PixelCNN, codes: ImageCodes) -> None:
    """Sets the biases of the logits to the unigram of the codes, latent by latent."""
    channels = network.shape[0]
    counts = [
        np.bincount(np.ravel(codes.codes[:, :, c::channels]), minlength=network.size) + 1.0 for c in range(channels)
    ]
    logs = np.concatenate([np.log(one / one.sum()) for one in counts])
    network.logits.get_parameter("bias").copy_(torch.from_numpy(logs))
