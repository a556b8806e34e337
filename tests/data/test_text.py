"""Text as it is spoken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqspeech.data.text import normalise_text, spell_number, spell_ordinal, split_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He hoped -- there'd be STEW!", "he hoped thered be stew"),
        ("Mr. Smith paid $5 on the 23rd", "mister smith paid five dollars on the twenty third"),
        ("in 1834, 1,250 people", "in eighteen thirty four one thousand two hundred fifty people"),
        ("1905; 007; 100%", "nineteen oh five zero zero seven one hundred percent"),
        ("café\n naïve", "cafe naive"),
        ("...", ""),
        ("9" * 5000, " ".join(["nine"] * 5000)),
    ],
)
def test_normalised(text, expected):
    assert normalise_text(text) == expected


@given(st.text(max_size=60))
def test_normalised_is_letters_and_single_spaces_and_stays(text):
    once = normalise_text(text)
    assert all("a" <= c <= "z" or c == " " for c in once)
    assert "  " not in once and once == once.strip()
    assert normalise_text(once) == once


def test_numbers():
    assert [spell_number(n) for n in (0, 13, 40, 99, 1000000)] == [
        "zero",
        "thirteen",
        "forty",
        "ninety nine",
        "one million",
    ]
    assert [spell_ordinal(n) for n in (1, 12, 20, 31, 100)] == [
        "first",
        "twelfth",
        "twentieth",
        "thirty first",
        "one hundredth",
    ]


def test_words_keep_their_apostrophes():
    assert split_words("Don\u2019t! 'Tis 2 o'clock, Mr. O\u2019Brien\u2019s dogs' \u2018ere'") == [
        *("don't", "'tis", "two", "o'clock", "mister", "o'brien's", "dogs'", "'ere'")
    ]
    assert split_words("-- ' \u2019 ...") == []


@given(st.text(max_size=60))
def test_normalised_text_has_the_words_without_apostrophes(text):
    assert "".join(split_words(text)).replace("'", "") == normalise_text(text).replace(" ", "")
