"""How well a machine understands what is said: character and word error rates of a speech recogniser (ASR).

Rates are of the corpus: all errors over all reference characters (words), with a bootstrap interval over utterances.
They mean something only beside the name of the ASR and the row of the natural recordings.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from vqspeech import extras
from vqspeech.data.text import normalise_text
from vqspeech.metrics.bootstrap import Estimate, Group, ratio


class Recogniser(Protocol):
    """A speech recogniser. `name` goes into every table."""

    name: str

    def transcribe(self, wave: np.ndarray) -> str:
        """What is said in `wave`: float32, 16 kHz, mono, `(samples,)`."""
        ...


class Moonshine:
    """Moonshine tiny (English), Jeffries et al. 2024, arXiv 2410.15608; its weights are within the package.

    Its voice activity detector is switched off: it cuts utterances at pauses and invents words at the cuts, which on
    read speech nearly doubles the word error rate (LibriSpeech test-clean excerpt: 8.3 % with it, 4.8 % without).
    """

    name = "moonshine tiny-en 0.0.65"
    packages = ("moonshine-voice",)

    def __init__(self) -> None:
        """Loads the model (0.2 s). Raises `MissingExtra` without the extra `eval`."""
        package = extras.import_extra("moonshine_voice", "eval")
        weights = Path(str(package.__file__)).parent / "assets" / "tiny-en"
        self._transcriber = package.Transcriber(
            model_path=weights,
            model_arch=package.ModelArch.TINY,
            options={"vad_threshold": "0.0", "return_audio_data": "false"},
        )

    def transcribe(self, wave: np.ndarray) -> str:
        """What is said in `wave`: float32, 16 kHz, `(samples,)`. About 30 times faster than the speech on a core."""
        lines = self._transcriber.transcribe_without_streaming(np.asarray(wave, dtype=np.float32), 16_000).lines
        return " ".join(line.text.strip() for line in lines)


def cer(hypotheses: Sequence[str], references: Sequence[str], groups: Sequence[Group] | None = None) -> Estimate:
    """Character error rate, (substitutions + deletions + insertions) / reference characters, both texts normalised.

    Pairs whose reference has no words are left out of `n`; `groups` as in `bootstrap.ratio`. Raises `MissingExtra`
    without jiwer.
    """
    return _rate("process_characters", hypotheses, references, groups)


def wer(hypotheses: Sequence[str], references: Sequence[str], groups: Sequence[Group] | None = None) -> Estimate:
    """Word error rate, (substitutions + deletions + insertions) / reference words, both texts normalised.

    Pairs whose reference has no words are left out of `n`; `groups` as in `bootstrap.ratio`. Raises `MissingExtra`
    without jiwer.
    """
    return _rate("process_words", hypotheses, references, groups)


def _rate(
    process: str, hypotheses: Sequence[str], references: Sequence[str], groups: Sequence[Group] | None
) -> Estimate:
    count = getattr(extras.import_extra("jiwer", "eval"), process)
    errors, lengths, kept = [], [], []
    names: Sequence[Group] = groups if groups is not None else [str(i) for i in range(len(references))]
    for hypothesis, reference, group in zip(hypotheses, references, names, strict=True):
        reference = normalise_text(reference)
        if reference:
            found = count(reference, normalise_text(hypothesis))
            errors.append(found.substitutions + found.deletions + found.insertions)
            lengths.append(found.hits + found.substitutions + found.deletions)
            kept.append(group)
    return ratio(errors, lengths, kept)
