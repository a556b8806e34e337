"""Pictures of speech, of units and of training, as matplotlib figures."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vqspeech import audio
from vqspeech.data.phones import PHONES
from vqspeech.data.units import find_runs
from vqspeech.files import replace_file
from vqspeech.metrics.aligned import Aligned
from vqspeech.metrics.measures import phone
from vqspeech.metrics.reports.comparisons import SAMPLES_SEEN
from vqspeech.metrics.reports.curves import read_curves
from vqspeech.metrics.reports.style import (
    COLOUR_MAP,
    COLOURS,
    DPI,
    escape_title,
    house_style,
    make_lines_readable,
    wrap_titles,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

LONGEST = 3.0
"""Seconds of an utterance that are drawn."""
_WIDTH = 4.5
"""Inches per second of an utterance."""


@house_style()
def draw_spectrograms(sounds: dict[str, np.ndarray]) -> "Figure":
    """Draw the spectrograms (0 to 8 kHz) of waveforms under each other.

    Args:
        sounds: Waveforms at 16 kHz, float32 `(samples,)`, by title.
    """
    from matplotlib.figure import Figure

    longest = max(map(len, sounds.values())) / audio.RATE
    figure = Figure(figsize=(min(14.0, max(7.0, 2.5 * longest)), 0.5 + 1.9 * len(sounds)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(sounds), 1, sharex=True))
    for axes, (title, wave) in zip(panels, sounds.items(), strict=True):
        image = _draw_spectrogram(axes, wave)
        axes.set(title=escape_title(title), xlim=(0, longest))
        figure.colorbar(image, ax=axes, label="dB/Hz", pad=0.01, aspect=12)
    panels[-1].set_xlabel("time (s)")
    return figure


def _draw_spectrogram(axes: "Axes", wave: np.ndarray) -> "AxesImage":
    """Draw the power density (dB re full scale per Hz) of windows of 25 ms, every 10 ms."""
    from matplotlib import colormaps

    steps = colormaps[COLOUR_MAP].resampled(32)  # pictures are kept with few colours
    with np.errstate(divide="ignore"):
        *_, image = axes.specgram(wave + 1e-7, NFFT=400, noverlap=240, Fs=audio.RATE, vmin=-130, vmax=-45, cmap=steps)
    axes.set_yticks(range(0, audio.RATE // 2 + 1, 2000), [str(kilo) for kilo in range(0, audio.RATE // 2000 + 1, 2)])
    axes.set_ylabel("frequency (kHz)" if axes.get_window_extent().height > 140 else "kHz")
    return image


def draw_curves(path: Path) -> "Figure":
    """Draw the training curves of a `curves.jsonl`.

    Of a VQ-VAE: losses on held-out speech, and the three numbers that show a collapse. Of a prior: bits per code of
    held-out units and of those it learns from, and the gap between.
    """
    lines = read_curves(path)
    panels = [
        ("held-out decoder loss", ["decoder"], "loss"),
        ("loss added by shuffled codes", ["shuffle_gap"], "loss"),
        ("codes", ["perplexity", "used"], "codes"),
        ("codebook losses", ["commitment", "codebook"], "loss"),
    ]
    if "bits" in lines[0]:
        panels = [
            ("bits per code", ["bits", "train_bits"], "bits"),
            ("generalisation gap, bits per code", ["gap"], "bits"),
        ]
    return draw_panels(lines, panels, lowest=0)


@house_style()
def draw_panels(
    lines: Sequence[Mapping[str, float]],
    panels: Sequence[tuple[str, Sequence[str], str]],
    width: float = 3.2,
    lowest: float | None = None,
) -> "Figure":
    """Draw figures of a training by step, in panels next to each other.

    Args:
        lines: The evaluations, as of `read_curves`.
        panels: Title, names of the figures, and unit of each panel; one without any of its figures is left out, as
            some quantisers have no loss.
        width: Of a panel (inches).
        lowest: Lower end of the axes of figures; None for that of the figures.
    """
    from matplotlib.figure import Figure

    steps = [line["step"] for line in lines]
    panels = [panel for panel in panels if lines[0].keys() & set(panel[1])]
    figure = Figure(figsize=(width * max(len(panels), 2), 3.2), layout="constrained")
    for axes, (title, names, unit) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name in names:
            if name in lines[0]:
                axes.plot(steps, [line.get(name, math.nan) for line in lines], label=name)
        axes.set(title=title, xlabel="step", ylabel=unit, ylim=(lowest, None))
        make_lines_readable(axes)
    return figure


@house_style()
def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write a figure as PNG of 64 colours, a few hundred kilobytes: results are kept under version control."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    if wrap_titles(figure):
        canvas.draw()
    with replace_file(path) as temporary:
        Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(64).save(temporary, optimize=True)


@house_style()
def draw_code_by_phone(codes: phone.Frames, phones: phone.Frames, size: int) -> "Figure":
    """Draw p(phone | code): a column per code that occurs, a row per phone that occurs.

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
    figure = Figure(figsize=(12, 0.19 * len(rows) + 1.1), layout="constrained")
    axes = figure.subplots()
    steps = colormaps[COLOUR_MAP].resampled(20)
    image = axes.imshow(share[order].T, aspect="auto", cmap=steps, vmin=0, vmax=1, interpolation="nearest")
    axes.set_yticks(range(len(rows)), [PHONES[i] for i in rows], fontsize=8)
    axes.set(xlabel=f"{len(share)} codes, by their likeliest phone", ylabel="phone (ARPAbet)")
    figure.colorbar(image, ax=axes, pad=0.01, label="p(phone | code)")
    return figure


