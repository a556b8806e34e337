"""Prior over the codes of video, with any `VideoNetwork`: training on clips, scoring, rollouts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vqspeech.errors import ImageError
from vqspeech.models.pretrained import Pretrained
from vqspeech.progress import track
from vqspeech.schema import Kinds, Share, check_groups
from vqspeech.vision.data.clips import ClipBatch, Clips
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.prior import describe_codes, draw_uniforms, require_same_codes
from vqspeech.vision.models.video.network import VideoNetwork
from vqspeech.vision.models.video.pixelcnn import PixelCNNVideo
from vqspeech.vision.models.video.transformer import TransformerVideo

NETWORKS: dict[str, type[VideoNetwork]] = {"pixelcnn": PixelCNNVideo, "transformer": TransformerVideo}
"""Networks by name: one like the paper's, and another."""
VIDEO = Kinds(
    "video", NETWORKS, given=("size", "shape", "actions"), extra={"condition_dropout": Share}, label="prior over video"
)
"""The group `video` of a configuration."""
BATCH = 8
"""Clips that are scored at once."""


class VideoPrior(Pretrained):
    """Action-conditioned prior over the codes of video.

    Args:
        config: Group `video`; its conditioning dropout is the share of clips whose actions are hidden in training, so
            that the prior also works without.
        actions: Names of the actions.
        codes: The codes, see `vision.models.prior.describe_codes`.

    Raises:
        ConfigError: The configuration names something unknown.
    """

    def __init__(self, config: Mapping[str, Any], actions: Sequence[str], codes: Mapping[str, Any]):
        super().__init__()
        self.config, self.actions, self.codes = check_groups(config, self.groups), list(actions), dict(codes)
        latents, height, width = codes["shape"]
        self.size, self.shape = int(codes["codes"]), (height, width * latents)
        options = self.config["video"]
        self.condition_dropout = float(options["condition_dropout"])
        self.network: VideoNetwork = VIDEO.make(options, size=self.size, shape=self.shape, actions=len(self.actions))

    groups = {"video": VIDEO}
    fields = ("actions", "codes")
    expected = "no prior over video; name one that `vqspeech vision prior-video` made"

    @classmethod
    def recognises(cls, metadata: Mapping[str, Any]) -> bool:
        """Return whether metadata describe a `VideoPrior`."""
        return "video" in metadata.get("config", {})

    # Training

    def fit(self, codes: ImageCodes) -> None:
        """Initialise the network from statistics of the codes, see `VideoNetwork.initialise`."""
        self.network.initialise(codes, self.actions)

    def clips(self, codes: ImageCodes, length: int) -> Clips:
        """Return clips of `length` frames.

        Raises:
            UnitsError: The codes are not those of the prior, or of frames of another size.
            ImageError: An action is unknown, or all episodes are shorter.
        """
        require_same_codes(describe_codes(codes), self.codes, str(codes.path))
        return Clips(codes, length, self.actions)

    def forward(self, batch: ClipBatch) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return {"nll": cross-entropy in nats a code}, the codes, and the mask of those that count (all)."""
        actions = batch.actions
        if self.training:
            actions = actions * (torch.rand(len(actions), 1, device=actions.device) >= self.condition_dropout)
        logits = self.network(batch.codes, actions).float()
        return (
            {"nll": F.cross_entropy(logits, batch.codes)},
            batch.codes,
            torch.ones_like(batch.codes, dtype=torch.bool),
        )

    # Inference

    def action_index(self, name: str | None) -> int:
        """Return 1 + the number of an action, or 0 for None (unknown).

        Raises:
            ImageError: The prior has no such action.
        """
        if name is not None and name not in self.actions:
            raise ImageError(
                f"the prior has no action '{name}'; it has {', '.join(self.actions) or 'none: leave them out'}"
            )
        return 0 if name is None else 1 + self.actions.index(name)

    @torch.inference_mode()
    def bits(self, codes: Tensor, actions: Tensor) -> np.ndarray:
        """Return -log2 p of each code given all before it: float64 of the shape of `codes`.

        Args:
            codes: Clips `(clips, time, height, width)`.
            actions: `(clips, time)`.
        """
        found = np.empty(codes.shape)
        for start in track(range(0, len(codes), BATCH), "scoring"):
            some = slice(start, start + BATCH)
            clips = codes[some].to(self.device)
            found[some] = _bits(self.network(clips, actions[some].to(self.device)), clips)
        return found

    @torch.inference_mode()
    def frame_bits(self, codes: Tensor, condition: Tensor) -> np.ndarray:
        """Return -log2 p of each code of frames `(batch, height, width)` given a condition each."""
        return _bits(self.network.logits(codes, condition), codes)

    @torch.inference_mode()
    def sample(
        self,
        given: Tensor,
        actions: Tensor,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        seed: int = 0,
        progress: bool = True,
    ) -> Tensor:
        """Roll out frames from given ones; the draws of an item do not depend on the other items of the batch.

        Args:
            given: Frames to continue `(batch, past, height, width)`; there may be none.
            actions: Actions at every frame except the last `(batch, past + frames - 1)`: 1 + the number, or 0 if
                unknown.
            temperature: Divides the logits; 0 takes the most probable code.
            top_p: Probability mass of the most probable codes that are drawn from.
            seed: Seed of the draws.
            progress: Whether progress is reported.

        Returns:
            int64 `(batch, frames, height, width)`.
        """
        (lanes, past), frames = given.shape[:2], actions.shape[1] + 1 - given.shape[1]
        numbers = draw_uniforms(lanes, (frames, *self.shape), seed).to(self.device)
        actions = actions.to(self.device)
        remembered, condition = self.network.prime(given.to(self.device), actions[:, :past])
        codes = torch.empty(lanes, frames, *self.shape, dtype=torch.long, device=self.device)
        for i in track(range(frames), "imagining", "frame", shown=progress):
            codes[:, i] = self.network.draw(numbers[:, i], condition, temperature, top_p)
            if i + 1 < frames:
                condition = remembered(codes[:, i], actions[:, past + i])
        return codes.cpu()


def _bits(logits: Tensor, codes: Tensor) -> np.ndarray:
    """Return -log2 p of codes `(batch, …)`, given logits `(batch, size, …)`."""
    return F.cross_entropy(logits.float(), codes, reduction="none").cpu().double().numpy() / np.log(2)
