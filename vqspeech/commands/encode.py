"""Encode speech into a units file: a line an utterance, `id c1 c2 c3 …`."""

import argparse
import sys
import time
from functools import lru_cache, partial

import numpy as np

from vqspeech import audio
from vqspeech.commands.models import add_model_argument, model_path
from vqspeech.commands.sources import add_source_arguments, sources
from vqspeech.data.datadir import Utterance
from vqspeech.data.units import read_units, write_runs, write_units
from vqspeech.errors import UnitsError
from vqspeech.jobs import Skipped, outcomes
from vqspeech.models.coder import Coder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech encode`."""
    add_model_argument(parser)
    add_source_arguments(parser)
    parser.add_argument("--out", required=True, metavar="UNITS", help="units file; what it means goes to UNITS.json")
    parser.add_argument(
        "--runs", metavar="FILE", help="write there too the codes with runs of one code as one, for language models"
    )
    parser.add_argument("--nj", type=int, default=1, metavar="N", help="processes (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes the units; exit status 3 where recordings were skipped."""
    path, skipped, units = model_path(args.model), Skipped(), {}
    model = _model(str(path), args.nj)
    started = time.perf_counter()
    for utterance, codes, error in outcomes(partial(_codes, str(path), args.nj), sources(args), args.nj, "encode"):
        if error is None:
            units[utterance.id] = codes
        else:
            skipped.add(utterance.id, error)
    if units:
        seconds = sum(map(len, units.values())) / model.rate
        speed = seconds / (time.perf_counter() - started)
        write_units(args.out, units, model.rate, model.quantizer.size, str(path), model.fingerprint())
        if args.runs:
            write_runs(args.runs, read_units(args.out))
        print(f"{args.out}: {len(units)} utterances, {seconds:.0f} s, {speed:,.0f}x real time", file=sys.stderr)
    return skipped.status(len(units))


@lru_cache(1)
def _model(path: str, nj: int) -> Coder:
    import torch

    if nj > 1:
        torch.set_num_threads(1)
    return Coder.from_pretrained(path)


def _codes(path: str, nj: int, utterance: Utterance) -> np.ndarray:
    if len(utterance.id.split()) > 1:
        raise UnitsError(f"{utterance.path}: a name with blanks cannot stand in a units file; rename it")
    # In blocks, not as one waveform: an utterance of hours fits.
    return _model(path, nj).encode_blocks(audio.sounding(utterance.path, utterance.start, utterance.end))
