"""Prior over the codes of images: a PixelCNN, conditioned on the class if classes are known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqspeech.errors import ConfigError, UnitsError
from vqspeech.models.pretrained import Pretrained
from vqspeech.progress import track
from vqspeech.schema import check_groups
from vqspeech.vision.data.code_batches import CodeBatch, CodeBatches, to_grids, to_maps
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.pixelcnn import PRIOR, PixelCNN, build_pixelcnn
from vqspeech.vision.models.pixelcnn_cache import sample_codes

BATCH = 32
"""Images that are scored or drawn at once."""


def describe_codes(codes: ImageCodes) -> dict[str, Any]:
    """Describe codes for a prior: {"codes", "shape", "model", "sha256"}; the shape is (latents, rows, columns)."""
    _, height, width = codes.codes.shape
    shape = [codes.latents, height, width // codes.latents]
    return {"codes": codes.size, "shape": shape, "model": codes.model, "sha256": codes.sha256}


def require_same_codes(codes: Mapping[str, Any], learned: Mapping[str, Any], what: str) -> None:
    """Compare codes with those that a prior was trained on, both as `describe_codes` gives them.

    Args:
        codes: The codes.
        learned: Those of the prior.
        what: What has the codes, for the message.

    Raises:
        UnitsError: Their number, shape or hash differs.
    """
    for key in ("codes", "shape", "sha256"):
        if codes[key] != learned[key]:
            raise UnitsError(
                f"{what} has other codes than the prior was trained on ({key} {str(codes[key])[:12]}, not "
                f"{str(learned[key])[:12]}); use the model they were made by, {learned['model']}, or one for its codes"
            )


class ImagePrior(Pretrained):
    """Prior over the codes of images.

    Args:
        config: Group `prior`; its conditioning dropout is the share of images whose class is hidden in training, so
            that the prior also works without.
        classes: Names of the classes.
        codes: The codes, see `describe_codes`.

    Raises:
        ConfigError: The configuration names something unknown.
    """

    def __init__(self, config: Mapping[str, Any], classes: Sequence[str], codes: Mapping[str, Any]):
        super().__init__()
        self.config, self.classes, self.codes = check_groups(config, self.groups), list(classes), dict(codes)
        options, self.size = self.config["prior"], int(codes["codes"])
        self.condition_dropout = float(options["condition_dropout"])
        self.network = build_pixelcnn(options, size=self.size, shape=codes["shape"], classes=len(self.classes))

    groups = {"prior": PRIOR}
    fields = ("classes", "codes")
    expected = "no prior over codes of images; name one of `vqspeech vision prior`"

    @classmethod
    def recognises(cls, metadata: Mapping[str, Any]) -> bool:
        """Return whether metadata describe an `ImagePrior`; those of a `TopVQVAE` have a group `prior`, too."""
        config = metadata.get("config", {})
        return "codes" in metadata and "prior" in config and "top" not in config

    # Training

    @torch.no_grad()
    def fit(self, codes: ImageCodes) -> None:
        """Initialise the output biases to the unigram of the codes."""
        start_at_unigram(self.network, codes)

    def batches(self, codes: ImageCodes) -> CodeBatches:
        """Return batches of codes.

        Raises:
            UnitsError: The codes are not those of the prior.
            ImageError: The classes are not those of the prior.
        """
        require_same_codes(describe_codes(codes), self.codes, str(codes.path))
        return CodeBatches(codes, self.classes)

    def forward(self, batch: CodeBatch) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return {"nll": cross-entropy in nats a code}, the codes, and the mask of those that count (all)."""
        classes = batch.classes
        if self.training:
            classes = classes * (torch.rand(classes.shape, device=classes.device) >= self.condition_dropout)
        nll = self.network.loss(batch.codes, classes).mean()
        return {"nll": nll}, batch.codes, torch.ones_like(batch.codes, dtype=torch.bool)

    # Inference

    def class_index(self, name: str | None) -> int:
        """Return 1 + the number of a class, or 0 for None (unknown).

        Raises:
            ConfigError: The prior has no such class.
        """
        if name is not None and name not in self.classes:
            raise ConfigError(f"the prior has no class '{name}'; it has {', '.join(self.classes[:10]) or 'none'}")
        return 0 if name is None else 1 + self.classes.index(name)

    @torch.inference_mode()
    def bits(self, codes: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return -log2 p of each code given those before it: float64 of the shape of `codes`.

        Args:
            codes: Maps `(n, height, width * latents)`.
            classes: int `(n,)`, 0 if unknown.
        """
        found = np.empty(codes.shape)
        for start in track(range(0, len(codes), BATCH), "scoring"):
            part = slice(start, start + BATCH)
            grid = to_grids(codes[part], self.network.shape[0]).to(self.device)
            labels = torch.from_numpy(np.asarray(classes[part])).to(self.device)
            found[part] = to_maps(self.network.loss(grid, labels).double() / np.log(2))
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
        """Draw a map for each class; the draws of a map do not depend on the others.

        Args:
            classes: Names, None for unknown.
            temperature: Divides the logits; 0 takes the most probable code.
            top_p: Probability mass of the most probable codes that are drawn from.
            seed: Seed of the draws.
            given: The first rows of each map, `(n, rows, width * latents)`.
            progress: Whether progress is reported.

        Returns:
            int64 `(n, height, width * latents)`.
        """
        labels = torch.tensor([self.class_index(name) for name in classes], device=self.device)
        numbers = draw_uniforms(len(classes), self.network.shape, seed).to(self.device)
        rows = None if given is None else to_grids(given, self.network.shape[0]).to(self.device)
        parts = [slice(start, start + BATCH) for start in range(0, len(labels), BATCH)]
        drawn = [
            sample_codes(
                self.network, numbers[part], labels[part], temperature=temperature, top_p=top_p,
                given=None if rows is None else rows[part], progress=progress,
            )
            for part in parts
        ]  # fmt: skip
        return to_maps(torch.cat(drawn))


def draw_uniforms(n: int, shape: Sequence[int], seed: int) -> Tensor:
    """Draw uniform numbers float32 `(n, *shape)`; those of item i depend on (seed, i) alone."""
    numbers = [np.random.default_rng((seed, i)).random(tuple(shape), dtype=np.float32) for i in range(n)]
    return torch.from_numpy(np.stack(numbers))


@torch.no_grad()
def start_at_unigram(network: PixelCNN, codes: ImageCodes) -> None:
    """Set the output biases of a PixelCNN to the log unigram of the codes, for each latent."""
    channels = network.shape[0]
    counts = [
        np.bincount(np.ravel(codes.codes[:, :, c::channels]), minlength=network.size) + 1.0 for c in range(channels)
    ]
    logs = np.concatenate([np.log(one / one.sum()) for one in counts])
    network.logits.get_parameter("bias").copy_(torch.from_numpy(logs))
