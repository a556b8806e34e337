"""Units that confidence intervals over images resample: episodes for video frames, single images otherwise."""

from vqspeech.metrics.measures.bootstrap import Redraw
from vqspeech.vision.data.table import ImageTable


def redraw_episodes(table: ImageTable) -> Redraw:
    """Return what intervals over the images of a table resample."""
    if table.episodes is None:
        return Redraw(None, "intervals redraw images")
    groups = [str(one) for one in table.episodes]
    return Redraw(groups, f"intervals redraw {len(set(groups))} episodes")
