"""Encode a set of images into codes, the training data of priors."""

import argparse
import time

import torch

from vqspeech.commands.arguments import number, output_folder
from vqspeech.devices import resolve_device
from vqspeech.locks import lock_folder
from vqspeech.progress import report
from vqspeech.vision.data.codes import write_codes
from vqspeech.vision.data.images import read_images
from vqspeech.vision.models import CodeModel

EXAMPLE = "vqspeech vision encode --model exp/vqvae --data data/train --out codes/train"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech vision encode`."""
    parser.add_argument("--model", required=True, metavar="FILE", help="checkpoint or experiment folder, with codes")
    parser.add_argument("--data", required=True, metavar="SET", help="set of images")
    parser.add_argument("--out", type=output_folder, required=True, metavar="CODES", help="folder for the codes")
    parser.add_argument("--batch", **number(64, "images per batch"))


def run(args: argparse.Namespace) -> int:
    """Write the codes and print the speed."""
    model = CodeModel.from_pretrained(args.model, resolve_device(None))
    started = time.perf_counter()
    described = {"codes": model.codes, "latents": model.latents, "model": args.model, "sha256": model.fingerprint()}
    with lock_folder(args.out):
        found = write_codes(
            args.out,
            read_images(args.data),
            lambda pixels: model.encode(torch.from_numpy(pixels)).cpu().numpy(),
            described,
            args.batch,
        )
    rate = len(found) / (time.perf_counter() - started)
    shape = "x".join(map(str, found.codes.shape))
    report(f"{args.out}: {shape} codes of {found.size}, {rate:,.0f} images/s")
    return 0