@house_style()
def draw_code_frequencies(codes: phone.Frames, size: int) -> "Figure":
    """Draw how often each code is chosen, the most frequent first, beside codes that are all used alike."""
    from matplotlib.figure import Figure

    counts = np.sort(np.bincount(np.concatenate(codes), minlength=size))[::-1]
    share = 100 * counts / counts.sum()
    used = int((counts > 0).sum())
    figure = Figure(figsize=(12, 3), layout="constrained")
    axes = figure.subplots()
    axes.bar(np.arange(1, used + 1), share[:used], width=1.0, color=COLOURS[0])
    axes.axhline(100 / size, color=COLOURS[1], linestyle="--", label=f"all alike: {100 / size:.2g} %")
    axes.set(xlim=(0, size + 1), xlabel="code, by frequency", ylabel="share of the codes (%)")
    axes.set_title(f"{used} of {size} codes used")
    axes.legend()
    return figure


@house_style()
def draw_utterance(one: Aligned, wave: np.ndarray, text: str | None = None) -> "Figure":
    """Draw the first seconds of an utterance: waveform, spectrogram, phones and codes under each other.

    Args:
        one: The utterance.
        wave: Its recording at 16 kHz, float32 `(samples,)`.
        text: What is said, for the title.
    """
    from matplotlib.figure import Figure

    lasts = min(LONGEST, len(wave) / audio.RATE)
    wave = wave[: int(lasts * audio.RATE)]
    figure = Figure(figsize=(max(6.0, _WIDTH * lasts), 5.6), layout="constrained")
    panels = figure.subplots(4, 1, sharex=True, height_ratios=[1.0, 2.2, 0.45, 0.6])
    panels[0].plot(np.arange(len(wave)) / audio.RATE, wave, linewidth=0.5, color="#333333")
    title = escape_title(one.name if not text else f"{one.name}: {text}")
    panels[0].set(title=title, ylabel="waveform", yticks=[])
    _draw_spectrogram(panels[1], wave)
    starts, ends, phones = one.segments
    _draw_spans(panels[2], starts, ends, [PHONES[p] for p in phones], phones, lasts, 0)
    panels[2].set(ylabel="phones")
    first = find_runs(one.codes)
    edges = np.append(first, len(one.codes)) / one.rate
    codes = one.codes[first]
    _draw_spans(panels[3], edges[:-1], edges[1:], [str(c) for c in codes], codes, lasts, 90)
    panels[3].set(ylabel="codes", xlabel="time (s)", xlim=(0, lasts))
    return figure


