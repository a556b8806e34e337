"""Convert recordings to another voice."""

import argparse
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vqspeech import audio, extras, loudness
from vqspeech.commands.arguments import (
    STREAM,
    add_jobs_argument,
    add_json_argument,
    add_seed_argument,
    float_between,
    is_folder,
    is_sound,
    non_negative_float,
    number,
    positive_int,
    sound_folder,
)
from vqspeech.commands.loading import add_model_argument, is_live_model, load_model
from vqspeech.commands.outputs import check_file_name, check_outputs, check_stdout, print_json, write_stdout
from vqspeech.commands.sharding import add_shard_arguments, run_shards
from vqspeech.commands.sources import add_source_arguments, is_single_recording, open_sources
from vqspeech.commands.targets import (
    add_melody_arguments,
    add_sound_arguments,
    add_target_arguments,
    load_target_voices,
    target_names,
)
from vqspeech.console import print_path
from vqspeech.data.datadir import Utterance
from vqspeech.data.sharding import Share
from vqspeech.errors import ConfigError, MissingExtra, ends_batch
from vqspeech.generate import ENGINES, choose_engine
from vqspeech.jobs import Skipped, attempt
from vqspeech.models.chunks import BATCH, CHUNK
from vqspeech.models.speakers import VoiceName
from vqspeech.models.vqvae import VQVAE, Source
from vqspeech.progress import report
from vqspeech.storage import is_remote

