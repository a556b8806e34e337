"""Voices made from recordings: a speaker vector, a pitch range and exemplars of latents, in a file of some 100 kB.

    VOICE.safetensors    `vector` (numbers,), `pitch` (median, deviation of log F0), `exemplars` (exemplars, dimension),
                         where there are some; in its header the name, the seconds of speech it was made from, the hash
                         of the model that the vector belongs to, and that of the codebook that the exemplars belong to

The voices of a user are in one folder (`voice_folder`): that of `VQSPEECH_VOICES`, or the system's folder for data.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vqspeech.errors import CheckpointError, SpeakerError
from vqspeech.models import checkpoint

KIND = "voice"
ONE_SPEAKER = 0.35
"""Agreement below which recordings are doubtful: 4 in 100 of one speaker lie below, and half of those of two."""
_FORBIDDEN = set('/\\:*?"<>|')
"""Characters that file names cannot have on some system."""


@dataclass(frozen=True)
class Voice:
    """A voice made from recordings.

    Attributes:
        name: Its name.
        vector: Speaker vector, float32 `(numbers,)`.
        pitch: Median and deviation of log F0.
        model: Hash of the model that it belongs to.
        seconds: Seconds of speech that it was made from.
        agreement: How similar the least similar parts of these recordings are, 1 for the same (`reference.agreement`).
        exemplars: Mean latents of the recordings by code, float16 `(exemplars, dimension)` (`models.retrieval`); None
            for a model that takes codes.
        codebook: Hash of the codebook that they belong to.
    """

    name: str
    vector: np.ndarray
    pitch: tuple[float, float]
    model: str
    seconds: float
    agreement: float = 1.0
    exemplars: np.ndarray | None = None
    codebook: str = ""

    @property
    def doubt(self) -> str:
        """Reason to doubt that the recordings are of one speaker; empty where there is none."""
        if self.agreement >= ONE_SPEAKER:
            return ""
        return (
            f"parts of the recordings sound like different speakers ({self.agreement:.2f} alike; one speaker is above "
            f"{ONE_SPEAKER}), or like music or noise with the speech: give recordings of one speaker alone"
        )

    def save(self, path: str | os.PathLike) -> None:
        """Write the voice to a file."""
        about = {"kind": KIND, "name": self.name, "model": self.model, "seconds": self.seconds}
        about |= {"agreement": self.agreement, "codebook": self.codebook}
        tensors = {"vector": torch.from_numpy(self.vector), "pitch": torch.tensor(self.pitch, dtype=torch.float64)}
        if self.exemplars is not None:
            tensors["exemplars"] = torch.from_numpy(self.exemplars)
        checkpoint.write(Path(path), tensors, about)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Voice":
        """Return the voice in a file.

        Raises:
            CheckpointError: It is not a voice, or damaged.
        """
        tensors, about = checkpoint.read(Path(path))
        try:
            vector, pitch = tensors["vector"].float().numpy(), tensors["pitch"].tolist()
            exemplars = tensors["exemplars"].half().numpy() if "exemplars" in tensors else None
            if about["kind"] != KIND or vector.ndim != 1 or len(pitch) != 2 or not np.isfinite(vector).all():
                raise ValueError("its numbers are not those of one")
            if exemplars is not None and (
                exemplars.ndim != 2 or not exemplars.size or not np.isfinite(exemplars).all()
            ):
                raise ValueError("its exemplars are no latents")
            return cls(
                str(about["name"]),
                vector,
                (pitch[0], pitch[1]),
                str(about["model"]),
                float(about["seconds"]),
                float(about.get("agreement", 1.0)),
                exemplars,
                str(about.get("codebook", "")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: is not a voice ({error}); make one with `vqspeech voice make`") from None


def voice_folder() -> Path:
    """Return the folder of the user's voices; it need not exist."""
    chosen = os.environ.get("VQSPEECH_VOICES")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "vqspeech" / "voices"


def voice_path(name: str) -> Path:
    """Return the file of a voice.

    Raises:
        SpeakerError: The name cannot be part of a file name.
    """
    if name.strip(". ") != name or not name or not name.isprintable() or set(name) & _FORBIDDEN:
        raise SpeakerError(f"'{name}' cannot be the name of a voice; use letters, digits, '-' and '_'")
    return voice_folder() / f"{name}{checkpoint.SUFFIX}"


def read_voices() -> Iterator[Voice | CheckpointError]:
    """Yield the user's voices by name; for a file that cannot be read, the error."""
    for path in sorted(voice_folder().glob(f"*{checkpoint.SUFFIX}")) if voice_folder().is_dir() else []:
        if not path.name.startswith("."):
            try:
                yield Voice.load(path)
            except CheckpointError as error:
                yield error
