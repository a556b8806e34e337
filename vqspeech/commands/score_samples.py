"""Measure samples of a prior beside real speech and simpler samples: words, repetitions, statistics."""

import argparse
from dataclasses import replace
from pathlib import Path

from vqspeech.commands.arguments import positive_int, scores_file
from vqspeech.commands.loading import add_model_argument, find_model, load_coder, load_model
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.units import read_units, require_same_codes
from vqspeech.errors import ConfigError, CorpusError, MissingExtra
from vqspeech.jobs import Skipped
from vqspeech.metrics import aligned, phone, report, sample_report, samples, scores
from vqspeech.metrics.intelligibility import Moonshine
from vqspeech.metrics.kneser_ney import KneserNey
from vqspeech.models.prior import LatentPrior
from vqspeech.models.vqvae import VQVAE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech score samples`."""
    add_model_argument(parser)
    parser.add_argument(
        "--samples",
        required=True,
        nargs="+",
        metavar="NAME=DIR",
        help="folders of `vqspeech sample`; 'babble' is the name of those of a model of one code",
    )
    parser.add_argument("--data", required=True, metavar="DATA", help="data directory of real recordings")
    parser.add_argument(
        "--reconstructed", required=True, metavar="DIR", help="their reconstructions: DIR/UTTERANCE.wav"
    )
    parser.add_argument("--train", required=True, metavar="UNITS", help="units of real speech to compare with")
    parser.add_argument("--dev", required=True, metavar="UNITS", help="held-out units, for the n-gram")
    parser.add_argument(
        "--judge", metavar="FILE", help="checkpoint of `vqspeech prior` over the units of --judge-model of other "
        "recordings: a language model that tells speech from babble"
    )  # fmt: skip
    parser.add_argument(
        "--judge-model", default="units", metavar="NAME|FILE", help="the model whose units those are, another one than "
        "--model (default: %(default)s)"
    )  # fmt: skip
    parser.add_argument(
        "--phones",
        nargs=2,
        metavar=("UNITS", "DATA"),
        help="units and the data directory with their phones (utt2ali), to tell the phone of each code",
    )
    parser.add_argument(
        "--out", type=scores_file, required=True, metavar="JSON", help="scores file; its other sections are kept"
    )
    parser.add_argument("--nj", type=positive_int, default=1, metavar="N", help="processes (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes the section "samples" and prints it; exit status 3 where clips were skipped."""
    folders = _folders(args.samples)
    data, recogniser, skipped = DataDir.read(args.data), Moonshine(), Skipped()
    model, train, dev = load_model(args), read_units(args.train), read_units(args.dev)
    for path, units in ((args.train, train), (args.dev, dev)):
        require_same_codes(units.description, {**model.units, "model": "the one given"}, path)
    judge = _judge(args.judge, args.judge_model, model) if args.judge else None
    notes, phone_of, words = [f"ASR: {recogniser.name}"], None, None
    try:
        words = samples.dictionary()
    except MissingExtra as error:
        notes.append(f"no dictionary: {error}")
    if args.phones:
        spoken = read_units(args.phones[0])
        require_same_codes(spoken.description, train.description, args.phones[0])
        found = aligned.collection(spoken, DataDir.read(args.phones[1]), args.nj).utterances
        phone_of = phone.phone_map([one.codes for one in found], [one.phones for one in found], train.size)
        notes.append(f"phones: the likeliest one of each code in {len(found)} aligned utterances")
    else:
        notes.append("no phones: no alignments were given (--phones)")
    again = [
        replace(clip, speaker=data[clip.id].speaker) if clip.id in data else clip for clip in _clips(args.reconstructed)
    ]
    recordings = [data[clip.id] for clip in again if clip.id in data]
    if not recordings:
        raise CorpusError(f"{args.reconstructed}: none of its clips is of an utterance of {args.data}; check the two")
    table = [
        sample_report.heard(sample_report.RECORDINGS, recordings, model, recogniser, skipped, judge),
        sample_report.heard(sample_report.RESYNTHESISED, again, model, recogniser, skipped, judge),
    ]
    for name, folder in folders.items():
        table.append(sample_report.heard(name, _clips(folder), model, recogniser, skipped, judge))
        units = read_units(folder / "units.txt")
        if units.sha256 == train.sha256:
            table.append(sample_report.drawn(name, units))
    speech = sample_report.Speech(KneserNey.of(dev, 3), list(train.codes.values()), phone_of, words, judge)
    rows, measured = sample_report.rows([clips for clips in table if clips.codes], speech)
    details = [{"row": clips.name, "heard": " ".join(words)} for clips in table if clips.words for words in clips.words]
    scores.add_rows(
        args.out,
        "samples",
        rows,
        notes=[*notes, *measured],
        details=details,
        packages=("moonshine-voice", "pocketsphinx"),
    )
    print(report.table(scores.read(args.out)["sections"]["samples"]["rows"]), *notes, *measured, sep="\n")
    return skipped.status(len(details))


def _judge(prior: str, coder: str, model: VQVAE) -> sample_report.Judge:
    """The judge. Raises `UnitsError` where the prior is over other units than the coder's, `ConfigError` where these
    are those of the model that made the samples."""
    judge = sample_report.Judge(load_coder(find_model(coder)), LatentPrior.from_pretrained(prior))
    require_same_codes(judge.prior.units, {**judge.coder.units, "model": coder}, prior)
    if judge.coder.fingerprint() == model.fingerprint():
        raise ConfigError(f"--judge-model {coder}: has the codes that are to be judged; name another model")
    return judge


def _folders(given: list[str]) -> dict[str, Path]:
    found = {}
    for one in given:
        name, equals, folder = one.partition("=")
        if not (name and equals and folder) or name in found:
            raise ConfigError(f"--samples {one}: not NAME=DIR, or a name that was given before")
        found[name] = Path(folder)
    return found


def _clips(folder: str | Path) -> list[Utterance]:
    """The sounds of a folder. Raises `CorpusError` where there are none."""
    found = [Utterance(path.stem, "", str(path)) for path in sorted(Path(folder).glob("*.wav")) if path.name[0] != "."]
    if not found:
        raise CorpusError(f"{folder}: no sounds (*.wav); make some: vqspeech sample, vqspeech reconstruct")
    return found
