"""Linear prediction: the filters that WORLD frames stand for, and speech without them, which is its excitation.

Two predictors in a row, as codecs have them (Atal and Schroeder, "Adaptive predictive coding of speech signals", 1970):
from the samples just before, as the spectral envelope says, and from those one period of the pitch before. A network
that draws excitation leaves spectrum and pitch to the filters, which shape its errors, too: they lie where speech is
loud, and are heard less (ExcitNet, Song, Byun and Kang, 1811.04769; LPCNet, Valin and Skoglund, 1810.11846).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from torch.nn import functional as F

from vqspeech import audio, world
from vqspeech.extras import import_extra

ORDER = 24
"""Samples just before that a prediction is made of."""
REACH = 10
"""Samples on either side of one period before that a prediction is made of."""
STEP = world.FRAME // 2
"""Samples for which a spectral filter holds: 5 ms."""
_NOISE, _QUIET = 1e-4, 2.5e-9
"""White noise added to each spectrum, as a share of its power (-40 dB) and at least: what 8-bit µ-law levels add to
speech. It bounds what the filters amplify."""
_PERIODICITY = 0.95
"""How much of voiced speech comes back after a period, at the lowest frequencies."""
_WIDTH = 0.7
"""It falls with frequency as exp(-2π · _WIDTH · f / RATE), by a factor of e every 3.6 kHz: about as in voices. In
eight sentences of LibriSpeech excitation correlates over a period by 0.9 below 500 Hz, by a half around 1.5 kHz and by
0.1 around 5 kHz."""
_SHORTEST, _LONGEST = 2 * REACH, audio.RATE // 40
"""Periods in samples: 800 Hz and 40 Hz."""
_MARGIN = _LONGEST + REACH + 1
"""Samples of silence before the first, which the first prediction may reach for."""


@dataclass
class Prediction:
    """Filters of utterances: linear prediction over the last samples and over the last period.

    Speech is x(t) = Σ weights(k) x(t − k) + deviation · e(t), k = 1 … ORDER, where the weights change every `STEP`
    samples; e(t) = Σ h(k) e(t − period(t) + k) + excitation(t), k = -REACH … REACH, where speech is voiced, otherwise
    the excitation.

    Attributes:
        weights: float32 `(batch, places, ORDER)`.
        deviation: float32 `(batch, places)`, above 0.
        periods: In samples, float32 `(batch, time)`, 0 where speech is unvoiced.
    """

    weights: Tensor
    deviation: Tensor
    periods: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, frames: Tensor) -> "Prediction":
        """Return the filters of WORLD frames `(batch, CHANNELS, frames)`; power spectra and log F0 are interpolated."""
        basis = torch.from_numpy(world.envelope_basis()).to(frames.device, torch.float64)
        power = (frames[:, 2:].double().transpose(1, 2) @ basis).exp()  # (batch, frames, bins)
        power = _along(power, _following(power), world.FRAME // STEP)
        correlation = torch.fft.irfft(power)[:, :, : ORDER + 1].clone()
        correlation[:, :, 0] = correlation[:, :, 0] * (1 + _NOISE) + _QUIET
        weights, error = _durbin(correlation)
        logs = frames[:, 0].float()
        following = _following(logs)
        ends = torch.where(logs > 0, logs, following), torch.where(following > 0, following, logs)
        periods = audio.RATE / _along(*ends, world.FRAME).exp()
        voiced = torch.stack([logs > 0, following > 0], 2).repeat_interleave(STEP, 2).flatten(1)  # as the nearest frame
        periods = torch.where(voiced, periods.clamp(_SHORTEST, _LONGEST), 0.0)
        return cls(weights.float(), error.sqrt().float(), periods)

    @torch.no_grad()
    def excitation(self, waves: Tensor) -> Tensor:
        """Return the excitation of waveforms `(batch, time)`, time a multiple of `STEP`: the same shape.

        It is 0 for the first `ORDER` samples, whose past is unknown.
        """
        past = F.pad(waves, (ORDER, -1)).unfold(1, ORDER, 1).flip(2).unflatten(1, (-1, STEP))
        with torch.autocast(waves.device.type, enabled=False):  # half precision would be noise in what is left
            predicted = (past @ self.weights[:, :, :, None])[:, :, :, 0]  # past: (batch, places, STEP, ORDER)
        found = ((waves.unflatten(1, (-1, STEP)) - predicted) / self.deviation[:, :, None]).flatten(1, 2)
        found = torch.cat([torch.zeros_like(waves[:, :ORDER]), found[:, ORDER:]], 1)
        first, taps = _taps(self.periods)
        first = first + torch.arange(waves.shape[1], device=waves.device) + _MARGIN
        around = F.pad(found, (_MARGIN, 0)).unfold(1, 2 * REACH + 1, 1)  # (batch, time, taps), a view
        around = around.gather(1, first[:, :, None].expand(-1, -1, 2 * REACH + 1))
        return found - (around * taps).sum(2)

    def speech(self, excitation: Tensor) -> Tensor:
        """Return waveforms of excitation `(batch, time)` after silence: the same shape, the inverse of `excitation`."""
        first, taps = (part.cpu().numpy() for part in _taps(self.periods))
        free = np.where(self.periods.cpu().numpy() > 0, -first - 2 * REACH, excitation.shape[1])
        weights, deviations = self.weights.double().cpu().numpy(), self.deviation.double().cpu().numpy()
        sounds = []
        for row, drawn in enumerate(excitation.double().cpu().numpy()):
            pieces = _periodic(drawn, first[row], taps[row], free[row]).reshape(-1, STEP)
            sounds.append(_shaped(pieces * deviations[row, :, None], weights[row]))
        return torch.from_numpy(np.stack(sounds)).to(excitation)


def _taps(periods: Tensor) -> tuple[Tensor, Tensor]:
    """Return the taps of the predictor over one period.

    Returns:
        Offset of the first from the present sample, int64 `(batch, time)`, and weights `(batch, time, 2 REACH + 1)`, 0
        where the period is 0.
    """
    centre = -periods.clamp(min=_SHORTEST).round()
    offsets = torch.arange(-REACH, REACH + 1, device=periods.device) + (centre + periods)[:, :, None]
    taps = _WIDTH / (_WIDTH**2 + offsets**2)  # whose spectrum is exp(-_WIDTH |ω|)
    taps = _PERIODICITY * taps / taps.sum(2, keepdim=True)
    return centre.long() - REACH, torch.where(periods[:, :, None] > 0, taps, 0.0)


def _periodic(drawn: np.ndarray, first: np.ndarray, taps: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Return `drawn` `(time,)` with periodic prediction added.

    As many samples are computed at once as do not depend on each other, which `free` of the sample before gives.
    """
    made, start = np.concatenate([np.zeros(_MARGIN), drawn]), 0
    around = sliding_window_view(made, taps.shape[1])
    while start < len(drawn):
        stop = min(len(drawn), start + int(free[start]))
        stop = start + min(stop - start, int(free[start:stop].min()))
        places = first[start:stop] + np.arange(start, stop) + _MARGIN
        made[_MARGIN + start : _MARGIN + stop] += (around[places] * taps[start:stop]).sum(1)
        start = stop
    return made[_MARGIN:]


