"""What training leaves behind beside checkpoints: TensorBoard, and `curves.jsonl`, one evaluation a line."""

import json
from pathlib import Path

import numpy as np

from vqspeech import audio
from vqspeech.data.dump import Shards
from vqspeech.models.vqvae import VQVAE


class Log:
    """Figures, spectrograms and sounds of one experiment, by step."""

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

    def listen(self, step: int, model: VQVAE, shards: Shards, seconds: float) -> None:
        """Adds a held-out utterance, its free-running reconstruction, and its conversion to another voice."""
        from vqspeech.metrics.pictures import spectrograms

        training = model.training
        model.eval()
        wave = audio.linear(shards.levels(0, 0, int(seconds * audio.RATE)))
        own = shards.speakers[0]
        other = next((name for name in model.speakers if name != own), own)
        sounds = {"recording": wave, f"reconstruction {own}": model.reconstruct(wave, own)}
        sounds[f"conversion {other}"] = model.convert(wave, other)
        model.train(training)
        for name, sound in sounds.items():
            self.board.add_audio(name, np.clip(sound, -1, 1)[None], step, audio.RATE)
        self.board.add_figure("spectrograms", spectrograms(sounds), step)
        self.board.flush()

    def _lines(self) -> list[str]:
        return self.curves.read_text(encoding="utf-8").splitlines() if self.curves.is_file() else []
