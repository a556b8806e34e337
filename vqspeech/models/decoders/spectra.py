"""The loss of the source-filter decoder: differences of spectra of waveforms at several resolutions."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from vqspeech.models.filterbank import make_mel_filters

RESOLUTIONS = ((2048, 320), (1024, 160), (512, 80), (256, 40))
"""FFT lengths and hops (samples) at which spectra are compared."""
MEL_RESOLUTIONS = ((2048, 80), (1024, 64), (512, 40))
"""FFT lengths and numbers of mel bands at which energies are compared."""
_MAGNITUDE, _ENERGY = 1e-3, 1e-4  # floors of magnitude and mel energy


def spectral_losses(made: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Return how far apart the spectra of waveforms `(batch, time)` are, at several resolutions.

    Returns:
        {"spectrum": mean absolute difference of log magnitudes plus half the relative error of magnitudes,
        "mel": half the mean absolute difference of log mel energies}. Bins of noise differ by chance in either; the
        energies of mel bands, which are sums of many, differ less, and tell how strong the noise is.
    """
    spectrum = torch.zeros((), device=made.device)
    mel = torch.zeros((), device=made.device)
    bands = dict(MEL_RESOLUTIONS)
    for length, hop in RESOLUTIONS:
        window = hann_window(length, made.device)
        found, wanted = (
            F.pad(one, (length // 2, length // 2)).unfold(1, length, hop) * window for one in (made, target)
        )
        found, wanted = (torch.fft.rfft(one).abs() for one in (found, wanted))
        logs = (found.clamp(min=_MAGNITUDE).log() - wanted.clamp(min=_MAGNITUDE).log()).abs().mean()
        spectrum = spectrum + logs + 0.5 * (found - wanted).norm() / wanted.norm().clamp(min=1e-6)
        if length in bands:
            filters = mel_filters(length, bands[length], made.device)
            energies = [(one.square() @ filters + _ENERGY).log() for one in (found, wanted)]
            mel = mel + 0.5 * (energies[0] - energies[1]).abs().mean()
    return {"spectrum": spectrum / len(RESOLUTIONS), "mel": mel / len(MEL_RESOLUTIONS)}


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def hann_window(length: int, device: torch.device) -> Tensor:
    """Return a Hann window `(length,)` on a device."""
    return torch.hann_window(length, device=device)


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def mel_filters(length: int, bands: int, device: torch.device) -> Tensor:
    """Return mel filters of unit sum `(bins, bands)` on a device."""
    filters = make_mel_filters(length // 2 + 1, bands)
    return (filters / filters.sum(0).clamp(min=1e-8)).to(device)
