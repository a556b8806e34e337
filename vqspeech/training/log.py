"""Logs of a training: TensorBoard, and `curves.jsonl` with one evaluation per line."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vqspeech.errors import ConfigError
from vqspeech.files import write_text

CURVES = "curves.jsonl"


def read_curves(path: str | Path) -> list[dict[str, float]]:
    """Read the evaluations of a training, each {"step", figures by name}.

    Damaged lines, as a kill or a full disk leaves them, are skipped with a message on stderr.

    Raises:
        ConfigError: The file is missing, or no line is complete.
    """
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigError(f"{path}: no curves of a training ({error.strerror}); train it first") from None
    found = [_evaluation(line) for line in lines]
    kept = [one for one in found if one is not None]
    if not kept:
        raise ConfigError(f"{path}: holds no evaluation of a training; train on, or from the start")
    if lines[-1] and found[-1] is None:
        print(f"{path}: its last line is cut short and left out", file=sys.stderr)
    damaged = sum(one is None and bool(line) for one, line in zip(found[:-1], lines[:-1], strict=True))
    if damaged:
        print(f"{path}: {damaged} damaged line(s) left out", file=sys.stderr)
    return kept


def _evaluation(line: bytes) -> dict[str, float] | None:
    try:
        found = json.loads(line)
        numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in found.values())
        return found if numbers and isinstance(found["step"], int) and found["step"] >= 0 else None
    except (ValueError, KeyError, AttributeError, RecursionError):
        return None


class Log:
    """Log of one experiment by step.

    Args:
        out: Folder of the experiment.
    """

    def __init__(self, out: Path):
        from torch.utils.tensorboard import SummaryWriter

        self.curves = out / CURVES
        self.evaluations = self._kept()
        self.board = SummaryWriter(str(out / "tensorboard"))

    def add_scalars(self, step: int, figures: dict[str, float]) -> None:
        """Add one evaluation; evaluations of later steps, from before training was resumed, are dropped."""
        self.evaluations = [one for one in self.evaluations if one["step"] < step] + [{"step": step, **figures}]
        write_text(self.curves, "".join(json.dumps(one) + "\n" for one in self.evaluations))
        for name, value in figures.items():
            self.board.add_scalar(name, value, step)
        self.board.flush()

    def add_sounds(self, step: int, sounds: Mapping[str, np.ndarray], rate: int) -> None:
        """Add waveforms `(samples,)` by name; `rate` in Hz."""
        for name, sound in sounds.items():
            self.board.add_audio(name, np.clip(sound, -1, 1)[None], step, rate)
        self.board.flush()

    def add_plot(self, step: int, name: str, figure: Any) -> None:
        """Add a figure of matplotlib."""
        self.board.add_figure(name, figure, step)
        self.board.flush()

    def add_image(self, step: int, name: str, picture: np.ndarray) -> None:
        """Add an image, uint8 `(height, width, 3)`."""
        self.board.add_image(name, picture, step, dataformats="HWC")
        self.board.flush()

    def add_video(self, step: int, name: str, gif: bytes) -> None:
        """Add an animation, the bytes of a GIF; TensorBoard shows it among the images."""
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

        width, height = (int.from_bytes(gif[i : i + 2], "little") for i in (6, 8))
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=gif)
        self.board._get_file_writer().add_summary(Summary(value=[Summary.Value(tag=name, image=image)]), step)
        self.board.flush()

    def _kept(self) -> list[dict[str, float]]:
        """Return the evaluations of an earlier run, empty where none is complete."""
        try:
            return read_curves(self.curves) if self.curves.is_file() else []
        except ConfigError as error:
            print(error, file=sys.stderr)
            return []
