"""How a word is said that no dictionary has: what espeak-ng would speak, in phones of the inventory."""

from functools import lru_cache

from vqspeech.data.corpora import espeak
from vqspeech.data.phones import SILENCE
from vqspeech.errors import AlignmentError, CorpusError

_VOICE = "en-us"


@lru_cache(maxsize=65536)
def pronunciation(word: str) -> tuple[str, ...]:
    """The phones of an English word, by the spelling rules and the exceptions of espeak-ng.

    A word takes 20 ms. Against CMUdict it has one phone in ten wrong, in its unstressed vowels mostly. Raises
    `MissingExtra` without espeak-ng, and `AlignmentError` for what it does not speak.
    """
    try:
        times = espeak.phone_times(*espeak.synthesise(word, _VOICE), source="espeak")
    except CorpusError as error:
        raise AlignmentError(f"no pronunciation of {word!r} ({error}); spell it as it is spoken") from None
    return tuple(phone for _, _, phone in times if phone != SILENCE)
