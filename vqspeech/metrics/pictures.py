"""Pictures of speech and of training, as matplotlib figures."""

import math
from pathlib import Path

import numpy as np

from vqspeech import audio
from vqspeech.files import replace_file
from vqspeech.training.log import read_curves


def spectrograms(sounds: dict[str, np.ndarray]):
    """A figure with the spectrogram (0 to 8 kHz, 80 dB) of each waveform `(samples,)` under the other, by title."""
    from matplotlib.figure import Figure

    longest = max(map(len, sounds.values())) / audio.RATE
    figure = Figure(figsize=(min(14.0, max(6.0, 2.5 * longest)), 1.9 * len(sounds)), layout="constrained")
    for axes, (title, wave) in zip(
        np.atleast_1d(figure.subplots(len(sounds), 1, sharex=True)), sounds.items(), strict=True
    ):
        with np.errstate(divide="ignore"):
            axes.specgram(wave + 1e-7, NFFT=400, noverlap=240, Fs=audio.RATE, vmin=-130, vmax=-45, cmap="magma")
        axes.set(title=title, ylabel="Hz", xlim=(0, longest))
    return figure


def curves(path: Path):
    """A figure of the training curves in `curves.jsonl`: losses on held-out speech, and the three collapse numbers; of
    a prior, bits a code of held-out units and of those it learns from, and the gap between."""
    from matplotlib.figure import Figure

    lines = read_curves(path)
    steps = [line["step"] for line in lines]
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    panels = [
        ("held-out decoder loss", ["decoder"]),
        ("loss added by shuffled codes", ["shuffle_gap"]),
        ("codes", ["perplexity", "used"]),
        ("codebook losses", ["commitment", "codebook"]),
    ]
    if "bits" in lines[0]:
        panels = [("bits a code", ["bits", "train_bits"]), ("generalisation gap, bits a code", ["gap"])]
    panels = [(title, names) for title, names in panels if lines[0].keys() & names]  # some quantisers have no loss
    for axes, (title, names) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for name in names:
            if name in lines[0]:
                axes.plot(steps, [line.get(name, math.nan) for line in lines], label=name)
        axes.set(title=title, xlabel="step", ylim=(0, None))
        axes.legend()
    return figure


def save(figure, path: str | Path) -> None:
    """Writes a figure as PNG of 64 colours, a few hundred kilobytes: results are kept under version control."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(72)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    with replace_file(path) as temporary:
        Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(64).save(temporary, optimize=True)