EXAMPLE = "vqspeech convert --src a.wav --speaker p225 --out b.wav"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech convert`."""
    add_model_argument(parser)
    add_source_arguments(parser)
    add_target_arguments(parser)
    parser.add_argument(
        "--out",
        metavar="PATH",
        help="for one recording and voice a sound file (default: SRC.SPEAKER.wav next to the source), or - for a WAV "
        "on standard output; else a folder, for FOLDER/SPEAKER/NAME.wav, where NAME is the path below a source folder",
    )
    parser.add_argument(
        "--raw",
        type=positive_int,
        metavar="HZ",
        help="standard input and output are raw 16-bit samples (s16le, mono) at HZ, converted as they arrive by a live "
        "model",
    )
    add_melody_arguments(parser)
    parser.add_argument(
        "--guidance",
        type=float_between(0, 4),
        metavar="FACTOR",
        help="go beyond the target voice, away from that of the source: a voice more like it, words less clear; 0: not "
        "(default: what is best for the model, 0.3 for one that takes any voice)",
    )
    parser.add_argument(
        "--retrieval",
        type=float_between(0, 1),
        metavar="SHARE",
        help="take this share of what is said from recordings of the target (--like, or a voice of yours): the more, "
        "the more like it and the less clear; 0: none (default: what is best for the model, 0.3 for one that takes any "
        "voice)",
    )
    add_sound_arguments(parser)
    add_sampling_arguments(parser)
    add_json_argument(parser)
    add_jobs_argument(parser)
    add_shard_arguments(parser)


def add_sampling_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--temperature`, `--seed`, `--exact` and `--engine`, for decoders that sample."""
    parser.add_argument("--temperature", **number(1.0, "temperature of sampling", non_negative_float, "T"))
    add_seed_argument(parser, "of sampling")
    parser.add_argument(
        "--exact",
        action="store_true",
        help="decode each utterance by itself, as one stream: slower, but independent of the others, of shards and of "
        "the number of cores (default: in batches; long ones are cut into pieces that are sampled in parallel)",
    )
    parser.add_argument(
        "--engine",
        type=_parse_engine,
        choices=["auto", *ENGINES],
        default="auto",
        help="engine of sampling (default: the fastest on this device)",
    )


def _parse_engine(text: str) -> str:
    return choose_engine(text, torch.device("cpu")) if text == "graph" else text


def run(args: argparse.Namespace) -> int:
    """Write the conversions; the exit status is 3 where recordings were skipped."""
    if (args.shard or args.shards) and (args.out in (None, STREAM) or STREAM in (args.src or [])):
        raise ConfigError("conversions in shards need a folder as --out, and files or a data directory as sources")
    if args.out and is_remote(args.out) and not (args.shard or args.shards):
        raise ConfigError(f"{args.out}: conversions go to URLs in shards only; add --shards N")
    if args.nj > 1 and not args.shards:
        raise ConfigError("conversions use several processes in shards: add --shards N, with N of --nj or more")
    return run_shards(args, "convert", _convert)


def _convert(args: argparse.Namespace, share: Share) -> int:
    voices, skipped = target_names(args), share.skipped
    if args.loudness is not None:
        extras.import_extra("pyloudnorm", "loudness")  # before anything is read
    if args.json and (args.out == STREAM or (args.out is None and args.src == [STREAM])):
        raise ConfigError("--json prints to standard output, where the sound goes; name a file with --out")
    if args.src == [STREAM] and args.out in (None, STREAM) and len(voices) == 1 and is_streaming(args):
        return convert_stdin(args)
    if args.raw:
        raise ConfigError("--raw converts a stream to one voice by a live model: --model live --src - --out -")
    with open_sources(args, skipped) as everything:
        found = share.select(everything)
        inputs = [*(utterance.path for utterance in found), *(args.like or [])]
        wanted = check_speech_outputs(_choose_paths(args, found, voices), inputs, skipped)
        model = load_model(args)
        targets = load_target_voices(args, model)
        status = write_speech(model, found, {u.id: voices for u in found}, wanted, args, skipped, targets)
    written = {key for key, path in wanted.items() if path.is_file()} if share.shard else set()
    share.done = [one.id for one in share.chosen if all((one.id, name) in written for name in voices)]
    return status


def is_streaming(args: argparse.Namespace) -> bool:
    """Return whether standard input can be converted as it arrives: by a live model, raw or WAV."""
    from vqspeech.commands.pipe import is_wav_input

    needs_all = args.preserve_pauses or args.loudness is not None or args.rate != audio.RATE
    return not needs_all and is_live_model(args.model) and (args.raw is not None or is_wav_input())


def convert_stdin(args: argparse.Namespace) -> int:
    """Convert standard input to standard output as it arrives."""
    from vqspeech.commands.pipe import convert_stream, open_input, read_format
    from vqspeech.models.live.model import Live
    from vqspeech.stream import Converter

    check_stdout()
    source = open_input()
    model = load_model(args)
    assert isinstance(model, Live)
    [voice] = load_target_voices(args, model).values()
    form = read_format(source, args.raw)
    started = time.process_time()
    converter = Converter(voice, model, form.rate, args.pitch, args.keep_pitch, args.formant)
    with open(1, "wb", closefd=False) as out:
        seconds = convert_stream(converter, source, form, out, args.raw is not None)
    took = (time.process_time() - started) / seconds
    report(f"{seconds:.1f} s of sound, {took:.2f} of a core, {1000 * converter.latency:.0f} ms late")
    return 0


def _choose_paths(args: argparse.Namespace, found: list[Utterance], voices: list[str]) -> dict[tuple[str, str], Path]:
    """Return the path of each utterance in each voice, by (utterance, voice).

    Raises:
        AudioError: `--out` has the ending of a format that cannot be written.
        ConfigError: `--out` is missing, or standard output for several conversions.
        OutputError: `--out` or the name of a voice cannot be used.
    """
    single, out = args.shard is None and is_single_recording(args, found) and len(voices) == 1, args.out
    for name in voices:
        check_file_name(name, "the voice")
    if single and out is None:
        [utterance], [name] = found, voices
        path = Path(f"{Path(utterance.path).with_suffix('')}.{name}.wav")
        return {(utterance.id, name): Path(STREAM) if args.src == [STREAM] else path}
    if out is None:
        raise ConfigError("several conversions need a folder as --out, for FOLDER/SPEAKER/NAME.wav")
    if single and (out == STREAM or (audio.is_writable(out) and not is_folder(out))):
        return {(found[0].id, voices[0]): Path(out)}
    if out == STREAM:
        raise ConfigError("standard output takes one recording in one voice; name a folder with --out")
    if single and is_sound(out):
        audio.check_writable(out)
    sound_folder(out)
    return {(u.id, name): Path(out) / name / f"{u.id}.wav" for u in found for name in voices}


def check_speech_outputs(
    wanted: dict[tuple[str, str], Path], inputs: Iterable[str], skipped: Skipped
) -> dict[tuple[str, str], Path]:
    """Return those of the paths that can be written, as `check_outputs` does."""
    if list(wanted.values()) == [Path(STREAM)]:
        check_stdout()
        return wanted
    return check_outputs(wanted, inputs, skipped)


def write_speech(
    model: VQVAE,
    found: Collection[Utterance],
    voices: dict[str, list[str]],
    wanted: dict[tuple[str, str], Path],
    args: argparse.Namespace,
    skipped: Skipped,
    targets: Mapping[str, VoiceName] | None = None,
) -> int:
    """Decode utterances in their voices, write each file as soon as it is ready, and return the exit status.

    A batch is limited in conversions and in length, so that memory does not grow with the number of utterances.

    Args:
        model: The model.
        found: The utterances.
        voices: Names of the voices by utterance.
        wanted: Paths by (utterance, voice); conversions without a path are left out.
        args: Options of sampling and, with `targets`, of pitch and sound.
        skipped: Receives the conversions that fail.
        targets: Voices that are not the model's own, by name.
    """
    options = {"temperature": args.temperature, "seed": args.seed, "exact": args.exact, "engine": args.engine}
    if targets is not None:
        options |= {"shift": args.pitch, "keep_pitch": args.keep_pitch, "formant": args.formant}
        options |= {"guidance": args.guidance, "retrieval": args.retrieval, "keep_pauses": args.preserve_pauses}
    rate, level = (audio.RATE, None) if targets is None else (args.rate, args.loudness)
    batch = _Batch(model, wanted, targets or {}, options, skipped, rate, level, args.json)
    started = time.perf_counter()
    # The shortest first: streams of similar length waste the least.
    for utterance in sorted(found, key=lambda u: u.seconds or 0.0):
        names = [name for name in voices[utterance.id] if (utterance.id, name) in wanted]
        if not names:
            continue
        source, error = attempt(partial(_load_source, model), utterance)
        if error is not None:
            skipped.add(utterance.id, error)
            continue
        for name in names:
            batch.add(utterance.id, name, source)
    batch.write()
    took = time.perf_counter() - started
    if args.json:
        figures = {"written": batch.done, "seconds": batch.seconds, "times_real_time": batch.seconds / took}
        print_json({**figures, "skipped": skipped.reasons})
    if batch.done:
        speed = f"{batch.seconds * audio.RATE / took:,.0f} samples/s, {batch.seconds / took:.2f}x real time"
        report(f"{batch.done} written, {batch.seconds:.1f} s of speech in {took:.1f} s: {speed}")
    return skipped.status(batch.done)


def _load_source(model: VQVAE, utterance: Utterance) -> Source:
    return model.source(audio.read_audible_blocks(utterance.path, utterance.start, utterance.end))


@dataclass
class _Batch:
    """Conversions that are decoded together.

    Attributes:
        wanted: Paths by (utterance, voice).
        targets: Voices that are not the model's own, by name.
        options: Of `convert_parts`.
        skipped: Receives the conversions that fail.
        rate: Sampling rate of the files (Hz).
        loudness: Of the files (LUFS); None for that of the source.
        as_json: Whether each file is printed as JSON.
        done: Files written.
        seconds: Their length in all.
        pending: (utterance, voice, source) that are not decoded yet.
    """

    model: VQVAE
    wanted: dict[tuple[str, str], Path]
    targets: Mapping[str, VoiceName]
    options: dict[str, Any]
    skipped: Skipped
    rate: int = audio.RATE
    loudness: float | None = None
    as_json: bool = False
    done: int = 0
    seconds: float = 0.0
    pending: list[tuple[str, str, Source]] = field(default_factory=list)

    def add(self, utterance: str, voice: str, source: Source) -> None:
        """Add a conversion, and write the batch where it is full."""
        self.pending.append((utterance, voice, source))
        seconds = sum(len(source.normalised.samples) for *_, source in self.pending) / audio.RATE
        if self.options["exact"] or len(self.pending) == BATCH or seconds >= BATCH * CHUNK:
            self.write()

    def write(self) -> None:
        """Write the batch; where it fails as a whole, write each conversion by itself and skip those that fail."""
        batch, self.pending = self.pending, []
        done: set[int] = set()
        try:
            self._decode(batch, done)
        except Exception as error:
            if isinstance(error, ConfigError | MissingExtra | BrokenPipeError) or ends_batch(error):
                raise
            if len(batch) == 1:
                self._skip(*batch[0][:2], error)
                return
            for i, conversion in enumerate(batch):
                if i not in done:
                    self.pending = [conversion]
                    self.write()

    def _decode(self, batch: list[tuple[str, str, Source]], done: set[int]) -> None:
        """Decode and write a batch; the indices of finished conversions, written or skipped, are added to `done`."""
        if not batch:
            return
        voices = [self.targets.get(voice, voice) for _, voice, _ in batch]
        parts = self.model.convert_parts([source for *_, source in batch], voices, **self.options)
        for i, group in groupby(parts, itemgetter(0)):
            utterance, voice, source = batch[i]
            path = self.wanted[utterance, voice]
            try:
                sound = self._finish(part for _, part in group)
                if path != Path(STREAM):
                    audio.write_parts(path, sound, self.rate)
                    self._print(path, utterance, voice, len(source.normalised.samples) / audio.RATE)
                elif self.rate == audio.RATE:
                    write_stdout(sound, len(source.normalised.samples))
                else:  # the header holds the length
                    whole = [*sound]
                    write_stdout(whole, sum(map(len, whole)), self.rate)
            except OSError as error:  # concerns this file alone, so decoding goes on
                if isinstance(error, BrokenPipeError) or ends_batch(error):
                    raise
                self._skip(utterance, voice, error)
            else:
                self.done += 1
                self.seconds += len(source.normalised.samples) / audio.RATE
            done.add(i)

    def _print(self, path: Path, utterance: str, voice: str, seconds: float) -> None:
        if self.as_json:
            print_json({"file": str(path), "source": utterance, "speaker": voice, "seconds": seconds})
        else:
            print_path(path)

    def _finish(self, parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield a conversion at the rate and loudness of the files."""
        if self.loudness is not None:
            parts = [loudness.set_loudness(np.concatenate([*parts]), self.loudness)]
        yield from audio.resample_blocks(parts, audio.RATE, self.rate)

    def _skip(self, utterance: str, voice: str, error: Exception) -> None:
        several = sum(name == utterance for name, _ in self.wanted) > 1
        self.skipped.add(f"{utterance} as {voice}" if several else utterance, error)
