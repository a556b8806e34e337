"""How well a machine understands what is said: character and word error rates of a speech recogniser (ASR).

Rates are of the corpus: all errors over all reference characters (words), with a bootstrap interval over utterances.
They mean something only beside the name of the ASR and the row of the natural recordings.
"""

from collections.abc import Sequence

from vqspeech import extras
from vqspeech.data.text import normalise_text
from vqspeech.metrics.measures.bootstrap import Estimate, Group, estimate_ratio


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
    for hypothesis, text, group in zip(hypotheses, references, names, strict=True):
        reference = normalise_text(text)
        if reference:
            found = count(reference, normalise_text(hypothesis))
            errors.append(found.substitutions + found.deletions + found.insertions)
            lengths.append(found.hits + found.substitutions + found.deletions)
            kept.append(group)
    return estimate_ratio(errors, lengths, kept)
