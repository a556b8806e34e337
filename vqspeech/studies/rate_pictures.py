"""Pictures of studies at several rates, as matplotlib figures."""

from collections.abc import Mapping

import numpy as np

from vqspeech.studies.rates import REPLACEMENTS, RateStudy, called


def rates(study: RateStudy, drawn: Mapping[str, str]):
    """A figure of the figures `drawn`, with their labels, by rate: a line a method with 95 % intervals over seeds, a
    column a policy. Rates of several stages stand on their own at the right."""
    from matplotlib.figure import Figure

    order = sorted(study.rates, key=lambda bits: (len(bits), sum(bits)))
    places = [study.rates.index(bits) for bits in order]
    single = sum(len(bits) == 1 for bits in order)
    figure = Figure(figsize=(11, 3.5 * len(drawn)), layout="constrained")
    grid = figure.subplots(len(drawn), len(REPLACEMENTS), sharex=True, sharey="row", squeeze=False)
    for (name, label), panels in zip(drawn.items(), grid, strict=True):
        for axes, policy in zip(panels, REPLACEMENTS, strict=True):
            for number, method in enumerate(study.methods):
                found = study.estimates(name, f"{method}, {policy}")
                value, low, high = (
                    np.array([getattr(found[i], key) for i in places]) for key in ("value", "low", "high")
                )
                x = np.arange(len(order)) + 0.08 * (number - (len(study.methods) - 1) / 2)  # side by side
                for part in (slice(0, single), slice(single, None)):
                    axes.errorbar(
                        x[part], value[part], [value[part] - low[part], high[part] - value[part]], marker="o",
                        markersize=4, capsize=2, color=f"C{number}", label=method if part.start == 0 else None,
                    )  # fmt: skip
            axes.set_xticks(range(len(order)), [called(bits) for bits in order])
            axes.grid(alpha=0.3)
        panels[0].set_ylabel(label)
    for axes, policy in zip(grid[0], REPLACEMENTS, strict=True):
        axes.set_title(f"replacement of dead codes: {policy}")
    grid[0][0].legend()
    return figure
