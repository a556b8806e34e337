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

from vqspeech import audio, world
from vqspeech.commands.arguments import (
    add_sampling_arguments,
    number,
    positive_float,
    positive_int,
    sound_folder,
)
from vqspeech.commands.loading import add_model_argument, load_model
from vqspeech.data.units import read_units, require_same_codes, write_units
from vqspeech.errors import AudioError, ConfigError
from vqspeech.metrics.measures.kneser_ney import KneserNey
from vqspeech.metrics.reports import pictures
from vqspeech.models.prior import LatentPrior
from vqspeech.models.vqvae import VQVAE
from vqspeech.progress import report

EXAMPLE = "vqspeech sample --prior exp/prior/best.safetensors --n 4 --out samples/"

SHEET = 16
"""Spectrograms in the picture at most."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech sample`."""
    add_model_argument(parser)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--prior", metavar="FILE", help="checkpoint of `vqspeech prior`")
    source.add_argument(
        "--ngram", type=positive_int, metavar="N", help="sample from an N-gram of --units instead of a prior"
    )
    parser.add_argument("--units", metavar="UNITS", help="units file the n-gram is fitted to")
    parser.add_argument("--n", **number(8, "number of samples"))
    parser.add_argument("--seconds", **number(5.0, "seconds to sample", positive_float, "S"))
    parser.add_argument(
        "--speaker",
        default="random",
        metavar="NAME",
        help="voice of all samples, or 'random' for a random one each (default: %(default)s)",
    )
    parser.add_argument("--prompt", metavar="FILE", help="recording to continue, at any sampling rate")
    add_sampling_arguments(parser)
    parser.add_argument("--out", type=sound_folder, required=True, metavar="DIR", help="folder for the samples")


def run(args: argparse.Namespace) -> int:
    """Write the samples and print their names."""
    model, started, out = load_model(args), time.perf_counter(), Path(args.out)
    wave = None if args.prompt is None else audio.read_waveform(args.prompt)
    if wave is not None and len(wave) < model.hop:
        raise AudioError(
            f"{args.prompt}: {1000 * len(wave) / audio.RATE:.1f} ms are shorter than a code, "
            f"{1000 / model.rate:.1f} ms; use a longer prompt"
        )
    # Whole codes only: the last one would be padded with silence, and the sample would continue from a pause.
    prompt = None if wave is None else model.encode(wave[: len(wave) // model.hop * model.hop])
    codes, voices = _sample_codes(args, model, max(1, round(args.seconds * model.rate)), prompt)
    pitches = [_make_pitch(model, len(codes[0]), voice, wave, prompt) for voice in voices]
    # The same codes twice are two samples: a decoder that samples has a seed for each.
    seeds = np.random.default_rng(args.seed).integers(2**31, size=args.n).tolist()
    names, seconds, sounds = [f"sample-{i:03d}" for i in range(args.n)], 0.0, {}
    parts = model.decode_parts(list(codes), voices, pitches, seed=seeds)
    for i, group in groupby(parts, itemgetter(0)):  # each is written before the next is decoded
        path, sound = out / f"{names[i]}.wav", np.concatenate([part for _, part in group])
        audio.write(path, sound)
        print(path)
        seconds += len(sound) / audio.RATE
        if i < SHEET:
            sounds[f"{names[i]}, {voices[i]}"] = sound
    write_units(
        out / "units.txt", dict(zip(names, codes, strict=True)), model=_describe_source(args), **_describe_units(model)
    )
    pictures.save_figure(pictures.draw_spectrograms(sounds), out / "spectrograms.png")
    took = time.perf_counter() - started
    report(f"{out}: {len(names)} samples, {seconds:.1f} s in {took:.1f} s, {seconds / took:.2f}x real time")
    return 0


def _sample_codes(
    args: argparse.Namespace, model: VQVAE, steps: int, prompt: np.ndarray | None
) -> tuple[np.ndarray, list[str]]:
    """Return codes `(n, prompt + steps)`, and the voice of each."""
    options = {"temperature": args.temperature, "top_p": args.top_p, "seed": args.seed, "prompt": prompt}
    if args.prior:
        prior = LatentPrior.from_pretrained(args.prior)
        require_same_codes(model.units, prior.units, "the model")
        voices = _choose_voices(args, model, prior.speakers)
        known = [voice if voice in prior.speakers else None for voice in voices]
        return prior.sample(steps, known, **options), voices
    voices = _choose_voices(args, model, [])
    if args.ngram:
        if not args.units:
            raise ConfigError("--ngram needs the units to fit it to; name a units file with --units")
        units = read_units(args.units)
        require_same_codes(model.units, units.description, "the model")
        return KneserNey.of(units, args.ngram).sample(steps, args.n, **options), voices
    if model.quantizer.size > 1:
        raise ConfigError("no source of codes; name a --prior (train one: vqspeech prior), or an --ngram")
    return np.zeros((args.n, steps + (0 if prompt is None else len(prompt))), dtype=np.int64), voices


def _choose_voices(args: argparse.Namespace, model: VQVAE, preferred: list[str]) -> list[str]:
    """Return the voice of each sample; random ones are known to the prior, where it knows any of the model."""
    if args.speaker != "random":
        model.speaker(args.speaker)
        return [args.speaker] * args.n
    choice = [name for name in model.speakers if name in preferred] or model.speakers
    return [choice[np.random.default_rng((args.seed, i, 1)).integers(len(choice))] for i in range(args.n)]


def _make_pitch(
    model: VQVAE, codes: int, voice: str, wave: np.ndarray | None, prompt: np.ndarray | None
) -> np.ndarray | None:
    """Return the pitch of a sample: that of the prompt in the range of the voice, then a falling one."""
    if not model.decoder.uses_pitch:
        return None
    known = 0 if prompt is None else world.count_frames(len(prompt) * model.hop)
    falling = model.make_declination_contour(world.count_frames(codes * model.hop) - known, voice)
    if wave is None:
        return falling
    return np.concatenate([model.move_pitch(world.extract_log_f0(wave), voice)[:known], falling])


def _describe_source(args: argparse.Namespace) -> str:
    return args.prior or (f"{args.ngram}-gram of {args.units}" if args.ngram else "one code")


def _describe_units(model: VQVAE) -> dict:
    return {"rate": model.rate, "size": model.quantizer.size, "sha256": model.fingerprint()}