def _shaped(pieces: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return `pieces` `(places, STEP)` through the filters of `weights` `(places, ORDER)` in turn: `(time,)`."""
    lfilter = import_extra("scipy.signal", "train").lfilter
    wave = np.zeros(ORDER + pieces.size)
    denominators = np.pad(-weights, ((0, 0), (1, 0)), constant_values=1)
    shifted = sliding_window_view(np.pad(weights, ((0, 0), (0, ORDER - 1))), ORDER, axis=1)
    starts = range(0, pieces.size, STEP)
    for start, denominator, later, piece in zip(starts, denominators, shifted, pieces, strict=True):
        state = later @ wave[start : start + ORDER][::-1]  # what the past adds to the samples to come
        wave[ORDER + start :][:STEP], _ = lfilter([1.0], denominator, piece, zi=state)
    return wave[ORDER:]


def _along(first: Tensor, last: Tensor, steps: int) -> Tensor:
    """Interpolate from `first` to `last` `(batch, frames, …)` at even steps: `(batch, frames * steps, …)`."""
    share = (torch.arange(steps, device=first.device) + 0.5) / steps
    share = share.to(first.dtype).view(-1, *[1] * (first.ndim - 2))
    return (first[:, :, None] * (1 - share) + last[:, :, None] * share).flatten(1, 2)


def _following(frames: Tensor) -> Tensor:
    """Return the frame after each of `(batch, frames, …)`; after the last one, itself."""
    return torch.cat([frames[:, 1:], frames[:, -1:]], 1)


def _durbin(correlation: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best weights and the power of their error, by Durbin's recursion.

    Args:
        correlation: Autocorrelations `(…, ORDER + 1)`.

    Returns:
        `(…, ORDER)` and `(…,)`.
    """
    weights, error = correlation.new_zeros(*correlation.shape[:-1], 0), correlation[..., 0]
    for lag in range(1, correlation.shape[-1]):
        known = (weights * correlation[..., 1:lag].flip(-1)).sum(-1)
        reflection = ((correlation[..., lag] - known) / error)[..., None]
        weights = torch.cat([weights - reflection * weights.flip(-1), reflection], -1)
        error = error * (1 - reflection[..., 0] ** 2)
    return weights, error
