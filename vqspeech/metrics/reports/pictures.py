"""Pictures of speech, of units and of training, as matplotlib figures."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vqspeech import audio
from vqspeech.data.phones import PHONES
from vqspeech.data.units import find_runs
from vqspeech.files import replace_file
from vqspeech.metrics.aligned import Aligned
from vqspeech.metrics.measures import phone
from vqspeech.metrics.reports.comparisons import SAMPLES_SEEN
from vqspeech.metrics.reports.curves import read_curves


def draw_spectrograms(sounds: dict[str, np.ndarray]):
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


def draw_curves(path: Path):
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


def save_figure(figure, path: str | Path) -> None:
    """Writes a figure as PNG of 64 colours, a few hundred kilobytes: results are kept under version control."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(72)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    with replace_file(path) as temporary:
        Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(64).save(temporary, optimize=True)


LONGEST = 3.0
"""Seconds of an utterance that are drawn."""
_WIDTH = 4.5


def draw_code_by_phone(codes: phone.Frames, phones: phone.Frames, size: int):
    """A figure of p(phone | code): a column a code that occurs, a row a phone that occurs.

    Codes are grouped by their likeliest phone, the surest first.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    n = phone.count_pairs(codes, phones, size)
    n = n[n.any(axis=1)]
    rows = np.flatnonzero(n.any(axis=0))
    share = (n / n.sum(axis=1, keepdims=True))[:, rows]
    likeliest = share.argmax(axis=1)
    order = np.lexsort((-share.max(axis=1), likeliest))
    figure = Figure(figsize=(12, 0.17 * len(rows) + 1.1), layout="constrained")
    axes = figure.subplots()
    steps = colormaps["viridis"].resampled(20)  # pictures are kept with few colours
    image = axes.imshow(share[order].T, aspect="auto", cmap=steps, vmin=0, vmax=1, interpolation="nearest")
    axes.set_yticks(range(len(rows)), [PHONES[i] for i in rows], fontsize=8)
    axes.set(xlabel=f"{len(share)} codes, by their likeliest phone", title="p(phone | code)")
    figure.colorbar(image, ax=axes, pad=0.01)
    return figure


def draw_code_frequencies(codes: phone.Frames, size: int):
    """A figure of how often each code is chosen, the most frequent first, beside codes that are all used alike."""
    from matplotlib.figure import Figure

    counts = np.sort(np.bincount(np.concatenate(codes), minlength=size))[::-1]
    share = 100 * counts / counts.sum()
    used = int((counts > 0).sum())
    figure = Figure(figsize=(12, 3), layout="constrained")
    axes = figure.subplots()
    axes.bar(np.arange(1, used + 1), share[:used], width=1.0, color="#3b6ea5")
    axes.axhline(100 / size, color="#c44e52", linestyle="--", label=f"all alike: {100 / size:.2g} %")
    axes.set(xlim=(0, size + 1), xlabel="code, by frequency", ylabel="% of the codes")
    axes.set_title(f"{used} of {size} codes used")
    axes.legend()
    return figure


def draw_utterance(one: Aligned, wave: np.ndarray, text: str | None = None):
    """A figure of the first seconds of an utterance: waveform, spectrogram, phones and codes under each other."""
    from matplotlib.figure import Figure

    lasts = min(LONGEST, len(wave) / audio.RATE)
    wave = wave[: int(lasts * audio.RATE)]
    figure = Figure(figsize=(max(6.0, _WIDTH * lasts), 5.4), layout="constrained")
    panels = figure.subplots(4, 1, sharex=True, height_ratios=[1.0, 2.2, 0.45, 0.6])
    panels[0].plot(np.arange(len(wave)) / audio.RATE, wave, linewidth=0.5, color="#333333")
    panels[0].set(title=_title(one, text, lasts), ylabel="waveform", yticks=[])
    with np.errstate(divide="ignore"):
        panels[1].specgram(wave + 1e-7, NFFT=400, noverlap=240, Fs=audio.RATE, vmin=-130, vmax=-45, cmap="magma")
    panels[1].set(ylabel="Hz")
    starts, ends, phones = one.segments
    _spans(panels[2], starts, ends, [PHONES[p] for p in phones], phones, lasts, 0)
    panels[2].set(ylabel="phones")
    first = find_runs(one.codes)
    edges = np.append(first, len(one.codes)) / one.rate
    codes = one.codes[first]
    _spans(panels[3], edges[:-1], edges[1:], [str(c) for c in codes], codes, lasts, 90)
    panels[3].set(ylabel="codes", xlabel="s", xlim=(0, lasts))
    return figure


def _title(one: Aligned, text: str | None, lasts: float) -> str:
    title = one.name if not text else f"{one.name}: {text}"
    most = int(30 * lasts)
    return (title if len(title) <= most else title[: most - 1] + "…").replace("$", r"\$")


def _spans(
    axes, starts: np.ndarray, ends: np.ndarray, labels: list[str], kinds: np.ndarray, lasts: float, turned: int
) -> None:
    """Labelled spans of time, of one colour a kind; a label, `turned` by degrees, stands where there is room for it."""
    from matplotlib import colormaps

    palette = colormaps["Pastel1"]
    shown = starts < lasts
    for start, end, label, kind in zip(
        starts[shown], np.minimum(ends[shown], lasts), np.array(labels)[shown], kinds[shown], strict=True
    ):
        axes.axvspan(start, end, facecolor=palette(int(kind) % palette.N), edgecolor="#777777", linewidth=0.4)
        if _WIDTH * (end - start) >= (0.1 if turned else 0.08 * len(label)):  # inches
            middle = (start + end) / 2
            axes.text(middle, 0.5, label, ha="center", va="center", fontsize=6.5, rotation=turned, clip_on=True)
    axes.set(ylim=(0, 1), yticks=[])


def draw_trade(found: Sequence[Mapping[str, Any]]):
    """A figure of `rows`: CER, and how well the speaker is told from the codes, against bits a second."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    panels = ("CER", "speaker told from codes", "phone told from codes")
    for axes, column in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for row in found:
            x, y = row["bit rate (bit/s)"]["value"], row[column]
            low, high = (y["value"] if y.get(end) is None else y[end] for end in ("low", "high"))
            axes.errorbar(x, y["value"], [[y["value"] - low], [high - y["value"]]], marker="o", label=row["row"])
        axes.set(title=column, xlabel="bit/s", ylim=(0, None))
    axes.legend()
    return figure


def draw_training_curve(found: Sequence[Mapping[str, Any]]):
    """A figure of `rows`: CER and DNSMOS of the conversions against the samples seen, on a logarithmic axis, between
    those of the others."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    learned = [row for row in found if SAMPLES_SEEN in row]
    for axes, column in zip(figure.subplots(1, 2), ("CER", "DNSMOS"), strict=True):
        cells = [row[column] for row in learned]
        spans = [[abs(one["value"] - _end(one, end)) for one in cells] for end in ("low", "high")]
        seen = [row[SAMPLES_SEEN] for row in learned]
        axes.errorbar(seen, [one["value"] for one in cells], spans, marker="o", capsize=3, label="this model")
        for row, style in zip((row for row in found if SAMPLES_SEEN not in row), ("--", ":", "-."), strict=False):
            axes.axhline(row[column]["value"], color="black", linestyle=style, label=row["row"])
        axes.set(title=f"{column} of conversions", xlabel="samples seen", xscale="log")
        axes.legend()
    return figure


def _end(cell: Mapping[str, Any], end: str) -> float:
    return cell["value"] if cell.get(end) is None else cell[end]
