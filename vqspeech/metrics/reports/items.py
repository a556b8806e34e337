"""Item files: the tokens of an ABX task, as fastabx and the ZeroSpeech challenges read them.

    #file onset offset #phone prev-phone next-phone speaker

A row is a token: utterance, where it begins and ends (s), its phone, the phones before and after it, its speaker. With
a folder of features, or units as JSON lines, of the same utterances, they are all that fastabx needs.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from vqspeech.data.phones import PHONES, SILENCE
from vqspeech.files import write_text
from vqspeech.metrics.aligned import Aligned
from vqspeech.metrics.measures.abx import Span, list_phones, list_triphones

FILES = {"triphones.item": list_triphones, "phones.item": list_phones}
"""Item files, and what lists their tokens."""
HEADER = "#file onset offset #phone prev-phone next-phone speaker"


def write_items(folder: Path, utterances: Sequence[Aligned]) -> None:
    """Write the item files of utterances.

    Tokens too short for the middle of a frame are left out, as fastabx refuses them, and so are those that begin or end
    outside the frames.

    Args:
        folder: Where the files go.
        utterances: Utterances with their phones and frames.
    """
    for name, list_spans in FILES.items():
        rows = [row for span in list_spans(utterances) for row in _format_token(span, utterances[span.utterance])]
        write_text(folder / name, "\n".join([HEADER, *rows]) + "\n")


def _format_token(span: Span, one: Aligned) -> Iterator[str]:
    onset, offset = round(span.start, 6), round(span.end, 6)
    first, last = math.ceil(onset * one.rate - 0.5), math.floor(offset * one.rate - 0.5)
    if 0 <= first <= last < len(one.codes):
        before, phone, after = (SILENCE if i is None else PHONES[i] for i in (span.before, span.phone, span.after))
        yield f"{one.name} {onset:.6f} {offset:.6f} {phone} {before} {after} {one.speaker}"
