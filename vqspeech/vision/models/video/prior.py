"""The prior over the codes of video, whichever network it has: learning from clips, scoring, imagining."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from vqspeech.errors import ImageError
from vqspeech.models.pretrained import Pretrained
from vqspeech.schema import Kinds, Share, check_groups
from vqspeech.vision.data.clips import ClipBatch, Clips
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.models.prior import describe_codes, require_same, uniforms
from vqspeech.vision.models.video.network import VideoNetwork
from vqspeech.vision.models.video.pixelcnn import PixelCNNVideo
from vqspeech.vision.models.video.transformer import TransformerVideo

NETWORKS: dict[str, type[VideoNetwork]] = {"pixelcnn": PixelCNNVideo, "transformer": TransformerVideo}
"""Networks by name: in the paper's spirit, and another."""
VIDEO = Kinds("video", NETWORKS, given=("size", "shape", "actions"), also={"withheld": Share}, what="prior over video")
"""The group of a configuration."""
LANES = 8
"""Clips that are scored side by side."""


class VideoPrior(Pretrained):
    """A prior as its configuration (group `video`) describes it, for what is called `actions` and for codes as
    `vision.models.prior.codes` says.

    Of a share `withheld` of the clips it is not told in training what was done, so that it can also do without. Raises
    `ConfigError` where the configuration names something unknown.
    """

    def __init__(self, config: Mapping[str, Any], actions: Sequence[str], codes: Mapping[str, Any]):
        super().__init__()
        self.config, self.actions, self.codes = check_groups(config, self.groups), list(actions), dict(codes)
        latents, height, width = codes["shape"]
        self.size, self.shape = int(codes["codes"]), (height, width * latents)
        options = self.config["video"]
        self.condition_dropout = float(options["withheld"])
        self.network: VideoNetwork = VIDEO.make(options, size=self.size, shape=self.shape, actions=len(self.actions))

    groups = {"video": VIDEO}
    fields = ("actions", "codes")
    expected = "no prior over video; name one that `vqspeech vision prior-video` made"

    @classmethod
    def recognises(cls, metadata: Mapping[str, Any]) -> bool:
        """As `Pretrained.recognises`."""
        return "video" in metadata.get("config", {})

    # Training

    def fit(self, codes: ImageCodes) -> None:
        """Starts it at what is counted in the codes: see `VideoNetwork.start`."""
        self.network.start(codes, self.actions)

    def clips(self, codes: ImageCodes, length: int) -> Clips:
        """Clips of `length` frames. Raises `UnitsError` for codes of another codebook or of frames of another size,
        `ImageError` for actions that it does not know, and for episodes that are all shorter."""
        require_same(describe_codes(codes), self.codes, str(codes.path))
        return Clips(codes, length, self.actions)

    def forward(self, batch: ClipBatch) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """{"nll": cross-entropy in nats a code}; the codes; the mask of those that count, which is all of them."""
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

    def action(self, name: str | None) -> int:
        """The number the prior is told for an action; 0 where it is None. Raises `ImageError` where it is unknown."""
        if name is not None and name not in self.actions:
            raise ImageError(
                f"the prior knows no action '{name}'; it knows {', '.join(self.actions) or 'none: leave them out'}"
            )
        return 0 if name is None else 1 + self.actions.index(name)

    @torch.inference_mode()
    def bits(self, codes: Tensor, actions: Tensor) -> np.ndarray:
        """-log2 p of each code of clips `(clips, time, height, width)` given all before it and actions `(clips, time)`:
        float64 of the codes' shape."""
        found = np.empty(codes.shape)
        for start in tqdm(range(0, len(codes), LANES), "scoring", disable=None, leave=False):
            some = slice(start, start + LANES)
            clips = codes[some].to(self.device)
            found[some] = _bits(self.network(clips, actions[some].to(self.device)), clips)
        return found

    @torch.inference_mode()
    def frame_bits(self, codes: Tensor, condition: Tensor) -> np.ndarray:
        """-log2 p of each code of frames `(batch, height, width)` given a condition each, as `imagined` has it."""
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
        """Frames int64 `(lanes, frames, height, width)` that go on from those `given` `(lanes, past, height, width)`;
        actions `(lanes, past + frames - 1)` are what is done at each frame but the last: 1 + its number, or 0.

        There may be no frames given. A lane's draws do not depend on the lanes beside it.
        """
        (lanes, past), frames = given.shape[:2], actions.shape[1] + 1 - given.shape[1]
        numbers = uniforms(lanes, (frames, *self.shape), seed).to(self.device)
        actions = actions.to(self.device)
        remembered, condition = self.network.begun(given.to(self.device), actions[:, :past])
        codes = torch.empty(lanes, frames, *self.shape, dtype=torch.long, device=self.device)
        for i in tqdm(range(frames), "imagining", unit="frame", disable=None if progress else True, leave=False):
            codes[:, i] = self.network.drawn(numbers[:, i], condition, temperature, top_p)
            if i + 1 < frames:
                condition = remembered(codes[:, i], actions[:, past + i])
        return codes.cpu()


def _bits(logits: Tensor, codes: Tensor) -> np.ndarray:
    """-log2 p of codes `(batch, …)` of logits `(batch, size, …)`."""
    return F.cross_entropy(logits.float(), codes, reduction="none").cpu().double().numpy() / np.log(2)
