"""Train a prior over the codes of a model of tools/gpu/wavenet.py, on the same pack.

Usage: python tools/gpu/prior.py --pack PACK --model MODEL --out FOLDER --minutes 9 [KEY=VALUE...]

FOLDER/units has the codes of the model's voices, FOLDER/exp is the experiment, which the same command resumes with more
--minutes, FOLDER/prior.safetensors its best checkpoint in float16. FOLDER/scores.json holds bits per code of the
held-out utterances beside n-grams, FOLDER/samples the paper's 2.56 s (320 codes at 128x) --n times. --rehearse is a
test run of a minute on the CPU. --part writes models and checkpoints in parts, from which the next sitting resumes.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

# The toolkit of this checkout, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parts import join_models, split_models
from verbs import make_runner
from wavenet import split_voices

from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.pack import Pack, read_pack
from vqspeech.data.units import read_units, write_units
from vqspeech.models.prior import LatentPrior
from vqspeech.models.vqvae import VQVAE

SAVING = 60.0
"""Seconds that are kept for scores and samples."""
GPU = ["training.batch=64", "training.compile=true"]
"""Settings that suit a GPU."""
REHEARSAL = ["training.batch=4", "training.evaluate_batches=1"]


def main() -> int:
    start = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="settings of the configuration")
    parser.add_argument("--pack", required=True, metavar="PACK", help="folder made by tools/gpu/pack.py")
    parser.add_argument("--model", required=True, metavar="MODEL", help="model that makes the codes")
    parser.add_argument("--conf", default="prior", metavar="NAME", help="prior, mini_prior … (%(default)s)")
    parser.add_argument("--minutes", type=float, default=9.0, help="minutes in all, reading included (%(default)s)")
    parser.add_argument("--n", type=int, default=8, help="samples (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.56, help="length of a sample (%(default)s)")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument("--part", type=int, default=0, metavar="BYTES", help="write the files in parts of this size")
    parser.add_argument("--nj", type=int, metavar="N", help="processes that read (default: one per core)")
    parser.add_argument("--rehearse", action="store_true", help="a minute, small batches")
    args = parser.parse_args()
    run = make_runner(start)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    out = Path(args.out)
    join_models(out)
    model = VQVAE.from_pretrained(args.model, device)
    units, data = [out / "units" / f"{part}.txt" for part in ("train", "dev")], out / "data"
    # A prior over the codes of a model that was trained less is not resumed.
    restart = ["--restart"] if units[0].is_file() and read_units(units[0]).sha256 != model.fingerprint() else []
    write_codes(model, args.model, read_pack(args.pack, args.nj), out)
    minutes = 1.0 if args.rehearse else max(0.5, args.minutes - (time.perf_counter() - start + SAVING) / 60)
    settings = [*(GPU if device == "cuda" else []), *(REHEARSAL if args.rehearse else []), *args.settings]
    run("prior", "--conf", args.conf, "--units", units[0], "--dev", units[1], "--data", data, "--out", out / "exp",
        *restart, f"training.minutes={minutes}", *settings)  # fmt: skip
    run("score", "prior", "--prior", out / "exp", "--units", units[1], "--train", units[0], "--data", data, "--out",
        out / "scores.json")  # fmt: skip
    if args.n:
        run("sample", "--model", args.model, "--prior", out / "exp", "--n", args.n, "--seconds", args.seconds, "--out",
            out / "samples")  # fmt: skip
    LatentPrior.from_pretrained(out / "exp").save_pretrained(out / "prior.safetensors", torch.float16)
    if args.part:
        split_models(out, args.part)
    return 0


def write_codes(model: VQVAE, path: str, pack: Pack, out: Path) -> None:
    """Write units of the model's voices, to learn from and held out, and a data directory with their speakers."""
    (out / "units").mkdir(parents=True, exist_ok=True)
    utterances = []
    for part, items in zip(("train", "dev"), split_voices(pack, set(model.speakers)), strict=True):
        codes = {}
        for i in items:
            codes[pack.utterances[i]] = model.encode_normalised(pack.samples[pack.starts[i] :][: pack.lengths[i]])
            utterances.append(Utterance(pack.utterances[i], pack.speakers[i], "pack"))
        write_units(out / "units" / f"{part}.txt", codes, model.rate, model.quantizer.size, path, model.fingerprint())
    DataDir(utterances).write(out / "data")


if __name__ == "__main__":
    sys.exit(main())
