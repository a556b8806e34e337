"""One utterance of a data directory."""

from dataclasses import dataclass

from vqspeech.data.tables import GENDERS, SLACK, is_id, is_pipe
from vqspeech.errors import DataDirError


@dataclass(frozen=True)
class Utterance:
    """One utterance.

    Attributes:
        id: Its id, which starts with that of the speaker.
        speaker: Id of the speaker.
        path: Sound file.
        start: Where it starts in the file (seconds).
        end: Where it ends (seconds); None is the end of the recording.
        text: Transcript, if any.
        gender: Of the speaker, 'f', 'm' or unknown.
        alignment: Phone alignment file, if any.
        seconds: Length of the utterance, not of a longer recording that it is part of; None if unknown.
    """

    id: str
    speaker: str
    path: str
    start: float = 0.0
    end: float | None = None
    text: str | None = None
    gender: str | None = None
    alignment: str | None = None
    seconds: float | None = None


def check_utterance(utterance: Utterance) -> None:
    """Check that an utterance can be part of a data directory.

    Raises:
        DataDirError: It cannot.
    """
    name = utterance.id
    if not is_id(name) or not is_id(utterance.speaker):
        raise DataDirError(f"'{name}' of '{utterance.speaker}' is not a valid id; use names without blanks and slashes")
    if not name.startswith(utterance.speaker):
        fix = f"rename it to '{utterance.speaker}-{name}'"
        raise DataDirError(f"speaker '{utterance.speaker}' is not a prefix of utterance '{name}'; {fix}")
    for what, value in (("path", utterance.path), ("text", utterance.text), ("alignment", utterance.alignment)):
        if value is not None and (not value or value != value.strip() or "\n" in value or "\r" in value):
            raise DataDirError(
                f"{what} {value!r} of '{name}' cannot be written on one line; remove blanks and line ends"
            )
    if is_pipe(utterance.path):
        raise DataDirError(f"'{name}' is a command ({utterance.path}), not a file; write its output to a file first")
    if utterance.gender is not None and utterance.gender not in GENDERS:
        raise DataDirError(f"gender '{utterance.gender}' of '{utterance.speaker}'; write f or m")
    end = utterance.start + 1 if utterance.end is None else utterance.end
    if not 0 <= utterance.start < end < float("inf"):
        raise DataDirError(f"'{name}' goes from {utterance.start} to {utterance.end} s; give 0 <= start < end")
    if utterance.seconds is not None and not 0 < utterance.seconds < float("inf"):
        raise DataDirError(f"'{name}' lasts {utterance.seconds} s; give more than 0, or leave it unknown")
    if utterance.seconds and utterance.end and abs(utterance.end - utterance.start - utterance.seconds) > SLACK:
        what = f"'{name}' lasts {utterance.seconds} s and goes from {utterance.start} to {utterance.end} s"
        raise DataDirError(f"{what}; correct one of the two")
