"""Logs of a training: TensorBoard, and `curves.jsonl` with one evaluation per line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vqspeech.errors import ConfigError
from vqspeech.files import write_text
from vqspeech.metrics.reports.curves import CURVES, read_curves
from vqspeech.progress import warn


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
        summary = Summary(value=[Summary.Value(tag=name, image=image)])
        self.board._get_file_writer().add_summary(summary, step)  # noqa: SLF001 -- SummaryWriter takes no GIF
        self.board.flush()

    def _kept(self) -> list[dict[str, float]]:
        """Return the evaluations of an earlier run, empty where none is complete."""
        try:
            return read_curves(self.curves) if self.curves.is_file() else []
        except ConfigError as error:
            warn(str(error))
            return []
