"""Train the paper's models of images within given minutes, and priors over the codes of the first of them.

Usage: python tools/gpu/images.py --data FOLDER --out FOLDER --minutes 9 [--conf NAME ...] [KEY=VALUE...]
For frames and video: … --data frames.tar.xz --conf frames --top top_prior --video video_prior

--data is what `vqspeech vision prepare` wrote (train, dev, test), or a tar file of it, such as tools/gpu/pack_images.py
writes. Each prior (--prior, --top: the second VQ-VAE, --video) gets a quarter of the time, three of them two thirds
together; of the rest the configurations after the first one share a third. FOLDER/NAME are experiments, which the same
command resumes; FOLDER/NAME/scores.json holds bits per dimension on the test set, FOLDER/NAME.safetensors the models in
float16. --rehearse is a test run of a minute on the CPU. --part writes models and checkpoints in parts, from which the
next sitting resumes.
"""

import argparse
import sys
import tarfile
import time
from pathlib import Path

import torch

# The toolkit of this checkout, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parts import join_models, split_models
from verbs import make_runner

from vqspeech.vision.data.codes import read_codes
from vqspeech.vision.models import Autoencoder
from vqspeech.vision.models.prior import ImagePrior
from vqspeech.vision.models.top import TopVQVAE
from vqspeech.vision.models.video import VideoPrior

SAVING = 60.0
"""Seconds that are kept for codes and scores."""
TRIO = ["cifar10_vqvae", "cifar10_vae", "cifar10_vimco"]
REHEARSAL = ["training.batch=4", "training.evaluate_batches=1"]
SHORT = ["--inverse-steps", 20, "--rollout-frames", 12]
"""Options of the score of video in a rehearsal."""
MODELS = {"prior": ImagePrior, "top": TopVQVAE, "video": VideoPrior}
GROUPS = {"prior": ("prior",), "top": ("prior", "top"), "video": ("video",)}
"""Groups of the configuration that each model over codes has besides `training`."""


def main() -> int:
    start = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="settings; priors take those of their groups")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="prepared images, or a tar file of them")
    parser.add_argument("--conf", nargs="+", default=TRIO, metavar="NAME", help=f"configurations ({' '.join(TRIO)})")
    parser.add_argument("--prior", default="prior", metavar="NAME", help="configuration of the prior; empty: none")
    parser.add_argument("--top", default="", metavar="NAME", help="configuration of a second VQ-VAE over the codes")
    parser.add_argument("--video", default="", metavar="NAME", help="configuration of a prior over video")
    parser.add_argument("--clips", type=int, default=64, help="clips of the test set that are scored (%(default)s)")
    parser.add_argument("--minutes", type=float, default=9.0, help="minutes in all (%(default)s)")
    parser.add_argument("--images", type=int, default=2000, help="images of the test set that are scored (%(default)s)")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument("--part", type=int, default=0, metavar="BYTES", help="write the files in parts of this size")
    parser.add_argument("--rehearse", action="store_true", help="a minute, small batches")
    args = parser.parse_args()
    run = make_runner(start, "vision")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    out = Path(args.out)
    join_models(out)
    data = unpack(Path(args.data), out)
    minutes = 1.0 if args.rehearse else max(0.5, args.minutes - SAVING / 60)
    settings = [*(REHEARSAL if args.rehearse else []), *args.settings]
    over_codes = [name for name in ("prior", "top", "video") if getattr(args, name)]
    spent = min(0.25 * len(over_codes), 2 / 3)
    first, *others = args.conf
    shares = {first: (1 - spent) * (2 / 3 if others else 1)} | {one: (1 - spent) / 3 / len(others) for one in others}
    for name, share in shares.items():
        run("train", "--conf", name, "--train", data / "train", "--dev", data / "dev", "--out", out / name,
            f"training.minutes={share * minutes}", *of_groups(settings, ()))  # fmt: skip
    codes = out / "codes"
    made_by = hash_of_codes(codes / "train")
    for part in ("train", "dev", "test") if over_codes else ():
        run("encode", "--model", out / first, "--data", data / part, "--out", codes / part)
    # After a longer training of the model, earlier priors are of other codes.
    restart = ["--restart"] if over_codes and made_by not in ("", hash_of_codes(codes / "train")) else []
    for name in over_codes:
        verb = ("prior-video", "--model", out / first) if name == "video" else ("prior",)
        run(*verb, "--conf", getattr(args, name), "--codes", codes / "train", "--dev", codes / "dev", "--out",
            out / name, *restart, f"training.minutes={spent / len(over_codes) * minutes}",
            *of_groups(settings, GROUPS[name]))  # fmt: skip
    for name in shares:
        told = ("--prior", out / "prior") if args.prior and name == first else ()
        run("score", "bits", out / name, "--data", data / "test", *told, "--limit", args.images, "--out",
            out / name / "scores.json")  # fmt: skip
    held = ("--model", out / first, "--codes", codes / "test", "--data", data / "test")
    scored = ("--out", out / first / "scores.json")
    if args.top:
        run("score", "top", "--top", out / "top", *held, "--picture", out / first / "pictures" / "top.png", *scored)
    if args.video:
        alone = ("--image-prior", out / "prior") if args.prior else ()
        run("score", "video", "--prior", out / "video", *held, "--train", data / "train", "--train-codes",
            codes / "train", *alone, "--clips", args.clips, *(SHORT if args.rehearse else []), *scored)  # fmt: skip
    kinds = {**dict.fromkeys(shares, Autoencoder), **{name: MODELS[name] for name in over_codes}}
    for name, kind in kinds.items():
        kind.from_pretrained(out / name).save_pretrained(out / f"{name}.safetensors", torch.float16)
    if args.part:
        split_models(out, args.part)
    return 0


def hash_of_codes(folder: Path) -> str:
    """Return the hash of encoder and codebook that made codes; empty where there are none."""
    return read_codes(folder).sha256 if (folder / "index.json").is_file() else ""


def of_groups(settings: list[str], groups: tuple[str, ...]) -> list[str]:
    """Return the settings of a training: those of `training` and of its own groups; without any, all but priors'."""
    of_priors = {group for one in GROUPS.values() for group in one}

    def suits(setting: str) -> bool:
        group = setting.lstrip("+~").split(".")[0].split("=")[0]
        return group == "training" or (group in groups if groups else group not in of_priors)

    return [one for one in settings if suits(one)]


def unpack(data: Path, out: Path) -> Path:
    """Return the folder of the images; a tar file is extracted first."""
    if data.is_dir():
        return data
    with tarfile.open(data) as tar:
        tar.extractall(out / "images", filter="data")
    return next((out / "images").glob("**/train")).parent


if __name__ == "__main__":
    sys.exit(main())
