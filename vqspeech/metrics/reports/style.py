"""The look of all pictures: fonts, colours that survive print and colour blindness, titles within their figure."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Colours of lines, which colour-blind readers tell apart: Okabe and Ito, "Color universal design", 2008."""
COLOUR_MAP = "viridis"
"""Of images: equal steps look equal, and grey prints keep the order."""
DPI = 100
"""Pixels per inch."""
_NARROWEST = 12
_RC: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.prop_cycle": f"cycler('color', {list(COLOURS)})",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.3,
    "image.cmap": COLOUR_MAP,
    "lines.linewidth": 1.5,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the look of the house: a context, or a decorator of a function that draws (`@house_style()`)."""
    from matplotlib import rc_context

    with rc_context(_RC):
        yield


def make_lines_readable(axes: "Axes") -> None:
    """Add a light grid, and a legend where there are several named lines."""
    axes.grid(visible=True)
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend()


def escape_title(text: str) -> str:
    """Return a text as a title shows it as it is: a dollar sign begins no formula."""
    return text.replace("$", r"\$")


def wrap_titles(figure: "Figure") -> bool:
    """Break the titles of a figure's axes into lines that fit above their axes.

    Args:
        figure: A figure that has been drawn once, so that its layout is known.

    Returns:
        Whether a title was changed, so that it must be drawn again.
    """
    changed = False
    for axes in figure.axes:
        text, room = axes.get_title(), axes.get_window_extent().width
        for _ in range(4):
            width = axes.title.get_window_extent().width
            longest = max(map(len, axes.get_title().split("\n")), default=0)
            if width <= room or longest <= _NARROWEST:
                break
            columns = min(longest - 1, int(longest * room / width))
            axes.set_title(textwrap.fill(text, max(columns, _NARROWEST)))
            changed = True
    return changed
