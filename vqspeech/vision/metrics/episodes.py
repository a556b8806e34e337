"""What intervals over images redraw: frames of one episode depend on each other, other images do not."""

from vqspeech.metrics.measures.bootstrap import Redraw
from vqspeech.vision.data.table import ImageTable


def redraw_episodes(table: ImageTable) -> Redraw:
    """Return the episodes of the images of a table, which intervals redraw, or each image by itself."""
    if table.episodes is None:
        return Redraw(None, "intervals redraw images")
    groups = [str(one) for one in table.episodes]
    return Redraw(groups, f"intervals redraw {len(set(groups))} episodes")
