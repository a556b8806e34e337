"""Everything that can go wrong through a user's input, one class a kind.

Each message says what is wrong, where, and what to do about it. The command line prints the message alone and
exits with `FAILED`; any other exception is a defect of ours and keeps its traceback.
"""

FAILED = 1
"""Exit status: nothing (more) could be done."""
SOME_SKIPPED = 3
"""Exit status: all good items were done, the bad ones were named, counted and skipped."""


class VqspeechError(Exception):
    """Base of all errors a user can mend."""


class AudioError(VqspeechError):
    """A recording that cannot be read: empty, silent, truncated, not audio, not finite."""


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


class SpeakerError(VqspeechError):
    """A speaker the model was not trained on."""


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
