"""Train a content encoder on a pack.

Usage: python tools/gpu/content.py --pack PACK --out FOLDER --minutes 9

It takes --minutes, reading included. FOLDER gets model.safetensors, the coder with all layers, and
codebooks.safetensors: more codebooks for its features (128 at 25 Hz, two stages of 512 at 50 Hz). --start continues
an earlier model, --rehearse is a test run of a minute with little data on the CPU, --part writes files in parts.
Settings KEY=VALUE are those of the configuration, such as training.rounds=2.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

# The toolkit of this checkout, installed or not; here and in the processes started from here.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parts import join_models, split_models

from vqspeech.conf import load_config
from vqspeech.data.pack import Pack, read_pack
from vqspeech.training.content_features import Speech
from vqspeech.training.masked import MaskedTraining

SAVING = 45.0
"""Seconds that are kept for codebooks and files."""
REHEARSED = 40
"""Utterances of a rehearsal."""


def main() -> int:
    start = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="settings of the configuration")
    parser.add_argument("--pack", required=True, metavar="PACK", help="folder made by tools/gpu/pack.py")
    parser.add_argument("--conf", default="content", metavar="NAME", help="configuration (%(default)s)")
    parser.add_argument("--minutes", type=float, default=9.0, help="minutes in all, reading included (%(default)s)")
    parser.add_argument("--start", metavar="FILE", help="model to continue, from the round after its last one")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument("--part", type=int, default=0, metavar="BYTES", help="write the files in parts of this size")
    parser.add_argument("--nj", type=int, metavar="N", help="processes that read (default: one per core)")
    parser.add_argument("--rehearse", action="store_true", help="a minute, little data")
    args = parser.parse_args()

    def say(line: str) -> None:
        print(f"[{time.perf_counter() - start:6.1f}] {line}", flush=True)

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    out = Path(args.out)
    join_models(out)
    pack = read_pack(args.pack, args.nj)
    speech = speech_of(pack, REHEARSED if args.rehearse else None)
    hours = speech.lengths.sum() / 16_000 / 3600
    say(f"{len(speech)} utterances, {hours:.2f} h; on {device}")
    minutes = 1.0 if args.rehearse else max(0.1, args.minutes - (time.perf_counter() - start + SAVING) / 60)
    training = MaskedTraining(
        load_config(args.conf, [*args.settings, f"training.minutes={minutes}"]), speech, device, say
    )
    say(f"{sum(one.numel() for one in training.encoder.parameters()):,} parameters")
    if args.start:
        training.load(args.start)
    training.run(out / "model.safetensors")
    training.save_codebooks(
        out / "codebooks.safetensors", {"units": (4, [128]), "codes": (2, [500]), "two": (2, [512, 512])}
    )
    if args.part:
        split_models(out, args.part)
    say("saved")
    return 0


def speech_of(pack: Pack, most: int | None) -> Speech:
    """Return the training set of a pack, or some utterances of it."""
    chosen = pack.select("train")[:: 1 if most is None else max(1, len(pack) // most)]
    return Speech.join(pack.samples[pack.starts[i] :][: pack.lengths[i]] for i in chosen)


if __name__ == "__main__":
    sys.exit(main())
