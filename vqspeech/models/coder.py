"""The coder: front end, encoder and codebook, which turn speech into codes."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from vqspeech import audio, loudness, pretrained
from vqspeech.data.windows import SpeechBatch
from vqspeech.errors import ConfigError
from vqspeech.models.content import STRIDE, ContentEncoder
from vqspeech.models.encoder import ENCODER, Encoder, Projection
from vqspeech.models.frontend import FRONTEND, FRONTENDS, LogMel, Waveform, moments
from vqspeech.models.pretrained import Pretrained
from vqspeech.models.quantize import QUANTIZER, Codebook, ResidualKmeans
from vqspeech.progress import track
from vqspeech.schema import check_groups

PIECE = 20.0
"""Seconds that are encoded at once: memory does not grow beyond it."""

LONGEST_HOP = 10.0
"""Seconds of speech that a code may stand for."""
Kind = TypeVar("Kind", bound="Coder")


class Coder(Pretrained):
    """Front end, encoder and codebook of a configuration (groups `frontend`, `encoder`, `quantizer`).

    It encodes units; it has no voices.

    Raises:
        ConfigError: The configuration names something unknown or does not fit.
    """

    speakers: list[str]
    genders: dict[str, str]

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        self.config, self.speakers, self.genders = self.check_config(config), [], {}
        self.frontend: Waveform | LogMel = FRONTEND.make(self.config["frontend"])
        self.encoder: Encoder | Projection | ContentEncoder = ENCODER.make(
            self.config["encoder"], inputs=self.frontend.channels
        )
        self.quantizer: Codebook | ResidualKmeans = QUANTIZER.make(
            self.config["quantizer"], dimension=self.config["encoder"]["latents"]
        )

    groups = {"frontend": FRONTEND, "encoder": ENCODER, "quantizer": QUANTIZER}
    fields = ("speakers",)
    loaded = ("frontend.", "encoder.", "quantizer.")
    hashed = ("encoder", "quantizer")

    @classmethod
    def check_config(cls, config: Any) -> dict[str, Any]:
        """Return the configuration, checked. Raise `ConfigError` where it is not of a model of this kind."""
        found = check_groups(config, cls.groups)
        encoder = found["encoder"]
        steps = math.prod(stride for _, stride in encoder["layers"]) if "layers" in encoder else encoder.get("hop", 1)
        seconds = steps * FRONTENDS[found["frontend"]["name"]].hop / audio.RATE
        if seconds > LONGEST_HOP:
            raise ConfigError(
                f"the encoder gives a code every {seconds:,.0f} s; give strides of at most {LONGEST_HOP:g} s in all"
            )
        return found

    @property
    def hop(self) -> int:
        """Samples per code."""
        return self.frontend.hop * self.encoder.hop

    @property
    def rate(self) -> float:
        """Codes per second (Hz)."""
        return audio.RATE / self.hop

    @property
    def encoder_field(self) -> int:
        """Samples that one code depends on."""
        return self.frontend.reach + self.frontend.hop * self.encoder.receptive_field

    @property
    def saved_metadata(self) -> dict[str, Any]:
        """Metadata, and the genders of the voices as far as they are known."""
        return {**self.metadata, "genders": self.genders}

    @classmethod
    def recognises(cls, metadata: Mapping[str, Any]) -> bool:  # noqa: ARG003
        """Return True: `check_config` says what is missing."""
        return True

    @classmethod
    def from_metadata(cls: type[Kind], metadata: Mapping[str, Any]) -> Kind:
        """As `Pretrained.from_metadata`."""
        if "tracker" in metadata["config"]:
            raise ConfigError("a live model makes no codes; take another model (`vqspeech models`)")
        return cls(metadata["config"])

    @classmethod
    def from_pretrained(cls: type[Kind], path: str | Path | None = None, device: str | torch.device = "cpu") -> Kind:
        """Return the model of a checkpoint, in evaluation mode; a coder takes its part of a whole model.

        Args:
            path: A file, an experiment folder, or the name of a shipped model; None is the default one.
            device: Where the model is to be.

        Raises:
            CheckpointError: The file cannot be read, is damaged or of another kind of model.
            ConfigError: There is no such device.
        """
        return super().from_pretrained(pretrained.find_checkpoint(path), device)

    def features(self, batch: SpeechBatch) -> tuple[Tensor, Tensor]:
        """Return the features of a batch, `(batch, channels, frames)`, and the mask of frames `(batch, frames)`."""
        lengths = -(-batch.lengths // self.hop) * self.hop
        mask = torch.arange(batch.samples.shape[1], device=lengths.device) < lengths[:, None]
        return self.frontend(batch.samples, mask, batch.statistics), mask[:, :: self.frontend.hop]

    def latents(self, batch: SpeechBatch) -> tuple[Tensor, Tensor]:
        """Return the encoder's output `(batch, latents, codes)` and the mask of codes `(batch, codes)`."""
        features, mask = self.features(batch)
        return self.encoder(features, mask), mask[:, :: self.encoder.hop]

    # Inference

    @property
    def units(self) -> dict[str, Any]:
        """Metadata of its codes, as in the side file of a units file, except the name of the model."""
        return {"rate_hz": self.rate, "codes": self.quantizer.size, "sha256": self.fingerprint()}

    def encode(self, wave: Any, sample_rate: float = audio.RATE) -> np.ndarray:
        """Return the codes of a waveform.

        Args:
            wave: Anything `audio.to_waveform` takes.
            sample_rate: Of the waveform (Hz).

        Returns:
            int64 `(codes,)`, one per `hop` samples at 16 kHz; the end is padded with silence.

        Raises:
            WaveformError: It is not a waveform (a `ValueError`).
        """
        return self.encode_normalised(loudness.normalise(audio.to_waveform(wave, sample_rate)).samples)

    def encode_blocks(self, blocks: Iterable[np.ndarray]) -> np.ndarray:
        """Return the codes of a waveform in blocks, as `encode`; memory is that of its samples and of one piece."""
        return self.encode_normalised(loudness.normalise(blocks).samples)

    def encode_normalised(self, samples: np.ndarray) -> np.ndarray:
        """Return codes int64 `(codes,)` of a recording normalised by `loudness.normalise`, int16 `(time,)`."""
        # A copy: the memory of a tensor that is kept lies in that of larger ones, which could not be used again.
        return self.quantizer.nearest(self.encode_latents(samples).T).cpu().numpy().copy()

    @torch.inference_mode()
    def encode_latents(self, samples: np.ndarray) -> Tensor:
        """Return the encoder's output for a normalised recording, computed in pieces of `PIECE` seconds.

        Args:
            samples: As `loudness.normalise` gives them, int16 `(time,)`.

        Returns:
            float32 `(latents, codes)`.
        """
        samples, inside = self.pad_silence(samples)
        margin = -(-self.encoder_field // self.hop) * self.hop
        step = max(1, int(PIECE * audio.RATE) // self.hop) * self.hop
        statistics = self._statistics(samples, step, margin)
        parts = []
        for start in track(range(0, len(samples), step), "encoding", "piece"):
            first = max(0, start - margin)
            piece = torch.from_numpy(samples[None, first : start + step + margin].copy()).to(self.device)
            batch = SpeechBatch(
                piece, torch.tensor([piece.shape[1]], device=self.device), piece[:, 0], statistics, None
            )
            begin, end = (start - first) // self.hop, (start - first + step) // self.hop
            if isinstance(self.encoder, ContentEncoder):
                ratio = self.encoder.hop // STRIDE
                steps, speech = self.encoder.steps(*self.features(batch))
                parts.append((steps[:, begin * ratio : end * ratio], speech[:, begin * ratio : end * ratio]))
            else:
                parts.append((self.latents(batch)[0][..., begin:end],))
        if isinstance(self.encoder, ContentEncoder):
            steps, speech = (torch.cat(part, 1) for part in zip(*parts, strict=True))
            return self.encoder.standardise(self.encoder.pool_steps(steps, speech))[0, :, inside]
        return torch.cat([part for (part,) in parts], 2)[0, :, inside]

    def pad_silence(self, samples: np.ndarray) -> tuple[np.ndarray, slice]:
        """Return normalised samples `(time,)` with silence on either side, and the slice of the codes of the samples.

        The silence is as long as what one code depends on: so a recording that is cut off within a word has the same
        codes as one that goes on in silence.
        """
        margin, count = -(-self.encoder_field // self.hop), -(-len(samples) // self.hop)
        silence = margin * self.hop
        return np.pad(samples, (silence, silence + -len(samples) % self.hop)), slice(margin, margin + count)

    def _statistics(self, samples: np.ndarray, step: int, margin: int) -> Tensor | None:
        """Return the front end's statistics of one utterance `(1, 2, channels)`, computed piece by piece."""
        if not isinstance(self.frontend, LogMel):
            return None
        total, square, count, hop = torch.zeros(()), torch.zeros(()), torch.zeros(()), self.frontend.hop
        for start in range(0, len(samples), step):
            first = max(0, start - margin)
            piece = torch.from_numpy(samples[first : start + step + margin].copy()).to(self.device)
            inside = (start - first) // hop
            sums = self.frontend.sums(piece, inside, inside + step // hop)
            total, square, count = total + sums[0], square + sums[1], count + sums[2]
        return moments(total, square, count)[None]
