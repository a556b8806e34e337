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

and `vqspeech score conversion --asr my_asr:Whisper …`. `intelligibility.Recogniser`, `speaker.Verifier` and
`naturalness.Rater` say what each has to answer.
"""

import importlib
import os
import sys
from functools import lru_cache
from typing import Any, NamedTuple

from vqspeech.errors import ConfigError
from vqspeech.metrics.intelligibility import Recogniser
from vqspeech.metrics.naturalness import Rater
from vqspeech.metrics.speaker import Verifier

ASR = "vqspeech.metrics.intelligibility:Moonshine"
VERIFIER = "vqspeech.metrics.speaker:Resemblyzer"
RATER = "vqspeech.metrics.naturalness:DNSMOS"


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
def judges(asr: str = ASR, verifier: str = VERIFIER, rater: str = RATER) -> Judges:
    """The judges of these names, made once a process.

    Raises `ConfigError` where there is none of a name, and `MissingExtra` where the package of one is not installed.
    """
    return Judges(
        _made(asr, "--asr", "transcribe"), _made(verifier, "--verifier", "embedding"), _made(rater, "--rater", "rating")
    )


def _made(name: str, option: str, answer: str) -> Any:
    module, colon, kind = name.partition(":")
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
