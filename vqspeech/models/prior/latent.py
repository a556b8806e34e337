"""The prior over codes, whichever network it has: training, scoring, sampling."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vqspeech.data.code_windows import CodeBatch, CodeWindows
from vqspeech.data.units import Units, require_same_codes
from vqspeech.errors import SpeakerError
from vqspeech.models.pretrained import Pretrained
from vqspeech.models.prior.transformer import TransformerPrior
from vqspeech.models.prior.wavenet import WaveNetPrior
from vqspeech.progress import track
from vqspeech.schema import Kinds, Share, check_groups

NETWORKS = {"wavenet": WaveNetPrior, "transformer": TransformerPrior}
"""Networks by name: the paper's, and another."""
PRIOR = Kinds("prior", NETWORKS, given=("size", "speakers", "rate"), extra={"condition_dropout": Share})
"""The group of a configuration."""
CHUNK = 4096
"""Codes of a chunk that is scored at once: memory does not grow beyond it and its context."""
BATCH = 16
"""Pieces that are scored in a batch."""


class LatentPrior(Pretrained):
    """A prior of a configuration (group `prior`).

    The voice is dropped from a share `condition_dropout` of the windows in training (conditioning dropout), so that
    the prior can also do without it.

    Args:
        config: The configuration.
        speakers: Names of its voices.
        units: Description of the codes, as in the side file of a units file: {"rate_hz", "codes", "model", "sha256"}.

    Raises:
        ConfigError: The configuration names something unknown or does not fit.
    """

    def __init__(self, config: Mapping[str, Any], speakers: Sequence[str], units: Mapping[str, Any]):
        super().__init__()
        self.config, self.speakers, self.units = check_groups(config, self.groups), list(speakers), dict(units)
        self.rate, self.size = float(units["rate_hz"]), int(units["codes"])
        self.condition_dropout = float(self.config["prior"]["condition_dropout"])
        self.network = PRIOR.make(self.config["prior"], size=self.size, speakers=len(self.speakers), rate=self.rate)

    groups = {"prior": PRIOR}
    fields = ("speakers", "units")
    expected = "no prior; name the best.safetensors of `vqspeech prior`"

    @classmethod
    def recognises(cls, metadata: Mapping[str, Any]) -> bool:
        """As `Pretrained.recognises`."""
        return "prior" in metadata.get("config", {})

    # Training

    @torch.no_grad()
    def fit(self, units: Units) -> None:
        """Initialise the output to the unigram distribution of the units."""
        counts = np.bincount(np.concatenate(list(units.codes.values())), minlength=self.size) + 1.0
        self.network.logits.get_parameter("bias").copy_(torch.from_numpy(np.log(counts / counts.sum())))

    def windows(self, units: Units, length: int, voices: Mapping[str, str]) -> CodeWindows:
        """Return windows of `length` codes.

        Args:
            units: The codes.
            length: Of a window, in codes.
            voices: Speaker by utterance, as far as known.

        Raises:
            UnitsError: They are other codes.
            SpeakerError: A voice is not one of the prior's.
        """
        require_same_codes(units.description, self.units, "the units file")
        return CodeWindows(units, self.speakers, length, voices)

    def forward(self, batch: CodeBatch) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return {"nll": cross-entropy in nats per code}, codes `(batch, time)` and the mask of codes that count."""
        speakers = batch.speakers
        if self.training:
            speakers = speakers * (torch.rand(speakers.shape, device=speakers.device) >= self.condition_dropout)
        mask = torch.arange(batch.codes.shape[1], device=speakers.device) < batch.lengths[:, None]
        logits = self.network(batch.before, speakers).float()
        return {"nll": F.cross_entropy(logits[mask], batch.codes[mask])}, batch.codes, mask

    # Inference

    def speaker(self, name: str | None) -> int:
        """Return the index of a voice, 0 for None. Raise `SpeakerError` for a voice that the prior has not."""
        if name is not None and name not in self.speakers:
            raise SpeakerError(f"the prior has no voice '{name}'; it has {', '.join(self.speakers[:5]) or 'none'}")
        return 0 if name is None else 1 + self.speakers.index(name)

    def logits(self, codes: Tensor, speakers: Tensor) -> Tensor:
        """Return logits `(batch, time, size)` of codes given those before them.

        Args:
            codes: int64 `(batch, time)`.
            speakers: int `(batch,)`, 0 where unknown.
        """
        return self.network(F.pad(codes[:, :-1], (1, 0), value=self.size), speakers)

    @torch.inference_mode()
    def bits(self, codes: Sequence[np.ndarray], voices: Sequence[str | None]) -> list[np.ndarray]:
        """Return -log2 p(code | all codes before it, voice) of utterances `(codes,)`: float64 `(codes,)` each."""
        cuts = [
            (i, start, min(len(c), start + CHUNK)) for i, c in enumerate(codes) for start in range(0, len(c), CHUNK)
        ]
        cuts.sort(key=lambda cut: cut[2] - cut[1])  # rows of about one length waste the least
        found = [np.zeros(len(one)) for one in codes]
        speakers = torch.tensor([self.speaker(name) for name in voices], device=self.device)
        for first in track(range(0, len(cuts), BATCH), "scoring"):
            rows = [(i, max(0, a - self.network.receptive_field), a, b) for i, a, b in cuts[first : first + BATCH]]
            longest = max(b - begin for _, begin, _, b in rows)
            before = np.full((len(rows), longest), self.size, dtype=np.int64)
            for row, (i, begin, _, b) in enumerate(rows):
                before[row, : b - begin] = np.concatenate([[self.size], codes[i][:-1]])[begin:b]
            logits = self.network(
                torch.from_numpy(before).to(self.device), speakers[[i for i, *_ in rows]]
            )  # (rows, time, size)
            for row, (i, begin, a, b) in enumerate(rows):
                wanted = torch.from_numpy(codes[i][a:b]).to(self.device)
                nats = F.cross_entropy(logits[row, a - begin : b - begin].float(), wanted, reduction="none")
                found[i][a:b] = nats.cpu().double().numpy() / np.log(2)
        return found

    def sample(
        self,
        steps: int,
        voices: Sequence[str | None],
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        seed: int = 0,
        prompt: np.ndarray | None = None,
        progress: bool = True,
    ) -> np.ndarray:
        """Return codes drawn for each voice: int64 `(voices, prompt + steps)`.

        Args:
            steps: Codes to draw.
            voices: Names, or None.
            temperature: Of the softmax.
            top_p: Share of the probability that is drawn from (nucleus sampling).
            seed: A voice's draws depend on it and on its row alone.
            prompt: Codes that come first, `(codes,)`.
            progress: Whether progress is reported.
        """
        prompt = np.zeros(0, dtype=np.int64) if prompt is None else prompt
        numbers = [np.random.default_rng((seed, i)).random(steps, dtype=np.float32) for i in range(len(voices))]
        uniforms = torch.from_numpy(np.pad(np.stack(numbers), ((0, 0), (len(prompt), 0)))).to(self.device)
        given = torch.from_numpy(prompt).to(self.device).expand(len(voices), -1)
        speakers = torch.tensor([self.speaker(name) for name in voices], device=self.device)
        return self.network.sample(speakers, uniforms, temperature, top_p, given, progress).cpu().numpy()
