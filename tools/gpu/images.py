"""Train the paper's models of images within given minutes, and a prior over the codes of the first of them.

Usage: python tools/gpu/images.py --data FOLDER --out FOLDER --minutes 9 [--conf NAME ...] [KEY=VALUE...]

--data is what `vqspeech vision prepare` wrote (train, dev, test), or a tar file of it, which `split -b 50M` parts where
it is too large to carry as one. The prior gets a quarter of the time, the configurations after the first one share a
quarter, and the first one has the rest. FOLDER/NAME are experiments, which the same command resumes;
FOLDER/NAME/scores.json holds bits per dimension on the test set, FOLDER/NAME.safetensors the models in float16.
--rehearse is a test run of a minute on the CPU.
"""

import argparse
import sys
import tarfile
import time
from pathlib import Path

import torch

# The toolkit of this checkout, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parts import split_file

from vqspeech.cli import main as vqspeech
from vqspeech.vision.models import Autoencoder
from vqspeech.vision.models.prior import ImagePrior

SAVING = 60.0
"""Seconds that are kept for codes and scores."""
TRIO = ["cifar10_vqvae", "cifar10_vae", "cifar10_vimco"]
REHEARSAL = ["training.batch=4", "training.evaluate_batches=1"]


def main() -> int:
    start = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="settings; the prior takes those of training")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="prepared images, or a tar file of them")
    parser.add_argument("--conf", nargs="+", default=TRIO, metavar="NAME", help=f"configurations ({' '.join(TRIO)})")
    parser.add_argument("--prior", default="prior", metavar="NAME", help="configuration of the prior; empty: none")
    parser.add_argument("--minutes", type=float, default=9.0, help="minutes in all (%(default)s)")
    parser.add_argument("--images", type=int, default=2000, help="images of the test set that are scored (%(default)s)")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument("--part", type=int, default=0, metavar="BYTES", help="write the files in parts of this size")
    parser.add_argument("--rehearse", action="store_true", help="a minute, small batches")
    args = parser.parse_args()

    def run(*words: object) -> None:
        print(f"[{time.perf_counter() - start:6.1f}] {' '.join(map(str, words))}", flush=True)
        if status := vqspeech(["vision", *map(str, words)]):
            sys.exit(status)

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    out = Path(args.out)
    data = unpack(Path(args.data), out)
    minutes = 1.0 if args.rehearse else max(0.5, args.minutes - SAVING / 60)
    settings = [*(REHEARSAL if args.rehearse else []), *args.settings]
    of_training = [one for one in settings if one.startswith("training.")]
    first, *others = args.conf
    left = 0.75 if args.prior else 1.0
    shares = {first: left - 0.25 * bool(others)} | {one: 0.25 / len(others) for one in others}
    for name, share in shares.items():
        run("train", "--conf", name, "--train", data / "train", "--dev", data / "dev", "--out", out / name,
            f"training.minutes={share * minutes}", *settings)  # fmt: skip
    codes, prior = out / "codes", out / "prior"
    if args.prior:
        for part in ("train", "dev", "test"):
            run("encode", "--model", out / first, "--data", data / part, "--out", codes / part)
        run("prior", "--conf", args.prior, "--codes", codes / "train", "--dev", codes / "dev", "--out", prior,
            f"training.minutes={0.25 * minutes}", *of_training)  # fmt: skip
    for name in shares:
        told = ("--prior", prior) if args.prior and name == first else ()
        run("score", "bits", out / name, "--data", data / "test", *told, "--limit", args.images, "--out",
            out / name / "scores.json")  # fmt: skip
    kinds = [*((name, Autoencoder) for name in shares), *([("prior", ImagePrior)] if args.prior else [])]
    for name, kind in kinds:
        file = out / f"{name}.safetensors"
        kind.from_pretrained(out / name).save_pretrained(file, torch.float16)
        if args.part:
            split_file(file, args.part)
    return 0


def unpack(data: Path, out: Path) -> Path:
    """Return the folder of the images; a tar file is extracted first."""
    if data.is_dir():
        return data
    with tarfile.open(data) as tar:
        tar.extractall(out / "images", filter="data")
    return next((out / "images").glob("**/train")).parent


if __name__ == "__main__":
    sys.exit(main())
