"""Multi-stage quantisation: each codebook quantises what the ones before it have left.

Juang, Gray, "Multiple stage vector quantization for speech coding", 1982. Two stages of 2^10 codes are 20 bits, which
no single codebook could hold.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import torch
from torch import Tensor, nn

from vqspeech.errors import ConfigError
from vqspeech.models.quantize.codebook import Codebook, Quantised
from vqspeech.models.quantize.kmeans import KmeansCodebook
from vqspeech.models.quantize.replacement import Unit
from vqspeech.schema import Codes, NonNegative, Range, Share, Width


class ResidualCodebook(nn.Module):
    """Stages of quantisers, e = Σ e_i, where e_i is the nearest code of stage i to z − e_1 − … − e_(i−1).

    Codes are of one more axis, the stage. The stages learn from residuals as they stand, so several that learn at once
    chase each other; `training.fitting.fit_stages` fits them one after the other.
    """

    def __init__(self, stages: Sequence[Codebook]):
        """Raise `ConfigError` where there is no stage, or their dimensions differ."""
        super().__init__()
        if not stages or len({stage.weight.shape[1] for stage in stages}) > 1:
            raise ConfigError("a residual quantizer needs one stage or more, all of the same dimension")
        self.stages = cast(Sequence[Codebook], nn.ModuleList(stages))

    @property
    def sizes(self) -> list[int]:
        """Number of codes of each stage."""
        return [stage.size for stage in self.stages]

    def residuals(self, flat: Tensor) -> Tensor:
        """Return what all stages leave of vectors: `(vectors, dimension)` → the same shape, float32."""
        return flat.float() - self.sum_codes(self.nearest(flat))

    def nearest(self, flat: Tensor) -> Tensor:
        """Return codes of vectors, one stage after the other: `(vectors, dimension)` → int64 `(vectors, stages)`."""
        rest, codes = flat.float(), []
        for stage in self.stages:
            codes.append(stage.nearest(rest))
            rest = rest - stage.weight.detach()[codes[-1]]
        return torch.stack(codes, 1)

    def sum_codes(self, codes: Tensor) -> Tensor:
        """Return the sum of the code vectors: int `(vectors, stages)` → float32 `(vectors, dimension)`."""
        return torch.stack([stage.weight.detach()[one] for stage, one in zip(self.stages, codes.T, strict=True)]).sum(0)

    def lookup(self, codes: Tensor) -> Tensor:
        """Return vectors of codes: int `(batch, time, stages)` → float32 `(batch, dimension, time)`."""
        return torch.stack([stage.lookup(one) for stage, one in zip(self.stages, codes.unbind(2), strict=True)]).sum(0)

    def forward(self, z: Tensor, mask: Tensor) -> Quantised:
        """Quantise as `Codebook.forward`, with codes `(batch, time, stages)`, summed losses, usage concatenated.

        The gradient of the quantised vectors reaches z by the first stage alone, otherwise it would count once per
        stage.
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


class ResidualKmeans(ResidualCodebook):
    """Stages of `codes` k-means clusters each, fitted one after the other, to an encoder that is trained without them.

    A code is the mixed-radix number of the codes of all stages, the first one slowest: int from 0 to `size` - 1, so
    that a frame has one code. In training vectors pass unchanged, as with `KmeansCodebook`.
    """

    most = 1 << 24
    """Combinations of codes, at most."""

    def __init__(
        self,
        codes: Codes,
        dimension: Width,
        stages: Annotated[int, Range(2, 8)] = 2,
        decay: Share = 1.0,
        revive_below: NonNegative = 0.02,
        revive_by: Unit = "vectors",
    ):
        super().__init__([KmeansCodebook(codes, dimension, decay, revive_below, revive_by) for _ in range(stages)])

    @classmethod
    def check_options(cls, where: str, options: Mapping[str, Any]) -> None:
        """Raise `ConfigError` where the stages have too many combinations of codes."""
        if options["codes"] ** options["stages"] > cls.most:
            raise ConfigError(
                f"{where}: {options['stages']} stages of {options['codes']} codes have more than {cls.most:,} numbers; "
                "give fewer stages, or smaller ones"
            )

    @property
    def size(self) -> int:
        """Number of combinations of codes."""
        return math.prod(self.sizes)

    @property
    def frozen(self) -> bool:
        """Whether the code vectors stay as they are in training too."""
        return self.stages[0].frozen

    @frozen.setter
    def frozen(self, value: bool) -> None:
        for stage in self.stages:
            stage.frozen = value

    @property
    def counts(self) -> Tensor:
        """The running number of vectors of each code of the first stage, float32 `(codes,)`."""
        return self.stages[0].counts

    def nearest(self, flat: Tensor) -> Tensor:
        """Return codes of vectors: `(vectors, dimension)` → int64 `(vectors,)`."""
        return self._joined(super().nearest(flat))

    def sum_codes(self, codes: Tensor) -> Tensor:
        """Return the sum of the code vectors: int `(vectors,)` → float32 `(vectors, dimension)`."""
        return super().sum_codes(self._split(codes))

    def lookup(self, codes: Tensor) -> Tensor:
        """Return vectors of codes: int `(batch, time)` → float32 `(batch, dimension, time)`."""
        return super().lookup(self._split(codes))

    def forward(self, z: Tensor, mask: Tensor) -> Quantised:
        """Quantise as `Codebook.forward`."""
        found = super().forward(z, mask)
        codes = self._joined(found.codes)
        usage = torch.bincount(codes[mask], minlength=self.size).float()
        return Quantised(z.float() if self.training else found.vectors, codes, {}, usage)

    def _joined(self, codes: Tensor) -> Tensor:
        """Return the codes of the stages, int `(..., stages)`, as one number each."""
        number = torch.zeros_like(codes[..., 0])
        for stage, size in enumerate(self.sizes):
            number = number * size + codes[..., stage]
        return number

    def _split(self, codes: Tensor) -> Tensor:
        """Return the codes of the stages, int `(..., stages)`, of numbers."""
        found = []
        for size in reversed(self.sizes):
            found.append(codes % size)
            codes = codes // size
        return torch.stack(found[::-1], -1)
