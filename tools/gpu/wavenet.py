"""Train the paper's VQ-VAE of waveforms, a WaveNet as decoder, on a pack.

Usage: python tools/gpu/wavenet.py --pack PACK --out FOLDER --conf librispeech --minutes 9 [KEY=VALUE...]

FOLDER/exp is the experiment, which the same command resumes with more --minutes; FOLDER/model.safetensors is its best
checkpoint in float16. The voices are the --speakers with most speech of the pack's training set, of whom one utterance
in 25 is held out. --rehearse is a test run of a minute on the CPU. --part writes model and checkpoints in parts, from
which the next sitting resumes.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

# The toolkit of this checkout, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parts import join_models, split_models

from vqspeech import world
from vqspeech.conf import load_config
from vqspeech.data.dump import Shards
from vqspeech.data.pack import Pack, read_pack
from vqspeech.models.vqvae import VQVAE
from vqspeech.training.speech import SpeechTask
from vqspeech.training.trainer import train

SAVING = 20.0
"""Seconds that are kept for the last evaluation and the file."""
HELD_OUT = 25
"""One utterance in so many is held out."""
GPU = ["training.batch=64", "training.compile=true", "training.resident=always"]
"""Settings that suit a GPU."""
REHEARSAL = ["training.batch=2", "training.seconds=0.16", "decoder.layers=4", "decoder.residual=8", "decoder.skip=8"]


def main() -> int:
    start = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="settings of the configuration")
    parser.add_argument("--pack", required=True, metavar="PACK", help="folder made by tools/gpu/pack.py")
    parser.add_argument(
        "--conf", default="librispeech", metavar="NAME", help="vctk, librispeech, units25 … (%(default)s)"
    )
    parser.add_argument("--speakers", type=int, default=28, metavar="N", help="voices (%(default)s)")
    parser.add_argument("--minutes", type=float, default=9.0, help="minutes in all, reading included (%(default)s)")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument("--part", type=int, default=0, metavar="BYTES", help="write the file in parts of this size")
    parser.add_argument("--nj", type=int, metavar="N", help="processes that read (default: one per core)")
    parser.add_argument("--rehearse", action="store_true", help="a minute, a tiny model")
    args = parser.parse_args()

    def say(line: str) -> None:
        print(f"[{time.perf_counter() - start:6.1f}] {line}", flush=True)

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    sets = choose_voices(read_pack(args.pack, args.nj), args.speakers)
    say(f"{args.speakers} voices, {sets[0].seconds / 3600:.2f} h, held out {sets[1].seconds:.0f} s; on {device}")
    out = Path(args.out)
    join_models(out)
    minutes = 1.0 if args.rehearse else args.minutes - (time.perf_counter() - start + SAVING) / 60
    # Evaluations by sound are slow: a WaveNet writes one sample after the other.
    settings = [f"training.minutes={minutes}", "training.evaluate_every=1000", "training.listen_every=100000000"]
    settings += [*(GPU if device == "cuda" else []), *(REHEARSAL if args.rehearse else []), *args.settings]
    config = load_config(args.conf, settings)
    train(lambda: SpeechTask(config, *sets), out / "exp")
    model = VQVAE.from_pretrained(out / "exp", device)
    file = out / "model.safetensors"
    model.save_pretrained(file, torch.float16)
    say(f"saved, {file.stat().st_size / 2**20:.1f} MiB")
    if args.part:
        split_models(out, args.part)
    return 0


def choose_voices(pack: Pack, speakers: int) -> tuple[Shards, Shards]:
    """Return the utterances of the speakers with most speech, as dumps in memory: to learn from, and held out."""
    seconds: Counter[str] = Counter()
    for i in pack.select("train"):
        seconds[pack.speakers[i]] += int(pack.lengths[i])
    learned, held = split_voices(pack, {name for name, _ in seconds.most_common(speakers)})
    return make_dump(pack, learned), make_dump(pack, held)


def split_voices(pack: Pack, voices: set[str]) -> tuple[list[int], list[int]]:
    """Return the indices of the utterances of some speakers: to learn from, and held out."""
    items = [i for i in pack.select("train").tolist() if pack.speakers[i] in voices]
    held: list[int] = []
    for name in sorted(voices):
        held += [i for i in items if pack.speakers[i] == name][1::HELD_OUT]
    if not held:
        raise SystemExit("no voice has two utterances in the pack; make a larger one with tools/gpu/pack.py")
    return sorted({*items} - {*held}), held


def make_dump(pack: Pack, items: list[int]) -> Shards:
    """Return utterances of a pack as a dump in memory."""
    length = -(-pack.lengths[items] // world.FRAME) * world.FRAME
    shard = np.zeros(len(items), dtype=np.int64)
    names, speakers = [pack.utterances[i] for i in items], [pack.speakers[i] for i in items]
    return Shards(Path("pack"), names, speakers, shard, pack.starts[items], length, [pack.samples], [])


if __name__ == "__main__":
    sys.exit(main())
