"""Sample images: draw codes from a prior and decode them.

Writes OUT/samples.npz (images, codes, labels) and OUT/samples.png, a sheet with one row a class.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from vqspeech.commands.arguments import add_sampling_arguments, number, output_folder
from vqspeech.devices import resolve_device
from vqspeech.errors import ConfigError
from vqspeech.files import replace_file
from vqspeech.progress import report
from vqspeech.vision.metrics.reports import pictures
from vqspeech.vision.models import CodeModel
from vqspeech.vision.models.prior import ImagePrior, require_same_codes

EXAMPLE = "vqspeech vision sample --model exp/vqvae --prior exp/prior --out samples"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech vision sample`."""
    parser.add_argument("--model", required=True, metavar="FILE", help="model that made the codes of the prior")
    parser.add_argument(
        "--prior", required=True, metavar="FILE", help="checkpoint or folder of `vqspeech vision prior`"
    )
    parser.add_argument("--n", **number(8, "samples of each class"))
    parser.add_argument(
        "--class", dest="classes", nargs="+", metavar="NAME",
        help="classes to condition on, 'all' of them, or 'any' for samples without one (default: any)", default=["any"],
    )  # fmt: skip
    add_sampling_arguments(parser)
    parser.add_argument("--scale", **number(2, "size of an image's pixel in the sheet"))
    parser.add_argument("--out", type=output_folder, required=True, metavar="DIR", help="folder for the samples")


def run(args: argparse.Namespace) -> int:
    """Write the samples and print the name of the sheet."""
    device = resolve_device(None)
    model, prior, out = (
        CodeModel.from_pretrained(args.model, device),
        ImagePrior.from_pretrained(args.prior, device),
        Path(args.out),
    )
    require_same_codes(describe_model_codes(model), prior.codes, args.model)
    names = list(prior.classes) if args.classes == ["all"] else [None if c == "any" else c for c in args.classes]
    if not names:
        raise ConfigError(f"{args.prior}: has no classes; leave out --class all")
    started = time.perf_counter()
    each = [name for name in names for _ in range(args.n)]
    codes = prior.sample(each, temperature=args.temperature, top_p=args.top_p, seed=args.seed)
    rate = len(codes) / (time.perf_counter() - started)
    images = torch.cat([model.decode(part).cpu() for part in torch.from_numpy(codes).split(32)]).numpy()
    labels = np.array([prior.class_index(name) - 1 for name in each])
    with replace_file(out / "samples.npz") as temporary:
        np.savez_compressed(
            temporary, images=images.transpose(0, 2, 3, 1), codes=codes.astype(np.uint16), labels=labels
        )
    sheet = pictures.tile_images([images[i : i + args.n] for i in range(0, len(images), args.n)], args.scale)
    rows = pictures.place_labels(["any class" if name is None else name for name in names], len(sheet))
    pictures.write_png(pictures.label_sheet(sheet, "samples, a row for each class", rows), out / "samples.png")
    print(out / "samples.png")
    report(f"{out}: {len(images)} samples, {rate:,.2f} images/s of codes")
    return 0


def describe_model_codes(model: CodeModel) -> dict:
    """Describe the codes of a model as `describe_codes` does, without the name of the model."""
    shape = [model.latents, *model.places]
    return {"codes": model.codes, "shape": shape, "sha256": model.fingerprint()}
