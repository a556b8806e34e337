"""Pack speech for training on another machine.

Usage: python tools/gpu/pack.py --train DATA … --dev DATA … --out PACK,
or python tools/gpu/pack.py --shrink PACK --mebibytes 30 --out SMALLER

DATA are data directories (`vqspeech prepare`). Speakers of --train named in --without are left out; of --dev, only
those named in --dev-speakers are packed, each with at most --dev-seconds.
"""

import argparse
import sys
from pathlib import Path

# The toolkit of this checkout, installed or not; here and in the processes started from here.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vqspeech.data.datadir import DataDir
from vqspeech.data.pack import read_pack, shrink_pack, write_pack


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shrink", metavar="PACK", help="a pack to take part of, instead of data directories")
    parser.add_argument("--train", nargs="*", default=[], metavar="DATA", help="data directories to learn from")
    parser.add_argument("--dev", nargs="*", default=[], metavar="DATA", help="data directories to choose by")
    parser.add_argument("--without", metavar="FILE", help="speakers to leave out of --train, one a line")
    parser.add_argument("--dev-speakers", metavar="FILE", help="speakers to take of --dev, one a line (all)")
    parser.add_argument("--dev-seconds", type=float, default=120.0, help="of each speaker of --dev (%(default)s)")
    parser.add_argument("--mebibytes", type=float, default=57.0, help="size of the pack at most (%(default)s, 60 MB)")
    parser.add_argument("--nj", type=int, default=2, help="processes (%(default)s)")
    parser.add_argument("--out", required=True, metavar="PACK", help="folder to write")
    args = parser.parse_args()
    status = 0
    if args.shrink:
        shrink_pack(args.shrink, args.out, args.mebibytes)
    else:
        status = write_pack(*chosen(args), args.out, args.mebibytes, args.nj).status(1)
    pack = read_pack(args.out, args.nj)
    for name in ("train", "dev"):
        part = pack.select(name)
        hours, speakers = pack.lengths[part].sum() / 16000 / 3600, len({pack.speakers[i] for i in part})
        print(f"{name}: {len(part)} utterances of {speakers} speakers, {hours:.2f} h")
    size = sum(file.stat().st_size for file in Path(args.out).iterdir())
    print(f"{size / 2**20:.1f} MiB; voiced: {(pack.f0 > 0).mean():.2f} of the frames")
    return status


def chosen(args: argparse.Namespace) -> tuple[DataDir, DataDir]:
    """Return the utterances of --train and those of --dev."""
    without = set(read_lines(args.without))
    train = [one for data in args.train for one in DataDir.read(data) if one.speaker not in without]
    known = set(read_lines(args.dev_speakers))
    dev, seconds = [], {}
    for one in (one for data in args.dev for one in DataDir.read(data)):
        before = seconds.get(one.speaker, 0.0)
        if before < args.dev_seconds and (not known or one.speaker in known):
            seconds[one.speaker] = before + (one.seconds or 0.0)
            dev.append(one)
    return DataDir(train), DataDir(dev)


def read_lines(path: str | None) -> list[str]:
    return Path(path).read_text(encoding="utf-8").split() if path else []


if __name__ == "__main__":
    sys.exit(main())