@house_style()
def draw_codes(wave: np.ndarray, codes: np.ndarray, rate: float) -> "Figure":
    """Draw codes above the spectrogram of their recording, in lines of `LONGEST` seconds under each other.

    Args:
        wave: The recording at 16 kHz, float32 `(samples,)`.
        codes: Its codes, `(codes,)`.
        rate: Codes per second (Hz).
    """
    from matplotlib.figure import Figure

    lasts = len(wave) / audio.RATE
    lines = max(1, math.ceil(lasts / LONGEST))
    figure = Figure(figsize=(_WIDTH * LONGEST, 0.4 + 2.4 * lines), layout="constrained")
    panels = figure.subplots(2 * lines, 1, height_ratios=[0.6, 1.8] * lines)
    first = find_runs(codes)
    edges, kinds = np.append(first, len(codes)) / rate, codes[first]
    for line, (above, below) in enumerate(zip(panels[::2], panels[1::2], strict=True)):
        begin, end = line * LONGEST, (line + 1) * LONGEST
        inside = (edges[1:] > begin) & (edges[:-1] < end)
        starts = np.maximum(edges[:-1][inside], begin)
        labels = [str(code) for code in kinds[inside]]
        _draw_spans(above, starts, edges[1:][inside], labels, kinds[inside], min(end, lasts), 90)
        above.set(ylabel="codes", xlim=(begin, end), xticks=[])
        image = _draw_spectrogram(below, wave[int(begin * audio.RATE) : int(end * audio.RATE)])
        image.set_extent((begin, min(end, lasts), *image.get_extent()[2:]))
        below.vlines(starts, 0, audio.RATE / 2, colors="white", linewidth=0.4, alpha=0.6)
        below.set(xlim=(begin, end))
    panels[-1].set_xlabel("time (s)")
    return figure


def _draw_spans(
    axes: "Axes",
    starts: np.ndarray,
    ends: np.ndarray,
    labels: list[str],
    kinds: np.ndarray,
    lasts: float,
    rotation: int,
) -> None:
    """Draw labelled spans of time, of one colour per kind; a label stands where there is room for it."""
    from matplotlib.colors import to_rgb

    palette = [tuple(0.35 * np.array(to_rgb(colour)) + 0.65) for colour in COLOURS]
    shown = starts < lasts
    for start, end, label, kind in zip(
        starts[shown], np.minimum(ends[shown], lasts), np.array(labels)[shown], kinds[shown], strict=True
    ):
        axes.axvspan(start, end, facecolor=palette[int(kind) % len(palette)], edgecolor="#777777", linewidth=0.4)
        if _WIDTH * (end - start) >= (0.1 if rotation else 0.08 * len(label)):  # inches
            middle = (start + end) / 2
            axes.text(middle, 0.5, label, ha="center", va="center", fontsize=7, rotation=rotation, clip_on=True)
    axes.set(ylim=(0, 1), yticks=[])


@house_style()
def draw_trade(found: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw `make_trade_rows`: CER, and how well speaker and phone are told from the codes, against the bit rate."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.8), layout="constrained")
    panels = ("CER", "speaker told from codes", "phone told from codes")
    for axes, column in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for row in found:
            x, y = row["bit rate (bit/s)"]["value"], row[column]
            below, above = (abs(y["value"] - _end(y, end)) for end in ("low", "high"))
            axes.errorbar(x, y["value"], [[below], [above]], marker="o", capsize=3, label=row["row"])
        axes.set(title=column, xlabel="bit rate (bit/s)", ylabel="share", ylim=(0, None))
        axes.grid(visible=True)
    axes.legend()
    return figure


@house_style()
def draw_training_curve(found: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw `make_curve_rows`: CER and DNSMOS against the samples seen, between the lines of the other models."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    learned = [row for row in found if SAMPLES_SEEN in row]
    others = [row for row in found if SAMPLES_SEEN not in row]
    for axes, column in zip(figure.subplots(1, 2), ("CER", "DNSMOS"), strict=True):
        cells = [row[column] for row in learned]
        spans = [[abs(one["value"] - _end(one, end)) for one in cells] for end in ("low", "high")]
        seen = [row[SAMPLES_SEEN] for row in learned]
        axes.errorbar(seen, [one["value"] for one in cells], spans, marker="o", capsize=3, label="this model")
        for row, style in zip(others, ("--", ":", "-."), strict=False):
            axes.axhline(row[column]["value"], color="black", linestyle=style, label=row["row"])
        axes.set(title=f"{column} of conversions", xlabel="samples seen", ylabel=column, xscale="log")
        make_lines_readable(axes)
    return figure


def _end(cell: Mapping[str, Any], end: str) -> float:
    return cell["value"] if cell.get(end) is None else cell[end]
