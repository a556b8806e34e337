"""Speech from nothing, or going on from a recording: codes are drawn from a prior and decoded.

Writes OUT/sample-000.wav and so on, their codes (units.txt) and a sheet of spectrograms (spectrograms.png). A decoder
that must be told the pitch gets one that falls evenly over what was drawn: codes carry no melody for it.
"""

import argparse
import sys
import time
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

from vqspeech import audio, world
from vqspeech.commands.arguments import (
    fraction,
    non_negative_float,
    non_negative_int,
    positive_float,
    positive_int,
    sound_folder,
)
from vqspeech.commands.loading import add_model_argument, load_model
from vqspeech.data.units import read_units, require_same_codes, write_units
from vqspeech.errors import AudioError, ConfigError
from vqspeech.metrics import pictures
from vqspeech.metrics.kneser_ney import KneserNey
from vqspeech.models.prior import LatentPrior
from vqspeech.models.vqvae import VQVAE

SHEET = 16
"""Spectrograms on the sheet at most."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech sample`."""
    add_model_argument(parser)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--prior", metavar="FILE", help="checkpoint of `vqspeech prior`")
    source.add_argument("--ngram", type=positive_int, metavar="N", help="an n-gram of --units in place of a prior")
    parser.add_argument("--units", metavar="UNITS", help="units file that the n-gram is fitted to")
    parser.add_argument("--n", type=positive_int, default=8, metavar="N", help="samples (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=positive_float, default=5.0, metavar="S", help="drawn for each sample (default: %(default)s)"
    )
    parser.add_argument(
        "--speaker", default="random", metavar="NAME", help="voice of all, or 'random', one for each (the default)"
    )
    parser.add_argument("--prompt", metavar="FILE", help="recording to go on from, at any sample rate")
    parser.add_argument(
        "--temperature", type=non_negative_float, default=1.0, metavar="T", help="of the codes (default: %(default)s)"
    )
    parser.add_argument(
        "--top-p", type=fraction, default=1.0, metavar="P", help="draw from the likeliest P only (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=non_negative_int, default=0, metavar="N", help="of all that is drawn (default: %(default)s)"
    )
    parser.add_argument("--out", type=sound_folder, required=True, metavar="DIR", help="folder for what is made")


def run(args: argparse.Namespace) -> int:
    """Writes the samples and prints their names."""
    model, started, out = load_model(args), time.perf_counter(), Path(args.out)
    wave = None if args.prompt is None else audio.read_waveform(args.prompt)
    if wave is not None and len(wave) < model.hop:
        raise AudioError(
            f"{args.prompt}: {1000 * len(wave) / audio.RATE:.1f} ms are shorter than a code, "
            f"{1000 / model.rate:.1f} ms; use a longer prompt"
        )
    # Whole codes only: the last one would be filled up with silence, and the sample would go on from a pause.
    prompt = None if wave is None else model.encode(wave[: len(wave) // model.hop * model.hop])
    codes, voices = _drawn(args, model, max(1, round(args.seconds * model.rate)), prompt)
    pitches = [_pitch(model, len(codes[0]), voice, wave, prompt) for voice in voices]
    # The same codes said twice are two samples: a decoder that draws has a seed for each.
    seeds = np.random.default_rng(args.seed).integers(2**31, size=args.n).tolist()
    names, seconds, drawn = [f"sample-{i:03d}" for i in range(args.n)], 0.0, {}
    parts = model.decode_parts(list(codes), voices, pitches, seed=seeds)
    for i, said in groupby(parts, itemgetter(0)):  # each is written before the next ones are decoded
        path, sound = out / f"{names[i]}.wav", np.concatenate([part for _, part in said])
        audio.write(path, sound)
        print(path)
        seconds += len(sound) / audio.RATE
        if i < SHEET:
            drawn[f"{names[i]}, {voices[i]}"] = sound
    write_units(out / "units.txt", dict(zip(names, codes, strict=True)), model=_name(args), **_sides(model))
    pictures.save(pictures.spectrograms(drawn), out / "spectrograms.png")
    took = time.perf_counter() - started
    print(
        f"{out}: {len(names)} samples, {seconds:.1f} s in {took:.1f} s, {seconds / took:.2f}x real time",
        file=sys.stderr,
    )
    return 0


def _drawn(
    args: argparse.Namespace, model: VQVAE, steps: int, prompt: np.ndarray | None
) -> tuple[np.ndarray, list[str]]:
    """Codes `(n, prompt + steps)`, and the voices that say them."""
    drawing = {"temperature": args.temperature, "top_p": args.top_p, "seed": args.seed, "prompt": prompt}
    if args.prior:
        prior = LatentPrior.from_pretrained(args.prior)
        require_same_codes(model.units, prior.units, "the model")
        voices = _voices(args, model, prior.speakers)
        known = [voice if voice in prior.speakers else None for voice in voices]
        return prior.sample(steps, known, **drawing), voices
    voices = _voices(args, model, [])
    if args.ngram:
        if not args.units:
            raise ConfigError("--ngram: of which units? name a units file by --units")
        units = read_units(args.units)
        require_same_codes(model.units, units.description, "the model")
        return KneserNey.of(units, args.ngram).sample(steps, args.n, **drawing), voices
    if model.quantizer.size > 1:
        raise ConfigError("nothing to draw codes from; name a --prior (train one: vqspeech prior), or an --ngram")
    return np.zeros((args.n, steps + (0 if prompt is None else len(prompt))), dtype=np.int64), voices


def _voices(args: argparse.Namespace, model: VQVAE, preferred: list[str]) -> list[str]:
    """The voice of each sample; random ones are such as the prior knows, where it knows any that the model has."""
    if args.speaker != "random":
        model.speaker(args.speaker)
        return [args.speaker] * args.n
    choice = [name for name in model.speakers if name in preferred] or model.speakers
    return [choice[np.random.default_rng((args.seed, i, 1)).integers(len(choice))] for i in range(args.n)]


def _pitch(
    model: VQVAE, codes: int, voice: str, wave: np.ndarray | None, prompt: np.ndarray | None
) -> np.ndarray | None:
    """The melody of a sample: that of the prompt, in the range of the voice, and then one that falls."""
    if not model.decoder.told_pitch:
        return None
    told = 0 if prompt is None else world.count_frames(len(prompt) * model.hop)
    falling = model.make_declination_contour(world.count_frames(codes * model.hop) - told, voice)
    if wave is None:
        return falling
    return np.concatenate([model.carried_pitch(world.extract_log_f0(wave), voice)[:told], falling])


def _name(args: argparse.Namespace) -> str:
    return args.prior or (f"{args.ngram}-gram of {args.units}" if args.ngram else "one code")


def _sides(model: VQVAE) -> dict:
    return {"rate": model.rate, "size": model.quantizer.size, "sha256": model.fingerprint()}
