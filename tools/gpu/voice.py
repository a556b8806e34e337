"""Train the source-filter decoder on a pack.

Usage: python tools/gpu/voice.py --pack PACK --content MODEL --out FILE

MODEL is a checkpoint of an encoder with its codebook. It takes --minutes, reading included, and resumes from an --out
of the same kind. --rehearse is a test run with little data on the CPU.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

# The toolkit of this checkout, installed or not; here and in the processes started from here.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parts import join_models, split_models

from vqspeech.data.pack import Pack, read_pack
from vqspeech.models.coder import Coder
from vqspeech.models.conditioning import KINDS
from vqspeech.training.packs import encode_pack
from vqspeech.training.voices import VoiceOptions, VoiceTraining

SAVING = 10.0
"""Seconds that are kept for the end."""


def main() -> int:
    start = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", required=True, metavar="PACK", help="folder made by tools/gpu/pack.py")
    parser.add_argument("--content", required=True, metavar="MODEL", help="checkpoint of encoder and codebook")
    parser.add_argument("--latents", choices=KINDS, default="codes", help="input of the decoder (%(default)s)")
    parser.add_argument("--minutes", type=float, default=9.0, help="minutes in all, reading included (%(default)s)")
    parser.add_argument("--batch", type=int, default=64, help="windows per step (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.28, help="length of a window (%(default)s)")
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate (%(default)s)")
    parser.add_argument(
        "--noise", type=float, default=0.0, help="deviation of the noise added to latents (%(default)s)"
    )
    parser.add_argument("--convert", type=float, default=0.0, help="weight of the loss of conversions (%(default)s)")
    parser.add_argument(
        "--variants", type=int, default=1, help="number of voices in which latents are computed (%(default)s)"
    )
    parser.add_argument("--channels", type=int, default=256, help="of the decoder (%(default)s)")
    parser.add_argument("--out", required=True, metavar="FILE", help="decoder to write (.safetensors)")
    parser.add_argument("--nj", type=int, metavar="N", help="processes that read (default: one per core)")
    parser.add_argument("--part", type=int, default=0, metavar="BYTES", help="write the files in parts of this size")
    parser.add_argument("--rehearse", action="store_true", help="a minute, little data, small batches")
    args = parser.parse_args()

    def say(line: str) -> None:
        print(f"[{time.perf_counter() - start:6.1f}] {line}", flush=True)

    options = VoiceOptions(
        batch=args.batch, seconds=args.seconds, rate=args.rate, noise=args.noise, conversion_weight=args.convert
    )
    minutes = args.minutes
    if args.rehearse:
        minutes, options = 1.0, replace(options, batch=8, log_every=10.0, save_every=20.0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    join_models(Path(args.out).parent)
    pack = read_pack(args.pack, args.nj)
    say(f"{len(pack)} utterances of {len(set(pack.speakers))} speakers, {pack.seconds / 3600:.2f} h; on {device}")
    if args.rehearse:
        pack = part_of(pack)
        say(f"of these {len(pack)} utterances, {pack.seconds:.0f} s")
        start = time.perf_counter()  # what is left out costs nothing
    coder = Coder.from_pretrained(args.content, device)
    latents, temperature = encode_pack(coder, pack, args.latents, args.variants)
    say(f"latents: {args.latents}, {latents.shape[2]} dimensions at {coder.rate:g} Hz")
    hop, about = coder.hop, {"content": coder.config, "fingerprint": coder.fingerprint()}
    decoder = {"channels": args.channels, "conditioning": args.latents, "temperature": temperature}
    del coder
    training = VoiceTraining(pack, latents, hop, about, decoder, options, device)
    say(f"{sum(one.numel() for one in training.decoder.parameters()):,} parameters")
    training.run(minutes - (time.perf_counter() - start + SAVING) / 60, args.out, say)
    say(f"saved to {args.out}")
    if args.part:
        split_models(Path(args.out).parent, args.part)
    return 0


def part_of(pack: Pack, speakers: int = 6, utterances: int = 4) -> Pack:
    """Return a few utterances of a few speakers of both sets."""
    chosen: list[int] = []
    for name in ("train", "dev"):
        some = pack.select(name).tolist()
        for speaker in sorted({pack.speakers[i] for i in some}, key=lambda one: (len(one), one))[:speakers]:
            chosen += [i for i in some if pack.speakers[i] == speaker][:utterances]
    sizes = np.append(pack.starts[1:], len(pack.samples)) - pack.starts
    starts = np.concatenate([[0], np.cumsum(sizes[chosen])[:-1]])
    samples = np.concatenate([pack.samples[pack.starts[i] :][: sizes[i]] for i in chosen])
    f0 = np.concatenate([pack.f0[pack.starts[i] // 160 :][: sizes[i] // 160] for i in chosen])
    ids, names, sets = ([column[i] for i in chosen] for column in (pack.utterances, pack.speakers, pack.sets))
    return Pack(ids, names, sets, samples, f0, starts, pack.lengths[chosen])


if __name__ == "__main__":
    sys.exit(main())
