"""Train a live model on a pack.

Usage: python tools/gpu/live.py --pack PACK --content MODEL --out FILE

MODEL is a checkpoint of a content encoder, whose latents at 50 Hz the live encoder learns. A third of --minutes goes to
the encoder, a sixth to the pitch tracker, a half to the decoder, which starts from --start, a file of
tools/gpu/voice.py, if given. Parts are saved in FILE.parts/ and resumed from there. It runs on a CPU as well.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

# The toolkit of this checkout, installed or not; here and in the processes started from here.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parts import join_models, split_models
from voice import part_of

from vqspeech.data.pack import read_pack
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.models.live import BLOCK
from vqspeech.models.live.frontend import LiveFrontend
from vqspeech.training.live import (
    EncoderTraining,
    LiveOptions,
    copy_non_causal_weights,
    fit_clusters,
    join_live,
)
from vqspeech.training.live_features import encode_pack_live
from vqspeech.training.packs import encode_pack
from vqspeech.training.tracker import TrackerTraining
from vqspeech.training.voices import VoiceOptions, VoiceTraining

DECODER = {"bands": 64, "conditioning": "continuous", "causal": True, "frame_dilations": [1, 2, 4, 1], "expansion": 2}
"""Options of the decoder."""
BLOCKS = (0, 1, 2, 7)
"""Blocks of the decoder in --start that it begins as."""


def main() -> int:
    start = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", required=True, metavar="PACK", help="folder made by tools/gpu/pack.py")
    parser.add_argument("--content", required=True, metavar="MODEL", help="checkpoint of the content encoder")
    parser.add_argument("--start", metavar="FILE", help="decoder of tools/gpu/voice.py on continuous latents")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="minutes of training, after the latents (%(default)s)"
    )
    parser.add_argument(
        "--variants", type=int, default=3, help="number of voices in which latents are computed (%(default)s)"
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="model to write (.safetensors)")
    parser.add_argument("--nj", type=int, metavar="N", help="processes that read (default: one per core)")
    parser.add_argument("--part", type=int, default=0, metavar="BYTES", help="write the files in parts of this size")
    parser.add_argument("--rehearse", action="store_true", help="a minute, little data, small batches")
    args = parser.parse_args()

    def say(line: str) -> None:
        print(f"[{time.perf_counter() - start:6.1f}] {line}", flush=True)

    join_models(Path(args.out).parent)
    minutes, pack = 1.0 if args.rehearse else args.minutes, read_pack(args.pack, args.nj)
    options, voice_options = LiveOptions(), VoiceOptions(batch=12, rate=8e-4, conversion_weight=0.1)
    if args.rehearse:
        pack, voice_options = part_of(pack), replace(voice_options, batch=4)
        options = replace(options, batch=4, seconds=1.28)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    say(f"{len(pack)} utterances of {len(set(pack.speakers))} speakers, {pack.seconds / 3600:.2f} h; on {device}")
    parts = {name: Path(f"{args.out}.parts") / f"{name}.safetensors" for name in ("encoder", "tracker", "decoder")}
    coder = Coder.from_pretrained(args.content, device)
    if coder.hop != BLOCK:
        parser.error(f"--content {args.content}: gives latents every {coder.hop} samples; one of {BLOCK} is needed")
    latents = encode_pack(coder, pack, "continuous", args.variants)[0].cpu()
    rows = latents.numpy()
    say(f"latents: {args.variants} of {latents.shape[2]} dimensions")
    size = {"latents": latents.shape[2]}
    encoder = EncoderTraining(pack, rows, fit_clusters(rows), LiveFrontend(), size, options, device)
    encoder.run(minutes / 3, parts["encoder"], say)
    TrackerTraining(pack, None, options, device).run(minutes / 6, parts["tracker"], say)
    own = encode_pack_live(encoder.student.encoder.cpu().eval(), pack, encoder.features)
    heard = torch.cat([own, own, latents[1:]])  # the decoder hears the live encoder most
    decoder = VoiceTraining(pack, heard, BLOCK, {"content": coder.fingerprint()}, DECODER, voice_options, device)
    if args.start and not parts["decoder"].is_file():
        copy_non_causal_weights(decoder.decoder, checkpoint.read(args.start, "decoder.", device)[0], BLOCKS)
    decoder.run(minutes / 2, parts["decoder"], say)
    join_live(*parts.values()).save_pretrained(args.out)
    say(f"saved to {args.out}; `vqspeech export --int8` makes it small")
    if args.part:
        split_models(Path(args.out).parent, args.part)
    return 0


if __name__ == "__main__":
    sys.exit(main())
