"""The tables on a units file: what its codes tell of the phones and of the speakers, and how they are used."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vqspeech.data.datadir import DataDir
from vqspeech.data.units import Units, find_runs, require_common_utterances
from vqspeech.errors import UnitsError
from vqspeech.jobs import Skipped, run_jobs
from vqspeech.metrics.aligned import Aligned, Collection, Labels, collect_labels, read_labels
from vqspeech.metrics.measures import abx, boundary, codebook, leak, phone, phone_ngrams
from vqspeech.metrics.measures.abx import Compared
from vqspeech.metrics.measures.bootstrap import (
    Estimate,
    Group,
    Redraw,
    estimate_statistic,
    has_enough_speakers,
    redraw_speakers,
)
from vqspeech.storage import sort_by_place

WITH, WITHOUT = "with silence", "speech only"
"""The columns of the phone table."""
CODES, PHONES, BOUNDARIES, SPEAKERS, ABX = "", "phones", "boundaries", "speakers", "ABX"
"""The tables."""
HELD_OUT, LIKELIEST = "accuracy, map held out", "most likely phone"
_ORDERS = {"bigrams": 2, "trigrams": 3}


@dataclass
class Table:
    """One table: its rows, and notes on how it was made."""

    rows: list[dict]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Observed:
    """What is read of one utterance; no other utterance matters, so it can be read in shards.

    Attributes:
        name: The id of the utterance.
        labels: What its alignment says; None where it has none.
        cepstra: MFCC of its recording, see `leak.compute_cepstra`; None where they are not needed or cannot be read.
    """

    name: str
    labels: Labels | None
    cepstra: np.ndarray | None

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold, and of what `from_json` makes exactly the same."""
        return {
            "name": self.name,
            "labels": self.labels and self.labels.as_json(),
            "cepstra": None if self.cepstra is None else self.cepstra.tolist(),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Observed":
        """Return what `as_json` was called of."""
        labels, cepstra = found["labels"], found["cepstra"]
        return cls(
            found["name"], labels and Labels.from_json(labels), None if cepstra is None else np.array(cepstra, float)
        )


@dataclass
class UnitScores:
    """The tables by name, without those that nothing can be said in; the utterances with phones; what was skipped."""

    tables: dict[str, Table]
    aligned: list[Aligned]
    skipped: Skipped


def score_units(
    units: Units,
    data: DataDir,
    seed: int = 0,
    nj: int = 1,
    compared: Compared | None = None,
    with_abx: bool = False,
    observed: Sequence[Observed] | None = None,
) -> UnitScores:
    """Measure everything that is measured of units whose utterances are in `data`.

    Utterances without alignment count for the codes and the speakers only, those not in `data` for the codes only; both
    are noted.

    Args:
        units: The codes.
        data: The utterances.
        seed: Of all that is drawn.
        nj: Processes.
        compared: What ABX compares; None: codes are equal or not.
        with_abx: Whether ABX is measured.
        observed: What `observe_utterances` returned for the utterances, in any order; None: it is called.

    Raises:
        UnitsError: The codes of all utterances fit another frame rate, or those that were `observed` are others.
    """
    require_common_utterances(units, data)
    if observed is None:
        observed = observe_utterances(units, data, Skipped(), nj)
    by_name = {one.name: one for one in observed}
    names = [name for name in units.codes if name in data]
    if by_name.keys() != set(names):
        raise UnitsError("the utterances of units or data are not those that were read in shards; make these again")
    found = collect_labels(units, data, [labels for name in names if (labels := by_name[name].labels)])
    speakers = redraw_speakers([data[name].speaker if name in data else None for name in units.codes])
    notes = [speakers.words, *_left_out(units, data, found)]
    tables = {CODES: Table(make_code_rows(units, speakers.groups), notes)}
    if any((one.phones >= 0).any() for one in found.utterances):
        redrawn = redraw_speakers([one.speaker for one in found.utterances])
        tables[PHONES] = _phone_table(found.utterances, units, seed, redrawn)
        tables[BOUNDARIES] = _boundary_table(found.utterances, redrawn)
    cepstra = {name: one.cepstra for name, one in by_name.items() if one.cepstra is not None}
    by_voice = _speaker_table(units, data, seed, cepstra, tables.get(PHONES))
    if by_voice.rows:
        tables[SPEAKERS] = by_voice
    else:
        tables[CODES].notes += by_voice.notes
    if with_abx and PHONES in tables:
        tables[ABX] = _abx_table(found.utterances, units, compared, seed, nj)
    return UnitScores(tables, found.utterances, found.skipped)


def observe_utterances(
    units: Units, data: DataDir, skipped: Skipped, nj: int = 1, names: Container[str] | None = None
) -> list[Observed]:
    """Return what is read of each utterance of `units` that is in `data`; arguments are those of `read_labels`."""
    there = [name for name in units.codes if name in data and (names is None or name in names)]
    labels = {one.name: one for one in read_labels(units, data, skipped, nj, set(there))}
    wanted = set(_list_comparable(units, data))
    heard = sort_by_place([data[name] for name in there if name in wanted], lambda one: one.path)
    found = run_jobs(leak.compute_cepstra, heard, nj, "MFCC")
    cepstra = {one.id: features for one, features, error in found if error is None}
    return [Observed(name, labels.get(name), cepstra.get(name)) for name in there]


def _list_comparable(units: Units, data: DataDir) -> list[str]:
    """Return the utterances whose speaker has another one, see `leak.has_speaker_pair`."""
    names = [name for name in units.codes if name in data]
    enough = leak.has_speaker_pair([data[name].speaker for name in names])
    return [name for name, keep in zip(names, enough, strict=True) if keep]


def make_code_rows(units: Units, groups: Sequence[Group] | None = None) -> list[dict]:
    """Return the rows on how the codes are used; intervals redraw `groups` of utterances."""
    from scipy.sparse import csr_array

    def table(codes: Sequence[np.ndarray]) -> csr_array:
        """Return how often each utterance has each code, `(utterances, size)`."""
        lengths = [len(one) for one in codes]
        places = (np.repeat(np.arange(len(codes)), lengths), np.concatenate(codes))
        return csr_array((np.ones(sum(lengths)), places), shape=(len(codes), units.size))

    all_codes = list(units.codes.values())
    n, nothing = len(all_codes), float("nan")
    lengths = np.array([len(one) for one in all_codes], dtype=float)
    frames, run_starts = table(all_codes), table([one[find_runs(one)] for one in all_codes])

    def run_rate(weights: np.ndarray) -> float:
        return units.rate * float((weights @ run_starts).sum() / (weights @ lengths))

    def plain(value: float) -> Estimate:
        return Estimate(float(value), nothing, nothing, n)

    values = {
        "codes": plain(units.size),
        "codes used": plain(codebook.count_used(frames.sum(axis=0))),
        "perplexity": estimate_statistic(lambda w: codebook.perplexity(w @ frames), n, groups=groups),
        "rate (Hz)": plain(units.rate),
        "bit rate (bit/s)": plain(codebook.bit_rate(units.rate, units.size)),
        "bit rate at the codes' entropy (bit/s)": estimate_statistic(
            lambda w: codebook.entropy_rate(units.rate, w @ frames), n
        ),
        "rate of runs (Hz)": estimate_statistic(run_rate, n, groups=groups),
        "bit rate at the runs' entropy (bit/s)": estimate_statistic(
            lambda w: codebook.entropy_rate(run_rate(w), w @ run_starts), n, groups=groups
        ),
    }
    return [{"row": name, "value": value} for name, value in values.items()]


def _left_out(units: Units, data: DataDir, found: Collection) -> list[str]:
    known = [name for name in units.codes if name in data]
    without = sum(not data[name].alignment for name in known)
    notes = []
    if len(known) < len(units.codes):
        notes.append(f"{len(units.codes) - len(known)} utterances of the units file are not in the data directory")
    if without:
        notes.append(f"{without} utterances have no alignment")
    if found.skipped.reasons:
        some = ", ".join(list(found.skipped.reasons)[:8])
        notes.append(
            f"{len(found.skipped.reasons)} utterances skipped, as codes and alignment do not go together: {some}"
        )
    if found.unknown:
        some = ", ".join(f"{label!r} ({count})" for label, count in found.unknown.most_common(8))
        notes.append(f"{sum(found.unknown.values())} intervals have labels of no known phone set: {some}")
    return notes


def _phone_table(utterances: list[Aligned], units: Units, seed: int, redrawn: Redraw) -> Table:
    groups = redrawn.groups
    codes, phones, size = [one.codes for one in utterances], [one.phones for one in utterances], units.size
    mixed = phone.shuffle_codes(codes, seed)
    measures: dict[str, Callable[[phone.Frames], Estimate]] = {
        LIKELIEST: lambda p: phone.likeliest_phone_accuracy(p, groups),
        "shuffled codes, map held out": lambda p: phone.held_out_accuracy(mixed, p, size, seed, groups),
        HELD_OUT: lambda p: phone.held_out_accuracy(codes, p, size, seed, groups),
        **{
            f"accuracy of {name}, map held out": lambda p, order=order: phone_ngrams.held_out_accuracy(
                codes, p, size, order, seed, groups
            )
            for name, order in _ORDERS.items()
        },
        "accuracy, the paper's way": lambda p: phone.mapping_accuracy(codes, p, size, groups),
        **{
            f"accuracy of {name}, the paper's way": lambda p, order=order: phone_ngrams.mapping_accuracy(
                codes, p, size, order, groups
            )
            for name, order in _ORDERS.items()
        },
        "PNMI": lambda p: phone.pnmi(codes, p, size, groups),
        "PNMI, shuffled codes": lambda p: phone.pnmi(mixed, p, size, groups),
        "phone purity": lambda p: phone.phone_purity(codes, p, size, groups),
        "cluster purity": lambda p: phone.cluster_purity(codes, p, size, groups),
    }
    speech = phone.mask_silence(phones)
    rows = [{"row": name, WITH: measure(phones), WITHOUT: measure(speech)} for name, measure in measures.items()]
    note = (
        f"{len(utterances)} of {len(units.codes)} utterances aligned, {sum(map(len, codes))} codes; map held out: "
        "fitted on one half of the utterances, scored on the other; the paper's way: fitted to what it is scored on, "
        "which n-grams turn into memory; shuffled within utterances"
    )
    return Table(rows, [note, redrawn.words])


def _boundary_table(utterances: list[Aligned], redrawn: Redraw) -> Table:
    found = [boundary.find_boundaries(one) for one in utterances]
    true = [one.phones for one in found]
    rows = [
        {"row": "changes of code", **boundary.score_boundaries(true, [one.found for one in found], redrawn.groups)},
        {
            "row": "as many, evenly spread",
            **boundary.score_boundaries(true, [one.even for one in found], redrawn.groups),
        },
    ]
    note = (
        f"{sum(map(len, true))} boundaries between phones, found within {1000 * boundary.TOLERANCE:g} ms, one to one; "
        "over-segmentation: found / true - 1; R-value: Räsänen et al. 2009"
    )
    return Table(rows, [note, redrawn.words])


def _speaker_table(
    units: Units, data: DataDir, seed: int, cepstra: Mapping[str, np.ndarray], phones: Table | None
) -> Table:
    chosen = _list_comparable(units, data)
    if not chosen:
        return Table([], ["speakers: none of two or more has two or more utterances, so nothing is said of them"])
    who = [data[name].speaker for name in chosen]
    enough_speakers = has_enough_speakers(who)
    shares = [leak.code_shares(units.codes[name], units.rate, units.size, units.stages) for name in chosen]
    told = {row["row"]: row[WITHOUT] for row in phones.rows} if phones else {}
    rows = [{"row": "codes", "speaker": leak.accuracy(shares, who, seed, enough_speakers), "phone": told.get(HELD_OUT)}]
    heard = [(cepstra[name], data[name].speaker) for name in chosen if name in cepstra]
    again = leak.has_speaker_pair([speaker for _, speaker in heard])
    if again.any():
        features, of = zip(*(one for one, keep in zip(heard, again, strict=True) if keep), strict=True)
        rows.append(
            {"row": "MFCC", "speaker": leak.accuracy(features, of, seed, has_enough_speakers(of)), "phone": None}
        )
    rows.append({"row": "chance", "speaker": leak.chance(shares, who, enough_speakers), "phone": told.get(LIKELIEST)})
    notes = [
        (
            f"speaker: share of {sum(map(len, shares))} pieces of {leak.SECONDS:g} s or more whose speaker, of "
            f"{len(set(who))}, a logistic regression tells that was fitted to the other half of the utterances; from √ "
            "of the share of each code, or mean and deviation of 13 MFCC; low is good"
        ),
        f"phone: accuracy on speech, map held out; high is good; {redraw_speakers(who).words}",
    ]
    alone = sum(name in data for name in units.codes) - len(chosen)
    if alone:
        notes.append(f"{alone} utterances are the only one of their speaker")
    if len(heard) < len(chosen):
        notes.append(f"MFCC: without {len(chosen) - len(heard)} utterances, whose recordings cannot be read")
    return Table(rows, notes)


def _abx_table(utterances: list[Aligned], units: Units, compared: Compared | None, seed: int, nj: int) -> Table:
    codes, table = compared or abx.compare_codes(units)
    utterances = [replace(one, codes=codes[one.name]) for one in utterances]
    rows, counts = [], []
    names = {one.speaker for one in utterances}
    enough = has_enough_speakers(names)
    for name, tokens in (
        ("triphones", abx.find_triphones(utterances)),
        ("phones in any context", abx.find_phones(utterances)),
    ):
        row: dict = {"row": name}
        for column, across in (("within speakers", False), ("across speakers", True)):
            row[column] = abx.estimate_error(
                tokens, table, across, seed, nj, f"ABX, {name}, {column}", by_speaker=enough
            )
        rows.append(row)
        counts.append(f"{len(tokens.sounds)} {name}")
    kind = "equal or not" if compared is None else "angle of the code vectors"
    notes = [
        f"error, 0 is perfect, 1/2 chance; two codes: {kind}; two tokens: mean distance along the best warping path",
        (
            f"{', '.join(counts)}; at most {abx.TOKENS} tokens of a sound in a context by a speaker, X by at most "
            f"{abx.OTHERS} other speakers for each A, drawn at random; intervals: jackknife over "
            f"{'speakers' if enough else 'utterances'}, of {len(names)} speakers"
        ),
    ]
    return Table(rows, notes)
