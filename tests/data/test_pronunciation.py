"""Pronunciations of words that no dictionary has."""

import pytest

from vqspeech.data.phones import PHONES
from vqspeech.data.pronunciation import pronunciation
from vqspeech.errors import AlignmentError

pytest.importorskip("espeakng_loader")


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("link'd", "l ih ng k d"),
        ("faultless", "f ao l t l ah s"),
        ("'tis", "t ih z"),
        ("glinda's", "g l ih n d ah z"),
    ],
)
def test_pronunciation(word, phones):
    assert " ".join(pronunciation(word)) == phones


def test_the_phones_are_those_of_the_inventory_without_pauses():
    said = {phone for word in ("pythagorean", "giaour", "mijx", "chautauqua", "hour") for phone in pronunciation(word)}
    assert said <= set(PHONES[2:])


def test_what_cannot_be_spoken():
    with pytest.raises(AlignmentError, match="no pronunciation of '--'.*spell it as it is spoken"):
        pronunciation("--")
