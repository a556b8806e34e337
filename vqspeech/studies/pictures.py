"""Pictures of the studies of quantisers, as matplotlib figures."""

from collections.abc import Mapping, Sequence

import numpy as np

from vqspeech.metrics.bootstrap import Estimate


def codebooks(points: Mapping[str, np.ndarray], books: Mapping[tuple[str, str, str], np.ndarray]):
    """A figure of codebooks `(codes, 2)` over the points `(points, 2)` they were fitted to, by data, method and policy:
    a column a method, a row a data set and policy. Codes that none of the points choose are red."""
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
            chosen = np.zeros(len(book), dtype=bool)
            chosen[KDTree(book).query(cloud)[1]] = True
            axes.scatter(*cloud[:2000].T, s=1, color="0.8", linewidths=0)
            axes.scatter(*book[chosen].T, s=5, color="tab:blue", linewidths=0)
            axes.scatter(*book[~chosen].T, s=5, color="tab:red", linewidths=0)
            axes.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[])
            dead = int((~chosen).sum())
            axes.set_xlabel(f"{dead} dead", fontsize=7, labelpad=1)
            if i == 0:
                axes.set_title(method, fontsize=9)
        panels[0].set_ylabel(f"{data},\n{policy}", fontsize=8)
    return figure


def curves(title: str, axis: str, lines: Mapping[str, tuple[Sequence[float], Sequence[Estimate]]], ylabel: str):
    """A figure of estimates over a quantity, a line each by name, with their intervals as bands."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, (x, estimates) in lines.items():
        [line] = axes.plot(x, [one.value for one in estimates], marker="o", label=name)
        low, high = ([getattr(one, end) for one in estimates] for end in ("low", "high"))
        axes.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(title=title, xlabel=axis, ylabel=ylabel, ylim=(0, None))
    axes.legend()
    return figure
