"""Record first-person frames and actions: OUT/train, OUT/dev, OUT/test, split by episode.

A scripted explorer walks through the maps of ViZDoom (extra `vizdoom`), or of DeepMind Lab if it is installed.
"""

import argparse

from vqspeech.commands.arguments import non_negative_int, number, output_folder
from vqspeech.locks import lock_folder
from vqspeech.vision.data import recording
from vqspeech.vision.data.worlds import WORLDS, list_maps, open_world

EXAMPLE = "vqspeech vision record --world vizdoom --out data"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech vision record`."""
    parser.add_argument("--world", choices=WORLDS, default="vizdoom", help="(default: %(default)s)")
    parser.add_argument("--maps", nargs="+", metavar="MAP", help="maps of the world (default: five of various kinds)")
    parser.add_argument("--episodes", **number(40, "episodes of each map"))
    parser.add_argument("--frames", **number(400, "frames per episode"))
    parser.add_argument("--skip", **number(4, "game ticks per action"))
    parser.add_argument("--seed", **number(0, "seed of all draws", non_negative_int))
    parser.add_argument("--out", type=output_folder, required=True, metavar="DATA", help="folder for the sets")


def run(args: argparse.Namespace) -> int:
    """Write the sets and print what is in them."""
    place = open_world(args.world, args.skip)
    try:
        maps = args.maps or list_maps(args.world)
        corpus = recording.record_corpus(place, maps, args.episodes, args.frames, args.seed)
        with lock_folder(args.out):
            written = corpus.write(args.out)
    finally:
        place.close()
    print(corpus.summary)
    for part, images in written.items():
        print(f"{args.out}/{part}: {images.description}")
    return 0
