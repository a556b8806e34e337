"""Pictures of the studies, as matplotlib figures."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vqspeech import world
from vqspeech.metrics.measures.bootstrap import Estimate
from vqspeech.metrics.reports import pictures
from vqspeech.metrics.reports.style import COLOURS, house_style
from vqspeech.studies.rates import REPLACEMENTS, RateStudy, name_rate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vqspeech.studies.images import ImageStudy
    from vqspeech.studies.speech import SpeechStudy

IMAGE_FIGURES = {"psnr": "PSNR (dB)", "ssim": "SSIM", "perplexity": "perplexity"}
"""Figures of images that are drawn over rates, with the labels of their axes."""
SPEECH_FIGURES = {"sd": "spectral distortion (dB)", "pesq_copy": "PESQ against WORLD copy"}
"""Those of speech."""
RESYNTHESISED_ROW = "EMA, by batches"
"""The row of the study of speech whose resyntheses are drawn."""


@house_style()
def draw_codebooks(points: Mapping[str, np.ndarray], books: Mapping[tuple[str, str, str], np.ndarray]) -> "Figure":
    """Draw codebooks over the points they were fitted to; codes that no point chooses are orange.

    Args:
        points: `(points, 2)` by data set.
        books: `(codes, 2)` by data set, method and policy: a column per method, a row per data set and policy.
    """
    from matplotlib.figure import Figure
    from scipy.spatial import KDTree

    methods = list(dict.fromkeys(method for _, method, _ in books))
    lines = list(dict.fromkeys((data, policy) for data, _, policy in books))
    figure = Figure(figsize=(2 * len(methods), 2 * len(lines)), layout="constrained")
    grid = figure.subplots(len(lines), len(methods), squeeze=False)
    for i, ((data, policy), panels) in enumerate(zip(lines, grid, strict=True)):
        cloud = points[data]
        for axes, method in zip(panels, methods, strict=True):
            book = books[data, method, policy]
            used = np.zeros(len(book), dtype=bool)
            used[KDTree(book).query(cloud)[1]] = True
            axes.scatter(*cloud[:2000].T, s=1, color="0.8", linewidths=0)
            axes.scatter(*book[used].T, s=5, color=COLOURS[0], linewidths=0)
            axes.scatter(*book[~used].T, s=5, color=COLOURS[1], linewidths=0)
            axes.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[])
            axes.set_xlabel(f"{int((~used).sum())} dead", fontsize=7, labelpad=1)
            if i == 0:
                axes.set_title(method, fontsize=9)
        panels[0].set_ylabel(f"{data},\n{policy}", fontsize=8)
    return figure


@house_style()
def draw_curves(
    title: str, xlabel: str, lines: Mapping[str, tuple[Sequence[float], Sequence[Estimate]]], ylabel: str
) -> "Figure":
    """Draw a line per name, of estimates over a quantity, with their intervals as bands."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, (x, estimates) in lines.items():
        [line] = axes.plot(x, [one.value for one in estimates], marker="o", label=name)
        low, high = ([getattr(one, end) for one in estimates] for end in ("low", "high"))
        axes.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, ylim=(0, None))
    axes.legend()
    return figure


@house_style()
def draw_rates(study: RateStudy, figures: Mapping[str, str]) -> "Figure":
    """Draw figures over rates: a line per method with 95 % intervals over seeds, a column per policy.

    Args:
        study: The study, after its runs. Rates of several stages stand apart on the right.
        figures: Labels by figure: a row of panels each.
    """
    from matplotlib.figure import Figure

    order = sorted(study.rates, key=lambda bits: (len(bits), sum(bits)))
    places = [study.rates.index(bits) for bits in order]
    single = sum(len(bits) == 1 for bits in order)
    figure = Figure(figsize=(11, 3.5 * len(figures)), layout="constrained")
    grid = figure.subplots(len(figures), len(REPLACEMENTS), sharex=True, sharey="row", squeeze=False)
    for (name, label), panels in zip(figures.items(), grid, strict=True):
        for axes, policy in zip(panels, REPLACEMENTS, strict=True):
            for number, method in enumerate(study.methods):
                estimates = study.estimate_figure(name, f"{method}, {policy}")
                value, low, high = (
                    np.array([getattr(estimates[i], key) for i in places]) for key in ("value", "low", "high")
                )
                x = np.arange(len(order)) + 0.08 * (number - (len(study.methods) - 1) / 2)  # side by side
                for part in (slice(0, single), slice(single, None)):
                    axes.errorbar(
                        x[part], value[part], [value[part] - low[part], high[part] - value[part]], marker="o",
                        markersize=4, capsize=2, color=f"C{number}", label=method if part.start == 0 else None,
                    )  # fmt: skip
            axes.set_xticks(range(len(order)), [name_rate(bits) for bits in order])
            axes.grid(visible=True)
        panels[0].set_ylabel(label)
    for axes, policy in zip(grid[0], REPLACEMENTS, strict=True):
        axes.set_title(f"replacement of dead codes: {policy}")
    grid[0][0].legend()
    return figure


@house_style()
def draw_image_rates(study: "ImageStudy") -> "Figure":
    """Draw `IMAGE_FIGURES` over rates, perplexity on a logarithmic axis."""
    figure = draw_rates(study, IMAGE_FIGURES)
    for axes in figure.axes[-len(REPLACEMENTS) :]:
        axes.set_yscale("log", base=2)
        axes.set_ylim(1, 2 ** max(map(sum, study.rates)))
    return figure


@house_style()
def draw_convergence(study: "ImageStudy", bits: Sequence[int]) -> "Figure":
    """Draw held-out PSNR over steps at a rate: a line per method, its 95 % interval as a band, a panel per policy."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    panels, values = figure.subplots(1, len(REPLACEMENTS), sharey=True), []
    for axes, policy in zip(panels, REPLACEMENTS, strict=True):
        for number, method in enumerate(study.methods):
            curve = study.estimate_curve(bits, f"{method}, {policy}")
            value, low, high = ([getattr(one, key) for one in curve] for key in ("value", "low", "high"))
            values += value
            axes.plot(study.points, value, marker="o", markersize=3, color=f"C{number}", label=method)
            axes.fill_between(study.points, low, high, color=f"C{number}", alpha=0.2, linewidth=0)
        axes.set(title=f"{name_rate(bits)}, replacement of dead codes: {policy}", xlabel="steps")
        axes.grid(visible=True)
    panels[0].set_ylim(min(values) - 0.5, max(values) + 0.5)
    panels[0].set_ylabel("PSNR of held-out images (dB)")
    panels[0].legend()
    return figure


@house_style()
def draw_resyntheses(study: "SpeechStudy") -> "Figure":
    """Draw spectrograms of a held-out recording, its WORLD copy, and resyntheses with quantised envelopes.

    The rates are the lowest, the highest of one stage, and the highest.
    """
    recording = study.speech.recordings[0]
    sounds = {f"{recording.name}, recording": recording.recording, "WORLD copy": recording.copy}
    order = sorted(study.rates, key=sum)
    single = [bits for bits in order if len(bits) == 1]
    for bits in dict.fromkeys((order[0], *single[-1:], order[-1])):
        frames = study.quantise_frames(bits, RESYNTHESISED_ROW, recording.frames)
        sounds[f"{name_rate(bits)} ({RESYNTHESISED_ROW})"] = world.synthesise(frames)
    return pictures.draw_spectrograms(sounds)
