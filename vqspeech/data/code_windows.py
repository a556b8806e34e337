"""Random windows of units files as batches of tensors, for priors over codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqspeech.data.batches import Batch, WindowPositions
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import Units
from vqspeech.errors import SpeakerError, UnitsError


@dataclass
class CodeBatch(Batch):
    """Windows of codes.

    Attributes:
        codes: int64 `(batch, time)`.
        before: int64 `(batch, time)`, the code before each; the number of codes where there is none.
        lengths: int64 `(batch,)`, valid codes of each window.
        speakers: int64 `(batch,)`, indices of voices; 0 where the voice is unknown.
    """

    codes: Tensor
    before: Tensor
    lengths: Tensor
    speakers: Tensor


class CodeWindows:
    """Windows of codes of the utterances of a units file.

    Args:
        units: The codes.
        speakers: Voices of the model: `speakers[i]` has index i + 1.
        length: Codes per window.
        voices: Speaker by utterance id; an utterance without one has index 0.

    Raises:
        SpeakerError: A voice is not among the speakers.
    """

    def __init__(self, units: Units, speakers: Sequence[str], length: int, voices: Mapping[str, str]):
        index = {name: i + 1 for i, name in enumerate(speakers)}
        found = [voices.get(name) for name in units.codes]
        unknown = sorted({name for name in found if name is not None and name not in index})
        if unknown:
            raise SpeakerError(
                f"units of speakers {', '.join(unknown[:5])}, who are not in the training data; "
                "use other utterances of its speakers, or leave out --data"
            )
        self.length, self.size = length, units.size
        self._codes = list(units.codes.values())
        self._speaker = np.array([0 if name is None else index[name] for name in found])
        self._places = WindowPositions(np.array([len(codes) for codes in self._codes]), length)

    def random(self, size: int, seed: int, step: int, process: int = 0) -> CodeBatch:
        """Return `size` random windows, a function of (seed, step, process) alone."""
        return self._batch(*self._places.random(size, seed, step, process))

    def even(self, size: int) -> CodeBatch:
        """Return `size` windows spread evenly over the file: the same at every call, for evaluation."""
        return self._batch(*self._places.even(size))

    def _batch(self, utterances: np.ndarray, starts: np.ndarray) -> CodeBatch:
        codes = np.zeros((len(utterances), self.length), dtype=np.int64)
        before = np.full((len(utterances), self.length), self.size, dtype=np.int64)
        lengths = np.empty(len(utterances), dtype=np.int64)
        for row, (i, start) in enumerate(zip(utterances, starts, strict=True)):
            part = self._codes[i][start : start + self.length]
            codes[row, : len(part)] = part
            if start:
                before[row, 0] = self._codes[i][start - 1]
            before[row, 1 : len(part)] = part[:-1]
            lengths[row] = len(part)
        speakers = torch.from_numpy(self._speaker[utterances])
        return CodeBatch(torch.from_numpy(codes), torch.from_numpy(before), torch.from_numpy(lengths), speakers)


def find_speakers(units: Units, data: Sequence[DataDir]) -> dict[str, str]:
    """Return the speaker of each utterance of a units file, from the first data directory that has it.

    Args:
        units: The codes.
        data: Data directories; with none, no speaker is known.

    Raises:
        UnitsError: An utterance is in none of the data directories.
    """
    if not data:
        return {}
    found = {one.id: one.speaker for directory in reversed(data) for one in directory}
    missing = [name for name in units.codes if name not in found]
    if missing:
        raise UnitsError(
            f"{len(missing)} utterances ({', '.join(missing[:3])}) are in no data directory; name theirs too, or none"
        )
    return {name: found[name] for name in units.codes}
