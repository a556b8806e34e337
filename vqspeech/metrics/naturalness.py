"""How a listener might rate it: DNSMOS, a network's guess at mean opinion scores."""

from typing import Protocol

import numpy as np

from vqspeech import extras


class Rater(Protocol):
    """A judge of quality. `name` goes into every table."""

    name: str

    def rating(self, wave: np.ndarray) -> float:
        """Quality of `wave` (float32, 16 kHz, `(samples,)`) from 1, bad, to 5, excellent."""
        ...


class DNSMOS:
    """DNSMOS P.835 (Reddy et al. 2022, arXiv 2110.01763), its "overall" score; the weights come with speechmos.

    Made to judge noise suppression: it hears noise and distortion, not whether words or voice are right. Clean read
    speech has about 3.2. It scores windows of 9.01 s and repeats shorter recordings up to that length.
    """

    name = "DNSMOS P.835 overall (speechmos 0.0.1.1)"
    packages = ("speechmos", "onnxruntime")

    def __init__(self) -> None:
        """Raises `MissingExtra` without the extra `eval`."""
        self._dnsmos = extras.import_extra("speechmos.dnsmos", "eval")

    def rating(self, wave: np.ndarray) -> float:
        """Overall quality of `wave` (float32, 16 kHz, `(samples,)`), 1 to 5."""
        wave = np.clip(np.asarray(wave, dtype=np.float32), -1.0, 1.0)
        return float(self._dnsmos.run(wave, 16_000)["ovrl_mos"])
