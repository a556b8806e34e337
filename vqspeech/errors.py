"""Everything that can go wrong through a user's input, one class for each kind.

Each message states what is wrong, where, and what to do. The command line prints the message alone and exits with
`FAILED`; any other exception is a defect of the toolkit and keeps its traceback, except in a batch, where it costs one
item (`ItemError`).
"""

import errno
import os
import traceback
from typing import Any

FAILED = 1
"""Exit status: nothing (more) could be done."""
SOME_SKIPPED = 3
"""Exit status: all good items were done, the bad ones were named, counted and skipped."""


class VqspeechError(Exception):
    """Base of all errors that a user can correct."""

    def __reduce__(self) -> tuple[Any, ...]:
        # By its message, not by the arguments it was made of: errors come back from other processes.
        return type(self).__new__, (type(self), *self.args)


class OutputError(VqspeechError):
    """An output that cannot be written, or that another process is writing to."""


class ItemError(VqspeechError):
    """An item of a batch that failed for lack of memory, or by a defect of the toolkit."""


class AudioError(VqspeechError):
    """A recording that cannot be read: empty, silent, truncated, not audio, not finite."""


class WaveformError(AudioError, ValueError):
    """Samples that are not a waveform: several channels, none, not finite, on the scale of integers."""


class StorageError(VqspeechError):
    """A file on other storage, or a member of a tar, that is missing or cannot be read."""


class DataDirError(VqspeechError):
    """A data directory with a fault."""


class CorpusError(VqspeechError):
    """A corpus that is not laid out as its name promises, or that holds nothing usable."""


class AlignmentError(VqspeechError):
    """Phone times that cannot be read or do not fit their recording."""


class ShardError(VqspeechError):
    """A dump that is incomplete, of another version, or not a dump."""


class ConfigError(VqspeechError):
    """A configuration that names something unknown or contradicts itself."""


class CheckpointError(VqspeechError):
    """A checkpoint that is truncated, of another version, or not one of this toolkit."""


class DivergenceError(VqspeechError):
    """A training whose losses or weights are no longer finite."""


class SpeakerError(VqspeechError):
    """A speaker the model was not trained on."""


class DeviceError(VqspeechError):
    """A sound device that does not exist, cannot be opened, or was disconnected."""


class UnitsError(VqspeechError):
    """A units file that is malformed or belongs to another model."""


class ImageError(VqspeechError):
    """An image, a set of images, or the codes of one, that cannot be read, is damaged, or does not fit the model."""


class TextError(VqspeechError):
    """A line of text that cannot be translated: empty, too long, not UTF-8."""


class MissingExtra(VqspeechError):
    """A package of an optional extra that is not installed."""

    def __init__(self, package: str, extra: str):
        command = f"pip install 'vqspeech[{extra}]'"
        if package == "resemblyzer":  # what its metadata ask for cannot be installed, see pyproject.toml
            command += " && pip install --no-deps resemblyzer"
        super().__init__(f"{package} is not installed; get it with: {command}")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception reports insufficient memory: Python's, NumPy's, or torch's, on any device."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and (type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error))
    )


def describe_error(error: BaseException) -> str:
    """Return the message of an error in one line, as the user sees it; for a defect, with its place in the program."""
    if isinstance(error, VqspeechError):
        return str(error)
    if is_out_of_memory(error):
        return "not enough memory; cut it into shorter parts, or use fewer --nj"
    if isinstance(error, OSError):
        return str(error)
    text = " ".join(f"{type(error).__name__}: {error}".split())
    places = traceback.extract_tb(error.__traceback__)
    where = f" at {os.path.basename(places[-1].filename)}:{places[-1].lineno}" if places else ""
    return f"{text}{where}; a defect of vqspeech, please report it"


def ends_batch(error: BaseException) -> bool:
    """Return whether all further items would fail as well: the disk is full, or cannot be written to at all."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
