"""Training curves, sheets of images as PNG, and animations as GIF, or as MP4 by ffmpeg (extra `video`)."""

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from vqspeech import extras
from vqspeech.files import replace_file
from vqspeech.metrics.reports.curves import read_curves
from vqspeech.metrics.reports.pictures import draw_panels
from vqspeech.metrics.reports.style import DPI, escape_title, house_style, wrap_titles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = (
    ("bits a dimension of images, a code of priors", ("bits", "train_bits"), "bits"),
    ("bits that shuffled codes cost", ("shuffle_gap",), "bits"),
    ("bits that other actions cost", ("action_gap",), "bits"),
    ("codes", ("perplexity", "used"), "codes"),
)
"""Title, figures and unit of each panel of the training curves."""

GAP = 2
"""Pixels between images."""
RATE = 8.0
"""Default frames a second: about real time for an action held for four of the world's 35 ticks a second."""

_MARGIN = 6  # pixels around a sheet with its labels


def plot_curves(path: Path) -> "Figure":
    """Plot the figures of `PANELS` in `curves.jsonl` by step."""
    return draw_panels(read_curves(path), PANELS, 4.0)


def tile_images(rows: Sequence[np.ndarray], scale: int = 1) -> np.ndarray:
    """Tile rows of images uint8 `(n, channels, height, width)`: uint8 `(height, width, 3)`.

    Args:
        rows: The rows, of one or three channels.
        scale: Width of a pixel.
    """
    longest = max(map(len, rows))
    lines = []
    for row in rows:
        images = np.repeat(np.repeat(row, scale, 2), scale, 3)
        images = np.repeat(images, 3, 1) if images.shape[1] == 1 else images
        padded = np.pad(images, ((0, longest - len(row)), (0, 0), (0, GAP), (0, GAP)), constant_values=255)
        lines.append(padded.transpose(2, 0, 3, 1).reshape(padded.shape[2], -1, 3))
    return np.concatenate(lines)


def tile_pairs(originals: Tensor, others: Tensor, columns: int = 8, scale: int = 1) -> np.ndarray:
    """Tile images uint8 `(n, channels, height, width)` in rows of `columns`, with the others below them."""
    both = (originals.numpy(), others.numpy())
    return tile_images([one[i : i + columns] for i in range(0, len(originals), columns) for one in both], scale)


def place_labels(names: Iterable[str], length: int) -> dict[float, str]:
    """Return labels of equal parts of a side of `length` pixels, by the pixel in the middle of each."""
    listed = list(names)
    return {(i + 0.5) * length / len(listed): name for i, name in enumerate(listed)}


@house_style()
def label_sheet(
    pixels: np.ndarray,
    title: str,
    rows: Mapping[float, str] | None = None,
    columns: Mapping[float, str] | None = None,
    axis: str = "",
) -> np.ndarray:
    """Return a sheet with a title above it, and labels on its left and below it.

    Args:
        pixels: uint8 `(height, width, 3)`; they stay as they are.
        title: The title.
        rows: Labels on the left, by their pixel from the top.
        columns: Labels below, by their pixel from the left.
        axis: What the columns are, with the unit.

    Returns:
        uint8 `(height, width, 3)`, larger.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = pixels.shape[:2]
    figure = Figure(dpi=DPI)
    canvas, axes = FigureCanvasAgg(figure), figure.add_axes((0, 0, 1, 1))
    axes.set(title=escape_title(title), xlabel=axis, xlim=(0, width), ylim=(height, 0))
    axes.set_yticks([*(rows or {})], [*(rows or {}).values()])
    axes.set_xticks([*(columns or {})], [*(columns or {}).values()])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)

    def place(left: int, bottom: int, right: int, top: int) -> None:
        across, up = left + width + right, bottom + height + top
        figure.set_size_inches((across + 0.01) / DPI, (up + 0.01) / DPI)  # or rounding may lose a pixel
        axes.set_position((left / across, bottom / up, width / across, height / up))
        canvas.draw()

    place(0, 0, 0, 0)
    if wrap_titles(figure):
        canvas.draw()
    box = axes.get_tightbbox(canvas.get_renderer())
    assert box is not None, "axes that are shown"
    left, bottom, right, top = (
        math.ceil(max(0.0, side)) + _MARGIN for side in (-box.x0, -box.y0, box.x1 - width, box.y1 - height)
    )
    place(left, bottom, right, top)
    labelled = np.asarray(canvas.buffer_rgba())[:, :, :3].copy()
    labelled[top : top + height, left : left + width] = pixels
    return labelled


def label_pairs(
    originals: Tensor, others: Tensor, names: tuple[str, str], title: str, columns: int = 8, scale: int = 1
) -> np.ndarray:
    """Return `tile_pairs` with a title, and with `names` of originals and others on the left of their rows."""
    sheet = tile_pairs(originals, others, columns, scale)
    return label_sheet(sheet, title, place_labels(names * math.ceil(len(originals) / columns), len(sheet)))


def write_png(pixels: np.ndarray, path: str | Path) -> None:
    """Write pixels uint8 `(height, width, 3)` as PNG."""
    from PIL import Image

    with replace_file(path) as temporary:
        Image.fromarray(pixels).save(temporary, optimize=True)


def tile_videos(videos: Sequence[np.ndarray], columns: int = 0, scale: int = 2) -> list[np.ndarray]:
    """Tile videos of one length in a grid: a list of frames uint8 `(height, width, 3)`.

    Args:
        videos: uint8 `(time, channels, height, width)` each.
        columns: Columns of the grid; 0 for as many as rows.
        scale: Width of a pixel.
    """
    columns = columns or math.ceil(math.sqrt(len(videos)))
    rows = [np.stack(videos[start : start + columns]) for start in range(0, len(videos), columns)]
    return [tile_images([row[:, i] for row in rows], scale) for i in range(len(videos[0]))]


def encode_gif(videos: Sequence[np.ndarray], rate: float = RATE, columns: int = 0, scale: int = 2) -> bytes:
    """Encode videos uint8 `(time, channels, height, width)`, tiled, as a looping GIF of `rate` frames a second."""
    from PIL import Image

    first, *others = [Image.fromarray(frame) for frame in tile_videos(videos, columns, scale)]
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=round(1000 / rate), loop=0)
    return file.getvalue()


def write_gif(path: str | Path, videos: Sequence[np.ndarray], rate: float = RATE, columns: int = 0) -> None:
    """Write the GIF of `encode_gif` to a file."""
    with replace_file(path) as temporary:
        temporary.write_bytes(encode_gif(videos, rate, columns))


def write_mp4(path: str | Path, videos: Sequence[np.ndarray], rate: float = RATE, columns: int = 0) -> None:
    """Write videos uint8 `(time, channels, height, width)`, tiled, as MP4 (H.264).

    Raises:
        MissingExtra: The extra `video` is not installed.
    """
    ffmpeg = extras.import_extra("imageio_ffmpeg", "video")
    frames = tile_videos(videos, columns)
    height, width = (side + side % 2 for side in frames[0].shape[:2])  # of half as much colour: even sides
    with replace_file(path) as temporary:
        writer = ffmpeg.write_frames(str(temporary), (width, height), fps=rate, quality=8, macro_block_size=1)
        writer.send(None)
        for frame in frames:
            padding = [(0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0)]
            writer.send(np.ascontiguousarray(np.pad(frame, padding, constant_values=255)))
        writer.close()
