"""Multi-stage quantisation: each codebook quantises what the ones before it have left.

Juang, Gray, "Multiple stage vector quantization for speech coding", 1982. Two stages of 2^10 codes are 20 bits, which
no single codebook could hold.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from vqspeech.errors import ConfigError
from vqspeech.models.quantize.codebook import Codebook, Quantised


class ResidualCodebook(nn.Module):
    """Stages of quantisers, e = Σ e_i, where e_i is the nearest code of stage i to z − e_1 − … − e_(i−1).

    Codes are of one more axis, the stage. The stages learn from residuals as they stand, so several that learn at once
    chase each other; `training.fitting.fitted_stages` fits them one after the other.
    """

    def __init__(self, stages: Sequence[Codebook]):
        """Raises `ConfigError` where there is no stage, or their dimensions differ."""
        super().__init__()
        if not stages or len({stage.weight.shape[1] for stage in stages}) > 1:
            raise ConfigError("a residual quantizer needs one stage or more, all of the same dimension")
        self.stages = cast(Sequence[Codebook], nn.ModuleList(stages))

    @property
    def sizes(self) -> list[int]:
        """Number of codes of each stage."""
        return [stage.size for stage in self.stages]

    def residuals(self, flat: Tensor) -> Tensor:
        """What all stages leave of vectors: `(vectors, dimension)` → the same shape, float32."""
        return flat.float() - self.decoded(self.nearest(flat))

    def nearest(self, flat: Tensor) -> Tensor:
        """Codes of vectors, one stage after the other: `(vectors, dimension)` → int64 `(vectors, stages)`."""
        rest, codes = flat.float(), []
        for stage in self.stages:
            codes.append(stage.nearest(rest))
            rest = rest - stage.weight.detach()[codes[-1]]
        return torch.stack(codes, 1)

    def decoded(self, codes: Tensor) -> Tensor:
        """Sum of the code vectors: int `(vectors, stages)` → float32 `(vectors, dimension)`."""
        return torch.stack([stage.weight.detach()[one] for stage, one in zip(self.stages, codes.T, strict=True)]).sum(0)

    def lookup(self, codes: Tensor) -> Tensor:
        """Vectors of codes: int `(batch, time, stages)` → float32 `(batch, dimension, time)`."""
        return torch.stack([stage.lookup(one) for stage, one in zip(self.stages, codes.unbind(2), strict=True)]).sum(0)

    def forward(self, z: Tensor, mask: Tensor) -> Quantised:
        """As `Codebook.forward`, with codes `(batch, time, stages)`, losses summed and usage end to end over stages.

        The gradient of the quantised vectors comes to z by the first stage alone, else it would count once a stage.
        """
        rest, vectors, losses = z, torch.zeros_like(z, dtype=torch.float32), {}
        codes, usage = [], []
        for stage in self.stages:
            found = stage(rest, mask)
            vectors = vectors + found.vectors
            codes.append(found.codes)
            usage.append(found.usage)
            losses = {name: losses.get(name, 0.0) + loss for name, loss in found.losses.items()}
            rest = (rest.float() - stage.lookup(found.codes)).detach()
        return Quantised(vectors, torch.stack(codes, 2), losses, torch.cat(usage))
