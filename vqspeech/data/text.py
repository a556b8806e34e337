"""Text as it is spoken: one form for transcripts, for the output of an ASR, and for an aligner.

Lower case, numbers in words, no punctuation, titles in full. LibriSpeech transcripts are in this form except for their
case, VCTK's are after it.
"""

import re
import unicodedata

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_WORDS = {
    "mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "vs": "versus", "etc": "et cetera",
    "ok": "okay",
}  # fmt: skip
_NUMBER = re.compile(r"(\d+)(st|nd|rd|th)?\b")


def spell_number(number: int) -> str:
    """Return a number in words, as read aloud in American English: 342 is "three hundred forty two"."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f" {_ONES[ones]}" if ones else "")
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            many, rest = divmod(number, size)
            return f"{spell_number(many)} {name}" + (f" {spell_number(rest)}" if rest else "")
    raise AssertionError(number)


def spell_ordinal(number: int) -> str:
    """Return an ordinal in words: 23 is "twenty third"."""
    *before, last = spell_number(number).split()
    if last in _ORDINALS:
        last = _ORDINALS[last]
    else:
        last = (last[:-1] + "ie" if last.endswith("y") else last) + "th"
    return " ".join([*before, last])


def split_words(text: str) -> list[str]:
    """Return the words of a text as spoken: lower-case letters, with apostrophes as written ("don't", "'tis").

    Numbers are spelled, four-digit ones as years are read ("1834": eighteen thirty four), titles are in full, and all
    other marks become spaces.
    """
    text = unicodedata.normalize("NFKD", text.lower())
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = re.sub(r"\$\s?(\d[\d,]*)", r"\1 dollars", text)
    text = re.sub(r"\b\d{1,3}(,\d{3}){1,4}\b", lambda match: f" {spell_number(int(match[0].replace(',', '')))} ", text)
    text = text.replace("%", " percent ").replace("&", " and ")
    text = _NUMBER.sub(_in_words, text)
    text = re.sub(r"['’‘`]", "'", text)
    found = [word for word in re.sub(r"[^a-z']+", " ", text).split() if word.strip("'")]
    return " ".join(_WORDS.get(word.strip("'"), word) for word in found).split()


def normalise_text(text: str) -> str:
    """Return the words of a text without apostrophes, separated by single spaces: what CER and WER compare."""
    bare = (word.replace("'", "") for word in split_words(text))
    return " ".join(_WORDS.get(word, word) for word in bare)


def _in_words(match: re.Match[str]) -> str:
    digits, suffix = match.groups()
    if len(digits) > 12 or (len(digits) > 1 and digits[0] == "0"):
        return " " + " ".join(_ONES[int(digit)] for digit in digits) + " "
    number = int(digits)
    if suffix:
        spoken = spell_ordinal(number)
    elif 1100 <= number < 2000 and number % 100:
        first, last = divmod(number, 100)
        spoken = f"{spell_number(first)} {'oh ' if last < 10 else ''}{spell_number(last)}"
    else:
        spoken = spell_number(number)
    return f" {spoken} "
