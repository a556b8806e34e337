"""Sample images: draw codes from a prior and decode them.

Writes OUT/samples.npz (images, codes, labels) and OUT/samples.png, a sheet with one row a class.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from vqspeech.commands.arguments import fraction, non_negative_float, non_negative_int, output_folder, positive_int
from vqspeech.devices import resolve_device
from vqspeech.errors import ConfigError
from vqspeech.files import replace_file
from vqspeech.vision.metrics.reports import pictures
from vqspeech.vision.models import CodeModel
from vqspeech.vision.models.prior import ImagePrior, require_same_codes

EXAMPLE = "vqspeech vision sample --model exp/vqvae --prior exp/prior --out samples"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech vision sample`."""
    parser.add_argument("--model", required=True, metavar="FILE", help="model that made the codes the prior knows")
    parser.add_argument(
        "--prior", required=True, metavar="FILE", help="checkpoint or folder of `vqspeech vision prior`"
    )
    parser.add_argument(
        "--n", type=positive_int, default=8, metavar="N", help="samples of each class (default: %(default)s)"
    )
    parser.add_argument(
        "--class", dest="classes", nargs="+", metavar="NAME",
        help="classes, 'all', or 'any' for one that is not told (default: any)", default=["any"],
    )  # fmt: skip
    parser.add_argument(
        "--temperature", type=non_negative_float, default=1.0, metavar="T", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--top-p", type=fraction, default=1.0, metavar="P", help="draw from the likeliest P only (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=non_negative_int, default=0, metavar="N", help="of all that is drawn (default: %(default)s)"
    )
    parser.add_argument(
        "--scale", type=positive_int, default=2, metavar="N", help="width of a pixel (default: %(default)s)"
    )
    parser.add_argument("--out", type=output_folder, required=True, metavar="DIR", help="folder for what is made")


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
        raise ConfigError(f"{args.prior}: knows no classes; leave out --class all")
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
    sheet = [images[i : i + args.n] for i in range(0, len(images), args.n)]
    pictures.write_png(pictures.tile_images(sheet, args.scale), out / "samples.png")
    print(out / "samples.png")
    print(f"{out}: {len(images)} samples, {rate:,.2f} images/s of codes", file=sys.stderr)
    return 0


def describe_model_codes(model: CodeModel) -> dict:
    """Describe the codes of a model as `describe_codes` does, without the name of the model."""
    shape = [model.latents, *model.places]
    return {"codes": model.codes, "shape": shape, "sha256": model.fingerprint()}
