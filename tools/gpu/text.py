"""Train teacher, its translations, and the latent model where a GPU is, within given minutes.

Usage: python tools/gpu/text.py --corpus DIR --out FOLDER --minutes 9 [KEY=VALUE...]

DIR has multi30k.PART.en.gz and .de.gz (PART: train, val, test2016). FOLDER gets teacher.safetensors,
latent.safetensors, parallel.safetensors (float16) and scores.json. Settings are those of all configurations, such as
model.width=256. FOLDER/NAME are experiments, which the same command resumes. --rehearse is a test run of a minute on
the CPU. --part writes models and checkpoints in parts, from which the next sitting resumes.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

# The toolkit of this checkout, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parts import join_models, split_models

from vqspeech.cli import main as vqspeech
from vqspeech.conf.text import load_config
from vqspeech.text.data.pairs import SentencePairs, read_pairs
from vqspeech.text.models import Decoding, Translator
from vqspeech.text.training.translation import TranslationTask
from vqspeech.training.trainer import train

SAVING = 60.0
"""Seconds that are kept for translating and scoring."""
SHARES = {
    "teacher": ("autoregressive_small", 0.4),
    "latent": ("latent_small", 0.45),
    "parallel": ("parallel_small", 0.15),
}
"""Configuration of each model, and its share of the time."""
GPU = ["training.batch=16384", "training.precision=bf16", "model.width=256", "model.dropout=0.3", "training.lr=2e-3"]
"""Settings that suit a GPU."""
REHEARSAL = ["training.batch=256", "training.evaluate_batches=1"]


def main() -> int:
    start = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="settings of all configurations")
    parser.add_argument("--corpus", required=True, metavar="DIR", help="folder with Multi30k")
    parser.add_argument("--minutes", type=float, default=9.0, help="minutes in all (%(default)s)")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument("--timed", type=int, default=100, help="sentences that are timed (%(default)s)")
    parser.add_argument("--part", type=int, default=0, metavar="BYTES", help="write the files in parts of this size")
    parser.add_argument("--rehearse", action="store_true", help="a minute, small batches")
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = [*(GPU if device == "cuda" else []), *(REHEARSAL if args.rehearse else []), *args.settings]
    out, seconds = Path(args.out), 60.0 if args.rehearse else max(30.0, 60 * args.minutes - SAVING)
    join_models(out)
    learned, dev = (read_pairs([files_of(args.corpus, part)]) for part in ("train", "val"))
    for name, (conf, share) in SHARES.items():
        minutes = share * seconds / 60
        config = load_config(conf, [f"training.minutes={minutes}", *settings])
        teacher = None if name == "teacher" else out / "teacher"
        train(lambda c=config, p=learned, t=teacher: TranslationTask(c, p, dev, t), out / name)
        model = Translator.from_pretrained(out / name, device)
        model.save_pretrained(out / f"{name}.safetensors", torch.float16)
        if name == "teacher":
            learned = SentencePairs(learned.source, translate(model, learned.source), {})
        print(f"[{time.perf_counter() - start:6.1f}] {name} is trained", flush=True)
    systems = [f"{out / name}.safetensors" for name in SHARES]
    systems.insert(1, f"{systems[0]}:beam=4")
    scored = ("--data", *files_of(args.corpus, "test2016"), "--timed", str(args.timed), "--out", f"{out}/scores.json")
    status = vqspeech(["text", "score", "translations", *systems, *scored])
    if args.part:
        split_models(out, args.part)
    return status


def files_of(corpus: str, part: str) -> tuple[str, str]:
    """Return the two files of a part of Multi30k."""
    return f"{corpus}/multi30k.{part}.en.gz", f"{corpus}/multi30k.{part}.de.gz"


def translate(model: Translator, lines: Sequence[str]) -> list[str]:
    """Return greedy translations; a sentence that is too long for the model stays as it is, and is left out later."""
    fits = [i for i, line in enumerate(lines) if len(model.pieces.encode([line])[0]) <= model.sizes.longest]
    found = dict(zip(fits, model.translate([lines[i] for i in fits], Decoding(), 1024), strict=True))
    return [found.get(i) or lines[i] for i in range(len(lines))]


if __name__ == "__main__":
    sys.exit(main())
