"""The transcript of an utterance, where a corpus keeps each in a text file of its own."""

import re
from pathlib import Path

from vqspeech.data.corpora.account import Account

_NUMBERS = re.compile(r"^\s*\d+\s+\d+\s+")


def transcript(path: Path, name: str, account: Account, numbered: bool = False) -> str | None:
    """What the file says, with single blanks between words; None where it is missing or empty.

    `numbered`: without the first and last sample, two numbers that TIMIT has before the words. Files that are empty or
    not in UTF-8 (then read as Latin-1) are noted in the account of the utterance `name`.
    """
    if not path.is_file():
        return None
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
        account.note(name, "text not in UTF-8 (read as Latin-1)")
    if numbered:
        text = _NUMBERS.sub("", text)
    if not text.split():
        account.note(name, "the text file is empty")
    return " ".join(text.split()) or None
