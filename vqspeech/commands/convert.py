"""Say a recording again in another voice."""

import argparse
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vqspeech import audio
from vqspeech.commands.models import add_model_argument, model_of
from vqspeech.commands.sources import add_source_arguments, sources, waveforms
from vqspeech.commands.targets import add_melody_arguments, add_target_arguments, target_names, target_voices
from vqspeech.data.datadir import Utterance
from vqspeech.errors import ConfigError
from vqspeech.generate import ENGINES
from vqspeech.jobs import Skipped
from vqspeech.models.pieces import LANES
from vqspeech.models.vqvae import VQVAE, VoiceName


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech convert`."""
    add_model_argument(parser)
    add_source_arguments(parser)
    add_target_arguments(parser)
    parser.add_argument(
        "--out",
        metavar="PATH",
        help="for one source and voice a sound file (default: SRC.SPEAKER.wav beside the source), "
        "else a folder, for FOLDER/SPEAKER/NAME.wav",
    )
    add_melody_arguments(parser)
    add_sampling_arguments(parser)


def add_sampling_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--temperature`, `--seed`, `--exact` and `--engine`, which matter to a decoder that draws its samples."""
    parser.add_argument(
        "--temperature", type=_temperature, default=1.0, metavar="T", help="of sampling (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of sampling (default: %(default)s)")
    parser.add_argument(
        "--exact",
        action="store_true",
        help="draw every utterance in one stream, slower: the same whatever is converted beside it, on however many "
        "cores (default: cut long ones into pieces that are drawn side by side)",
    )
    parser.add_argument(
        "--engine",
        choices=["auto", *ENGINES],
        default="auto",
        help="of sampling (default: the fastest on this device)",
    )


def run(args: argparse.Namespace) -> int:
    """Writes the conversions; exit status 3 where recordings were skipped."""
    found, voices = sources(args), target_names(args)
    single = len(found) == len(voices) == 1 and not args.data
    wanted: dict[tuple[str, str], Path] = {}
    if single and (args.out is None or audio.writable(args.out)):
        [utterance], [name] = found, voices
        wanted[utterance.id, name] = Path(args.out or f"{Path(utterance.path).with_suffix('')}.{name}.wav")
    elif args.out is not None:
        wanted = {(u.id, name): Path(args.out) / name / f"{u.id}.wav" for u in found for name in voices}
    else:
        raise ConfigError("several conversions need --out, a folder: they become FOLDER/SPEAKER/NAME.wav")
    model = model_of(args)
    targets = target_voices(args, model)
    return write_speech(model, found, {u.id: voices for u in found}, wanted, args, targets)


def write_speech(
    model: VQVAE,
    found: list[Utterance],
    voices: dict[str, list[str]],
    wanted: dict[tuple[str, str], Path],
    args: argparse.Namespace,
    targets: Mapping[str, VoiceName] | None = None,
) -> int:
    """Decodes every utterance in its voices, `LANES` at a time, to the paths `wanted` by (utterance, voice).

    `targets` has the voices that are not the model's own, by name. Returns the exit status. Raises `ConfigError` where
    a path is that of a recording to read.
    """
    originals = {os.path.realpath(utterance.path) for utterance in found}
    for path in wanted.values():
        if os.path.realpath(path) in originals:
            raise ConfigError(f"{path}: is one of the recordings, which would be lost; choose another --out")
    skipped, done, seconds, started = Skipped(), 0, 0.0, time.perf_counter()
    lanes: list[tuple[Utterance, str, np.ndarray]] = []
    how = {"temperature": args.temperature, "seed": args.seed, "exact": args.exact, "engine": args.engine}
    if targets is not None:
        how |= {"shift": args.pitch, "keep_pitch": args.keep_pitch, "formant": args.formant}

    def flush() -> None:
        nonlocal done, seconds
        speakers = [(targets or {}).get(name, name) for _, name, _ in lanes]
        sounds = model.convert_many([wave for *_, wave in lanes], speakers, **how)
        for (utterance, name, _), sound in zip(lanes, sounds, strict=True):
            path = wanted[utterance.id, name]
            audio.write(path, sound)
            done, seconds = done + 1, seconds + len(sound) / audio.RATE
            print(path)
        lanes.clear()

    # The shortest first: lanes of about one length waste the least.
    for utterance, wave in waveforms(sorted(found, key=lambda u: u.seconds or 0.0), skipped):
        for name in voices[utterance.id]:
            lanes.append((utterance, name, wave))
            if len(lanes) == LANES:
                flush()
    if lanes:
        flush()
    if done:
        took = time.perf_counter() - started
        rate = f"{seconds * audio.RATE / took:,.0f} samples/s, {seconds / took:.2f}x real time"
        print(f"{done} written, {seconds:.1f} s of speech in {took:.1f} s: {rate}", file=sys.stderr)
    return skipped.status(done)


def _temperature(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more")
    return number
