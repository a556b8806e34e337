"""Everything that can go wrong through a user's input, one class a kind.

Each message says what is wrong, where, and what to do about it. The command line prints the message alone and
exits with `FAILED`; any other exception is a defect of ours and keeps its traceback, except in a batch, where it costs
one item (`ItemError`).
"""

import errno
import os
import traceback

FAILED = 1
"""Exit status: nothing (more) could be done."""
SOME_SKIPPED = 3
"""Exit status: all good items were done, the bad ones were named, counted and skipped."""


class VqspeechError(Exception):
    """Base of all errors a user can mend."""

    def __reduce__(self):
        # By its message, not by the arguments it was made of: errors come back from other processes.
        return type(self).__new__, (type(self), *self.args)


class OutputError(VqspeechError):
    """A place that cannot be written to, or that another process is writing to."""


class ItemError(VqspeechError):
    """An item of a batch that failed by what is no user's error: memory that is short, or a defect of ours."""


class AudioError(VqspeechError):
    """A recording that cannot be read: empty, silent, truncated, not audio, not finite."""


class WaveformError(AudioError, ValueError):
    """Samples that are no waveform: several channels, none, not finite, on the scale of integers."""


class DataDirError(VqspeechError):
    """A data directory with a fault."""


class CorpusError(VqspeechError):
    """A corpus that is not laid out as its name promises, or holds nothing usable."""


class AlignmentError(VqspeechError):
    """Phone times that cannot be read or do not fit their recording."""


class ShardError(VqspeechError):
    """A dump that is incomplete, of another version, or not a dump."""


class ConfigError(VqspeechError):
    """A configuration that names something unknown or contradicts itself."""


class CheckpointError(VqspeechError):
    """A checkpoint that is truncated, of another version, or not ours."""


class DivergenceError(VqspeechError):
    """A training whose losses or weights are not finite any more."""


class SpeakerError(VqspeechError):
    """A speaker the model was not trained on."""


class DeviceError(VqspeechError):
    """A sound device that is not there, cannot be opened, or has gone."""


class UnitsError(VqspeechError):
    """A units file that is malformed or belongs to another model."""


class ImageError(VqspeechError):
    """An image, a set of images, or the codes of one, that cannot be read, is damaged, or does not fit the model."""


class MissingExtra(VqspeechError):
    """A package of an optional extra that is not installed."""

    def __init__(self, package: str, extra: str):
        command = f"pip install 'vqspeech[{extra}]'"
        if package == "resemblyzer":  # what its metadata ask for cannot be installed, see pyproject.toml
            command += " && pip install --no-deps resemblyzer"
        super().__init__(f"{package} is not installed; get it with: {command}")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory is short: Python's, NumPy's, or torch's, on any device."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and (type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error))
    )


def describe_error(error: BaseException) -> str:
    """Return what went wrong in one line, as the user is told it; of a defect, where in the program it is."""
    if isinstance(error, VqspeechError):
        return str(error)
    if is_out_of_memory(error):
        return "too large for the memory there is; cut it into shorter parts, or use fewer --nj"
    if isinstance(error, OSError):
        return str(error)
    said = " ".join(f"{type(error).__name__}: {error}".split())
    places = traceback.extract_tb(error.__traceback__)
    where = f" at {os.path.basename(places[-1].filename)}:{places[-1].lineno}" if places else ""
    return f"{said}{where}; a defect of vqspeech, please report it"


def ends_batch(error: BaseException) -> bool:
    """Return whether the items to come would fail alike: the disk is full, or may not be written to at all."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
