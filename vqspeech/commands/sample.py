"""Sample speech, from nothing or as the continuation of a recording: codes from a prior are decoded.

Writes OUT/sample-000.wav and so on, their codes (units.txt) and spectrograms (spectrograms.png). A decoder that is
conditioned on pitch gets a falling one, because the codes contain none.
"""

import argparse
import time
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

from vqspeech import audio
from vqspeech.commands.arguments import (
    add_code_source_arguments,
    add_json_argument,
    add_sampling_arguments,
    number,
    positive_float,
    sound_folder,
)
from vqspeech.commands.loading import add_model_argument, load_model
from vqspeech.commands.outputs import print_json
from vqspeech.console import print_path
from vqspeech.data.units import write_units
from vqspeech.extras import require_training_packages
from vqspeech.metrics.reports import pictures
from vqspeech.models.vqvae import VQVAE
from vqspeech.progress import report
from vqspeech.sampling import RANDOM, choose_voices, decode_samples, encode_prompt, load_source, sample_codes

EXAMPLE = "vqspeech sample --prior exp/prior/best.safetensors --n 4 --out samples/"

SHEET = 16
"""Spectrograms in the picture at most."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech sample`."""
    add_model_argument(parser)
    add_code_source_arguments(parser)
    parser.add_argument("--n", **number(8, "number of samples"))
    parser.add_argument("--seconds", **number(5.0, "seconds to sample", positive_float, "S"))
    parser.add_argument(
        "--speaker",
        default=RANDOM,
        metavar="NAME",
        help="voice of all samples, or '%(default)s' for a random one each (default: %(default)s)",
    )
    parser.add_argument("--prompt", metavar="FILE", help="recording to continue, at any sampling rate")
    add_sampling_arguments(parser)
    add_json_argument(parser)
    parser.add_argument("--out", type=sound_folder, required=True, metavar="DIR", help="folder for the samples")


def run(args: argparse.Namespace) -> int:
    """Write the samples and print their names."""
    require_training_packages()
    model, started, out = load_model(args), time.perf_counter(), Path(args.out)
    wave, prompt = (None, None) if args.prompt is None else encode_prompt(model, args.prompt)
    source = load_source(model, args.prior, args.ngram, args.units)
    voices = choose_voices(model, source, args.n, args.speaker, args.seed)
    steps = max(1, round(args.seconds * model.rate))
    codes = sample_codes(source, voices, steps, prompt, args.temperature, args.top_p, args.seed)
    names, seconds, sounds = [f"sample-{i:03d}" for i in range(args.n)], 0.0, {}
    parts = decode_samples(model, codes, voices, wave, prompt, args.seed)
    for i, group in groupby(parts, itemgetter(0)):  # each is written before the next is decoded
        path, sound = out / f"{names[i]}.wav", np.concatenate([part for _, part in group])
        audio.write(path, sound)
        seconds += len(sound) / audio.RATE
        if args.json:
            print_json({"file": str(path), "speaker": voices[i], "seconds": len(sound) / audio.RATE})
        else:
            print_path(path)
        if i < SHEET:
            sounds[f"{names[i]}, {voices[i]}"] = sound
    write_units(
        out / "units.txt", dict(zip(names, codes, strict=True)), model=_describe_source(args), **_describe_units(model)
    )
    pictures.save_figure(pictures.draw_spectrograms(sounds), out / "spectrograms.png")
    took = time.perf_counter() - started
    if args.json:
        figures = {"written": len(names), "seconds": seconds, "times_real_time": seconds / took}
        print_json({"units": str(out / "units.txt"), "pictures": [str(out / "spectrograms.png")], **figures})
    report(f"{out}: {len(names)} samples, {seconds:.1f} s in {took:.1f} s, {seconds / took:.2f}x real time")
    return 0


def _describe_source(args: argparse.Namespace) -> str:
    return args.prior or (f"{args.ngram}-gram of {args.units}" if args.ngram else "one code")


def _describe_units(model: VQVAE) -> dict:
    return {"rate": model.rate, "size": model.quantizer.size, "sha256": model.fingerprint()}
