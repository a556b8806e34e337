"""The report on a units file: what its codes tell of the phones, and how they are used."""

from collections import Counter
from functools import partial
from typing import NamedTuple

import numpy as np

from vqspeech.data import alignment
from vqspeech.data.datadir import DataDir
from vqspeech.data.units import Units
from vqspeech.jobs import Skipped, outcomes
from vqspeech.metrics import codebook, phone
from vqspeech.metrics.bootstrap import Estimate

WITH, WITHOUT = "with silence", "speech only"
"""The columns of the phone table."""


class Report(NamedTuple):
    """Rows of the tables `phones` (empty where nothing is aligned) and `codes`; how many utterances were `aligned`;
    which alignments could not be read; notes on what was left out."""

    phones: list[dict]
    codes: list[dict]
    aligned: int
    skipped: Skipped
    notes: list[str]


def report(units: Units, data: DataDir, seed: int = 0, nj: int = 1) -> Report:
    """Phone measures with silence and on speech only, and measures of the codes themselves.

    Phones come from the alignments of `data`, one at the middle of each code; utterances without alignment, or not in
    `data`, count for the codes only and are noted. Alignments are read by `nj` processes.
    """
    known = [name for name in units.codes if name in data]
    items = [(name, data[name].alignment, len(units.codes[name])) for name in known if data[name].alignment]
    skipped, unknown = Skipped(), Counter[str]()
    codes, phones = [], []
    for (name, _, _), result, error in outcomes(partial(_phones, units.rate), items, nj, "alignments"):
        if error is not None:
            skipped.add(name, error)
            continue
        codes.append(units.codes[name])
        phones.append(result[0])
        unknown += result[1]
    notes = [
        f"phones: {len(codes)} of {len(units.codes)} utterances aligned, {sum(map(len, codes))} codes; "
        f"map held out: fitted on one half of the utterances, scored on the other; shuffled within utterances"
    ]
    if len(known) < len(units.codes):
        notes.append(f"{len(units.codes) - len(known)} utterances of the units file are not in the data directory")
    if len(items) < len(known):
        notes.append(f"{len(known) - len(items)} utterances have no alignment")
    if unknown:
        some = ", ".join(f"{label!r} ({count})" for label, count in unknown.most_common(8))
        notes.append(f"{sum(unknown.values())} intervals have labels of no known phone set: {some}")
    rows = _phone_rows(codes, phones, units.size, seed) if any((p >= 0).any() for p in phones) else []
    return Report(rows, _code_rows(units), len(codes), skipped, notes)


def _phones(rate: float, item: tuple[str, str, int]) -> tuple[np.ndarray, Counter[str]]:
    name, path, frames = item
    intervals = alignment.read(path, name)
    return alignment.frame_phones(intervals, frames, rate), alignment.unknown(intervals)


def _phone_rows(codes: list[np.ndarray], phones: list[np.ndarray], size: int, seed: int) -> list[dict]:
    mixed = phone.shuffled(codes, seed)
    measures = {
        "most likely phone": lambda p: phone.likeliest_phone_accuracy(p),
        "shuffled codes, map held out": lambda p: phone.held_out_accuracy(mixed, p, size, seed),
        "accuracy, map held out": lambda p: phone.held_out_accuracy(codes, p, size, seed),
        "accuracy, the paper's way": lambda p: phone.mapping_accuracy(codes, p, size),
        "PNMI": lambda p: phone.pnmi(codes, p, size),
        "PNMI, shuffled codes": lambda p: phone.pnmi(mixed, p, size),
        "phone purity": lambda p: phone.phone_purity(codes, p, size),
        "cluster purity": lambda p: phone.cluster_purity(codes, p, size),
    }
    speech = phone.speech_only(phones)
    return [{"row": name, WITH: measure(phones), WITHOUT: measure(speech)} for name, measure in measures.items()]


def _code_rows(units: Units) -> list[dict]:
    counts = np.bincount(np.concatenate(list(units.codes.values())), minlength=units.size)
    n, nothing = len(units.codes), float("nan")
    values = {
        "codes": units.size,
        "codes used": codebook.used(counts),
        "perplexity": codebook.perplexity(counts),
        "rate (Hz)": units.rate,
        "bit rate (bit/s)": codebook.bit_rate(units.rate, units.size),
        "bit rate at the codes' entropy (bit/s)": codebook.entropy_rate(units.rate, counts),
    }
    return [{"row": name, "value": Estimate(float(value), nothing, nothing, n)} for name, value in values.items()]
