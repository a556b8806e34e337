"""Who judges words, voice and quality. Each is a class that is made without arguments, named `MODULE:CLASS`.

Another one takes a module of one's own, in the working directory or installed:

    class Whisper:                                   # my_asr.py
        name = "whisper small.en"                    # stands below every table
        packages = ("openai-whisper",)               # by choice: their versions stand there too

        def __init__(self):
            import whisper
            self.model = whisper.load_model("small.en")

        def transcribe(self, wave):                  # float32 (samples,) at 16 kHz
            return self.model.transcribe(wave, language="en")["text"]

and `vqspeech score conversion --asr my_asr:Whisper …`. `Recogniser`, `Verifier` and `Rater` are the interfaces.
"""

import importlib
import os
import sys
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from vqspeech import extras
from vqspeech.errors import AudioError, ConfigError

ASR = "vqspeech.metrics.judges:Moonshine"
VERIFIER = "vqspeech.metrics.judges:Resemblyzer"
RATER = "vqspeech.metrics.judges:DNSMOS"
_MOVED = {
    "vqspeech.metrics.intelligibility:Moonshine": ASR,
    "vqspeech.metrics.speaker:Resemblyzer": VERIFIER,
    "vqspeech.metrics.naturalness:DNSMOS": RATER,
}
"""Names of version 0.1, which keep working."""


class Recogniser(Protocol):
    """A speech recogniser. `name` goes into every table."""

    name: str

    def transcribe(self, wave: np.ndarray) -> str:
        """Return what is said in `wave`: float32, 16 kHz, mono, `(samples,)`."""
        ...


class Moonshine:
    """Moonshine tiny (English), Jeffries et al. 2024, arXiv 2410.15608; its weights are within the package.

    Its voice activity detector is switched off: it cuts utterances at pauses and invents words at the cuts, which on
    read speech nearly doubles the word error rate (LibriSpeech test-clean excerpt: 8.3 % with it, 4.8 % without).
    """

    name = "moonshine tiny-en 0.0.65"
    packages = ("moonshine-voice",)

    def __init__(self) -> None:
        """Load the model (0.2 s).

        Raises:
            MissingExtra: The extra `eval` is not installed.
        """
        package = extras.import_extra("moonshine_voice", "eval")
        weights = Path(str(package.__file__)).parent / "assets" / "tiny-en"
        self._transcriber = package.Transcriber(
            model_path=weights,
            model_arch=package.ModelArch.TINY,
            options={"vad_threshold": "0.0", "return_audio_data": "false"},
        )

    def transcribe(self, wave: np.ndarray) -> str:
        """Return what is said in `wave` (float32, 16 kHz, `(samples,)`), 30 times faster than real time on a core."""
        lines = self._transcriber.transcribe_without_streaming(np.asarray(wave, dtype=np.float32), 16_000).lines
        return " ".join(line.text.strip() for line in lines)


class Verifier(Protocol):
    """A speaker encoder. `name` goes into every table."""

    name: str

    def embedding(self, wave: np.ndarray) -> np.ndarray:
        """Return the voice of `wave` (float32, 16 kHz, `(samples,)`) as a vector of length 1."""
        ...


class Resemblyzer:
    """The GE2E encoder of Wan et al. 2018 (arXiv 1710.10467) as trained by resemblyzer: 256 numbers, none negative.

    Same-voice cosines of clean speech are about 0.85 to 0.95, those of different voices about 0.5 to 0.7.
    """

    name = "resemblyzer 0.1.4"
    packages = ("resemblyzer", "webrtcvad-wheels")

    def __init__(self) -> None:
        """Load the model on the CPU.

        Raises:
            MissingExtra: The extra `eval` is not installed.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy's and librosa's old names in it
            package = extras.import_extra("resemblyzer", "eval")
            self._package = package
            self._encoder = package.VoiceEncoder("cpu", verbose=False)

    def embedding(self, wave: np.ndarray) -> np.ndarray:
        """Return the voice of `wave` (float32, 16 kHz, `(samples,)`): float32 `(256,)` of length 1.

        Raises:
            AudioError: The recording is silent.
        """
        wave = np.asarray(wave, dtype=np.float32)
        if not wave.any():
            raise AudioError("a voice cannot be heard in silence; leave the recording out")
        speech = self._package.preprocess_wav(wave)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # the LSTM's short steps wait for each other where the cores are busy
        try:
            return self._encoder.embed_utterance(speech if len(speech) else wave)
        finally:
            torch.set_num_threads(threads)


class Rater(Protocol):
    """A judge of quality. `name` goes into every table."""

    name: str

    def rating(self, wave: np.ndarray) -> float:
        """Return the quality of `wave` (float32, 16 kHz, `(samples,)`) from 1, bad, to 5, excellent."""
        ...


class DNSMOS:
    """DNSMOS P.835 (Reddy et al. 2022, arXiv 2110.01763), its "overall" score; the weights come with speechmos.

    Made to judge noise suppression: it hears noise and distortion, not whether words or voice are right. Clean read
    speech has about 3.2. It scores windows of 9.01 s and repeats shorter recordings up to that length.
    """

    name = "DNSMOS P.835 overall (speechmos 0.0.1.1)"
    packages = ("speechmos", "onnxruntime")

    def __init__(self) -> None:
        """Load the package.

        Raises:
            MissingExtra: The extra `eval` is not installed.
        """
        self._dnsmos = extras.import_extra("speechmos.dnsmos", "eval")

    def rating(self, wave: np.ndarray) -> float:
        """Return the overall quality of `wave` (float32, 16 kHz, `(samples,)`), 1 to 5."""
        wave = np.clip(np.asarray(wave, dtype=np.float32), -1.0, 1.0)
        return float(self._dnsmos.run(wave, 16_000)["ovrl_mos"])


class Judges(NamedTuple):
    """A speech recogniser, a speaker verifier and a rater of quality."""

    recogniser: Recogniser
    verifier: Verifier
    rater: Rater

    @property
    def packages(self) -> list[str]:
        """The packages that what they say depends on."""
        return [package for judge in self for package in getattr(judge, "packages", ())]


@lru_cache(maxsize=1)
def load_judges(asr: str = ASR, verifier: str = VERIFIER, rater: str = RATER) -> Judges:
    """Return the judges of these names, made once per process.

    Raises:
        ConfigError: There is none of a name.
        MissingExtra: The package of one is not installed.
    """
    return Judges(
        _made(asr, "--asr", "transcribe"), _made(verifier, "--verifier", "embedding"), _made(rater, "--rater", "rating")
    )


def _made(name: str, option: str, answer: str) -> Any:
    module, colon, kind = _MOVED.get(name, name).partition(":")
    if not colon:
        raise ConfigError(f"{option} {name}: name a class as MODULE:CLASS, for example {ASR}")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a command's own folder is no place where Python looks
    try:
        made = getattr(importlib.import_module(module), kind)()
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"{option} {name}: cannot be had ({error}); check the name, or install what it needs"
        ) from error
    missing = [part for part in ("name", answer) if not hasattr(made, part)]
    if missing:
        raise ConfigError(f"{option} {name}: has no {' and no '.join(missing)}; see vqspeech.metrics.judges")
    return made
