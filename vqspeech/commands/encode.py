"""Encode speech into a units file: a line per utterance, `id c1 c2 c3 …`."""

import argparse
import time
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from vqspeech import audio, loudness
from vqspeech.commands.arguments import (
    STREAM,
    add_jobs_argument,
    add_json_argument,
    add_output_argument,
    output_file,
    output_folder,
    output_stream,
)
from vqspeech.commands.loading import add_model_argument, find_model
from vqspeech.commands.outputs import check_file_name, check_outputs, print_json
from vqspeech.commands.sharding import FEATURES, add_shard_arguments, run_shards
from vqspeech.commands.sources import add_source_arguments, open_sources
from vqspeech.data.datadir import Utterance
from vqspeech.data.features import FeaturesAbout, describe_features, write_features
from vqspeech.data.sharding import Share
from vqspeech.data.unit_formats import find_format, format_line
from vqspeech.data.units import read_units, side_file, write_runs, write_units
from vqspeech.devices import limit_kernel_cache, supports_bfloat16
from vqspeech.errors import ConfigError, UnitsError
from vqspeech.jobs import Skipped, run_jobs
from vqspeech.models.coder import Coder
from vqspeech.progress import report
from vqspeech.publishing import UNITS, publish
from vqspeech.storage import is_remote, sort_by_place

EXAMPLE = "vqspeech encode --src a.wav --out units.txt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech encode`."""
    add_model_argument(parser)
    add_source_arguments(parser)
    add_output_argument(
        parser,
        output_stream,
        UNITS,
        "UNITS",
        "units file, or the URL of one, described by UNITS.json; JSON lines or Parquet where it ends in .jsonl or "
        ".parquet; - writes each line to standard output as it is ready",
    )
    parser.add_argument(
        "--runs",
        type=output_file,
        metavar="FILE",
        help="also write the codes with repetitions removed, for language models",
    )
    parser.add_argument(
        "--features",
        type=output_folder,
        metavar="DIR",
        help="also write the output of the encoder before the codebook, UTTERANCE.npy (frames, dimension)",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="bf16: 1.2 to 1.5 times faster where the processor has instructions for bfloat16; some codes in a "
        "thousand differ (default: %(default)s)",
    )
    add_json_argument(parser)
    add_jobs_argument(parser)
    add_shard_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write the units; the exit status is 3 where recordings were skipped."""
    return run_shards(args, "encode", _encode)


def _encode(args: argparse.Namespace, share: Share) -> int:
    path, skipped, units = find_model(args.model), share.skipped, {}
    with open_sources(args, skipped) as everything:
        found = sort_by_place(share.select(everything), lambda one: one.path)
        if share.shard is not None:  # whose runs are those of all shards, see `gather`
            args.features, args.runs = args.features and str(Path(args.out).with_name(FEATURES)), None
        _check_outputs(args, found)
        _check_precision(args.precision)
        model = _load_coder(str(path), args.nj)
        started, codes_total, done = time.perf_counter(), 0, 0
        for name, codes in _encode_all(str(path), args, found, skipped):
            done, codes_total = done + 1, codes_total + len(codes)
            if args.out == STREAM:
                _write_line(name, codes)
            else:
                units[name] = codes
    if done and args.features:
        dimension = model.config["encoder"]["latents"]
        describe_features(args.features, FeaturesAbout(model.rate, dimension, str(path), model.fingerprint()))
    if units:
        stages = model.quantizer.sizes
        with publish(args.out, UNITS) as out:
            write_units(out, units, model.rate, model.quantizer.size, str(path), model.fingerprint(), stages)
            if args.runs:
                write_runs(args.runs, [read_units(out)])
        share.done = list(units)
    seconds = codes_total / model.rate
    speed = seconds / (time.perf_counter() - started)
    if done:
        report(f"{args.out}: {done} utterances, {seconds:.0f} s, {speed:,.0f}x real time")
    if args.json:
        figures = {"utterances": done, "codes": codes_total, "seconds": seconds, "times_real_time": speed}
        print_json({"units": args.out, **figures, "skipped": skipped.reasons})
    return skipped.status(done)


def _check_outputs(args: argparse.Namespace, found: list[Utterance]) -> None:
    if args.out == STREAM:
        if args.runs:
            raise ConfigError("--runs needs a units file; name one with --out")
        if args.json:
            raise ConfigError("--json prints to standard output, where the units go; name a units file with --out")
        return
    paths = [] if is_remote(args.out) else [Path(args.out), side_file(args.out)]
    paths += [Path(args.runs)] if args.runs else []
    for path in paths:
        output_file(str(path))
    for path in (args.out, *paths):
        find_format(path)
    check_outputs(dict(enumerate(paths)), [utterance.path for utterance in found], Skipped())


def _check_precision(name: str) -> None:
    import torch

    if name == "bf16" and not supports_bfloat16(torch.device("cpu")):
        raise ConfigError("--precision bf16: this processor has no instructions for bfloat16; use fp32")


def _encode_all(
    path: str, args: argparse.Namespace, found: list[Utterance], skipped: Skipped
) -> Iterator[tuple[str, np.ndarray]]:
    encode = partial(_encode_one, path, args.nj, args.features, args.precision)
    for utterance, codes, error in run_jobs(encode, found, args.nj, "encode"):
        if error is None:
            yield utterance.id, codes
        else:
            skipped.add(utterance.id, error)


def _write_line(name: str, codes: np.ndarray) -> None:
    """Write a line of units to standard output, not through `sys.stdout`, so that a closed pipe ends the work."""
    with open(1, "wb", closefd=False) as output:
        output.write(format_line(name, codes).encode())


@lru_cache(1)
def _load_coder(path: str, nj: int) -> Coder:
    import torch

    limit_kernel_cache()
    if nj > 1:
        torch.set_num_threads(1)
    return Coder.from_pretrained(path)


def _encode_one(path: str, nj: int, features: str | None, precision: str, utterance: Utterance) -> np.ndarray:
    import torch

    if utterance.id.split() != [utterance.id]:
        raise UnitsError(f"{utterance.path}: a name with blanks is not allowed in a units file; rename it")
    try:
        utterance.id.encode()
    except UnicodeEncodeError:
        raise UnitsError(
            f"{utterance.path}: a name that is not valid text is not allowed in a units file; rename it"
        ) from None
    model = _load_coder(path, nj)
    # In blocks, so that an utterance of hours fits into memory.
    blocks = audio.read_audible_blocks(utterance.path, utterance.start, utterance.end)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        if features is None:
            return model.encode_blocks(blocks)
        check_file_name(utterance.id, "utterance")
        latents = model.encode_latents(loudness.normalise(blocks).samples).T.float()
    write_features(features, utterance.id, latents.numpy())
    return model.quantizer.nearest(latents).numpy().copy()  # as `Coder.encode_normalised`
