"""Pictures of the study of images, as matplotlib figures."""

from collections.abc import Sequence

from vqspeech.studies import rate_pictures
from vqspeech.studies.images import ImageStudy
from vqspeech.studies.rates import REPLACEMENTS, called

DRAWN = {"psnr": "PSNR (dB)", "ssim": "SSIM", "perplexity": "perplexity"}
"""Figures that are drawn over rates."""


def rates(study: ImageStudy):
    """As `rate_pictures.rates`, perplexity by its logarithm."""
    figure = rate_pictures.rates(study, DRAWN)
    for axes in figure.axes[-len(REPLACEMENTS) :]:
        axes.set_yscale("log", base=2)
        axes.set_ylim(1, 2 ** max(map(sum, study.rates)))
    return figure


def convergence(study: ImageStudy, bits: Sequence[int]):
    """A figure of held-out PSNR over steps at a rate: a line a method with its 95 % interval over seeds as a band, a
    panel a policy."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    panels, values = figure.subplots(1, len(REPLACEMENTS), sharey=True), []
    for axes, policy in zip(panels, REPLACEMENTS, strict=True):
        for number, method in enumerate(study.methods):
            found = study.curve(bits, f"{method}, {policy}")
            value, low, high = ([getattr(one, key) for one in found] for key in ("value", "low", "high"))
            values += value
            axes.plot(study.points, value, marker="o", markersize=3, color=f"C{number}", label=method)
            axes.fill_between(study.points, low, high, color=f"C{number}", alpha=0.2, linewidth=0)
        axes.set(title=f"{called(bits)}, replacement of dead codes: {policy}", xlabel="steps")
        axes.grid(alpha=0.3)
    panels[0].set_ylim(min(values) - 0.5, max(values) + 0.5)
    panels[0].set_ylabel("PSNR of held-out images (dB)")
    panels[0].legend()
    return figure
