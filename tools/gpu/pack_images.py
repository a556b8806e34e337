"""Pack prepared images for training on another machine: a tar file of limited size, which tools/gpu/images.py reads.

Usage: python tools/gpu/pack_images.py --data FOLDER --out FILE.tar.xz [--mebibytes 57]

FOLDER is what `vqspeech vision prepare` or `record` wrote (train, dev, test). Where not all of it fits, the same share
of each set is taken: images evenly spaced, of video whole episodes.
"""

import argparse
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

# The toolkit of this checkout, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vqspeech.vision.data.images import Image, ImageSet, read_images, write_images
from vqspeech.vision.data.table import ImageTable

PARTS = ("train", "dev", "test")
TRIED = 0.05
"""Share of the images by which it is told how many fit."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="FOLDER", help="prepared images")
    parser.add_argument("--mebibytes", type=float, default=57.0, help="size of the file at most (%(default)s)")
    parser.add_argument("--out", required=True, metavar="FILE", help="tar file to write (.tar.xz)")
    args = parser.parse_args()
    sets, out, room = {part: read_images(Path(args.data) / part) for part in PARTS}, Path(args.out), args.mebibytes
    share = min(1.0, TRIED * room / max(write_share(sets, TRIED, out), 1e-9))
    while (size := write_share(sets, share, out)) > room:
        if share <= TRIED / 10:
            parser.error(f"--mebibytes {room:g}: too few for the smallest share of the images")
        share *= 0.95 * room / size
    counts = ", ".join(f"{part} {len(choose(one.table, share)):,} of {len(one):,}" for part, one in sets.items())
    print(f"{out}: {size:.1f} MiB; {counts}")
    return 0


def write_share(sets: dict[str, ImageSet], share: float, out: Path) -> float:
    """Write a share of each set to a tar file; return its size in MiB."""
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        for part, images in sets.items():
            picks = choose(images.table, share)
            write_images(Path(folder) / part, (image_at(images, i) for i in picks), images.classes, images.actions)
        with tarfile.open(out, "w:xz", preset=1) as tar:
            tar.add(folder, "data")
    return out.stat().st_size / 2**20


def choose(table: ImageTable, share: float) -> np.ndarray:
    """Return the indices of a share of the images, at least one; of video, of whole episodes."""
    groups = np.arange(len(table)) if table.episodes is None else table.episodes
    names = np.unique(groups)
    count = max(1, round(share * len(names)))
    return np.flatnonzero(np.isin(groups, names[np.arange(count) * len(names) // count]))


def image_at(images: ImageSet, i: int) -> Image:
    """Return an image of a set."""
    table = images.table
    episode, action = (None if one is None else int(one[i]) for one in (table.episodes, table.actions))
    return Image(table.names[i], images.pixels([i])[0], int(table.labels[i]), episode, action)


if __name__ == "__main__":
    sys.exit(main())
