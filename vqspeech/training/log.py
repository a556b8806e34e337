"""What training leaves behind beside checkpoints: TensorBoard, and `curves.jsonl`, one evaluation a line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


class Log:
    """Figures, pictures and sounds of one experiment, by step."""

    def __init__(self, out: Path):
        from torch.utils.tensorboard import SummaryWriter

        self.curves = out / "curves.jsonl"
        self.board = SummaryWriter(str(out / "tensorboard"))

    def figures(self, step: int, figures: dict[str, float]) -> None:
        """Adds one evaluation. Where training was resumed at an earlier step, the later lines are dropped first."""
        kept = [line for line in self._lines() if json.loads(line)["step"] < step]
        self.curves.write_text("\n".join([*kept, json.dumps({"step": step, **figures})]) + "\n", encoding="utf-8")
        for name, value in figures.items():
            self.board.add_scalar(name, value, step)
        self.board.flush()

    def sounds(self, step: int, sounds: Mapping[str, np.ndarray], rate: int) -> None:
        """Adds waveforms `(samples,)` by name, of so many samples a second."""
        for name, sound in sounds.items():
            self.board.add_audio(name, np.clip(sound, -1, 1)[None], step, rate)
        self.board.flush()

    def figure(self, step: int, name: str, figure: Any) -> None:
        """Adds a figure of matplotlib."""
        self.board.add_figure(name, figure, step)
        self.board.flush()

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """Adds a picture, uint8 `(height, width, 3)`."""
        self.board.add_image(name, picture, step, dataformats="HWC")
        self.board.flush()

    def video(self, step: int, name: str, gif: bytes) -> None:
        """Adds a moving picture, the bytes of a GIF: TensorBoard shows it moving, among the pictures."""
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

        width, height = (int.from_bytes(gif[i : i + 2], "little") for i in (6, 8))
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=gif)
        self.board._get_file_writer().add_summary(Summary(value=[Summary.Value(tag=name, image=image)]), step)
        self.board.flush()

    def _lines(self) -> list[str]:
        return self.curves.read_text(encoding="utf-8").splitlines() if self.curves.is_file() else []
