"""Training of the pitch tracker on the F0 of WORLD, with clean and noisy speech."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vqspeech import world
from vqspeech.data.pack import Pack
from vqspeech.models.live import BLOCK
from vqspeech.models.live.frontend import FRAMES
from vqspeech.models.live.tracker import CENTS, TONES, WAIT, WINDOW, PitchTracker
from vqspeech.training.live import LiveOptions, LiveTraining

_SPREAD = 1.0  # deviation of the target distribution over tones (tones)
_VOICING = 3.0  # weight of the classification of voicing
_SOFTEST, _LOUDEST = 5.0, 40.0  # range of signal-to-noise ratios (dB)
_NOISY = 0.5  # share of windows with added noise


class TrackerTraining(LiveTraining):
    """Train a `PitchTracker` on the F0 of a pack."""

    name = "tracker"

    def __init__(
        self,
        pack: Pack,
        tracker: dict[str, Any] | None = None,
        options: LiveOptions | None = None,
        device: str | torch.device = "cpu",
    ):
        options = options or LiveOptions()
        torch.manual_seed(options.seed)
        self.tracker_options = dict(tracker or {})
        self.tracker = PitchTracker(**self.tracker_options)
        super().__init__(pack, options, self.tracker, device)

    @property
    def kind(self) -> dict[str, Any]:
        """Description that a file must have for training to resume from it."""
        return {**super().kind, "tracker": self.tracker_options}

    def compute_losses(self) -> Tensor:
        """Return the losses of a batch of windows, whose sum is minimised: `(losses,)`."""
        frames = self.blocks * FRAMES
        sound = np.zeros((self.options.batch, frames * world.FRAME + WINDOW), dtype=np.float32)
        logs = np.zeros((self.options.batch, frames), dtype=np.float32)
        counted = np.zeros((self.options.batch, frames), dtype=bool)
        for row, (i, start) in enumerate(self.draw_windows()):
            wave = np.pad(self.pack.wave(i), WINDOW // 2)[start * BLOCK :][: sound.shape[1]]
            f0 = self.pack.pitch(i)[start * FRAMES :][:frames]
            sound[row, : len(wave)] = wave
            if self.generator.random() < _NOISY:
                sound[row] += self._noise(sound[row])
            logs[row, : len(f0)] = np.where(f0 > 0, np.log(np.maximum(f0, 1.0)), 0.0)
            counted[row, : len(f0)] = True
        windows = torch.from_numpy(sound).unfold(1, WINDOW, world.FRAME)[:, :frames].to(self.device)
        with torch.autocast(self.device.type, enabled=False):
            shown = self.tracker.periodicity(windows)
        scores = self.tracker.scores(shown)[0].float()[:, WAIT:]
        wanted = torch.from_numpy(logs).to(self.device)[:, :-WAIT]
        seen = torch.from_numpy(counted).to(self.device)[:, :-WAIT]
        return _pitch_losses(scores[seen], wanted[seen])

    def _noise(self, sound: np.ndarray) -> np.ndarray:
        """Return noise, white to brown, at a random signal-to-noise ratio to `sound`."""
        spectrum = np.fft.rfft(self.generator.standard_normal(len(sound)))
        spectrum *= (np.arange(len(spectrum)) + 20.0) ** -self.generator.uniform(0, 1)
        noise = np.fft.irfft(spectrum, len(sound))
        below = 10 ** (-self.generator.uniform(_SOFTEST, _LOUDEST) / 20)
        return (noise * below * np.sqrt(np.mean(sound**2) / max(np.mean(noise**2), 1e-12))).astype(np.float32)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return `measure_pitch_errors` of the dev set."""
        found, wanted = [], []
        for i in self.dev.tolist():
            wave = np.pad(self.pack.wave(i), WINDOW // 2 + WAIT * world.FRAME)[WAIT * world.FRAME :]
            windows = torch.from_numpy(wave)[None].unfold(1, WINDOW, world.FRAME).to(self.device)
            logs = self.tracker.decode_pitch(self.tracker.scores(self.tracker.periodicity(windows))[0])[0, WAIT:].cpu()
            f0 = self.pack.pitch(i)[: len(logs)]
            found.append(logs[: len(f0)].numpy())
            wanted.append(np.where(f0 > 0, np.log(np.maximum(f0, 1.0)), 0.0))
        return measure_pitch_errors(np.concatenate(found), np.concatenate(wanted)) if found else {}


def _pitch_losses(scores: Tensor, logs: Tensor) -> Tensor:
    """Return the losses of scores `(frames, tones + 1)`, given log F0 `(frames,)`, 0 where unvoiced: `(2,)`."""
    voiced = logs > 0
    place = (logs - math.log(TONES[0])) * (1200 / CENTS / math.log(2))
    near = -(torch.arange(len(TONES), device=logs.device) - place[:, None]).square() / (2 * _SPREAD**2)
    tones = F.cross_entropy(scores[voiced][:, :-1], near[voiced].softmax(1))
    return torch.stack([tones, _VOICING * F.binary_cross_entropy_with_logits(scores[:, -1], voiced.float())])


def measure_pitch_errors(found: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """Compare log F0 with a reference.

    Args:
        found: Log F0 `(frames,)`, 0 where unvoiced.
        wanted: The reference, likewise.

    Returns:
        {"voicing error": share of frames whose voicing is wrong; "gross error": share of the frames voiced in both
        whose F0 is more than 20 % off; "cents": median absolute error of the others}.
    """
    both = (found > 0) & (wanted > 0)
    apart = np.abs(found - wanted)[both] * (1200 / math.log(2))
    gross = apart > 1200 * math.log2(1.2)
    return {
        "voicing error": float(np.mean((found > 0) != (wanted > 0))),
        "gross error": float(gross.mean()) if len(apart) else float("nan"),
        "cents": float(np.median(apart[~gross])) if (~gross).any() else float("nan"),
    }
