"""The score of samples of a prior."""

import argparse
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from vqspeech.commands.loading import add_model_argument, find_model, load_coder, load_model
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.units import read_units, require_same_codes
from vqspeech.errors import ConfigError, CorpusError, MissingExtra
from vqspeech.jobs import Skipped
from vqspeech.metrics import aligned
from vqspeech.metrics.evaluations import samples as evaluation
from vqspeech.metrics.judges import Moonshine
from vqspeech.metrics.measures import phone
from vqspeech.metrics.measures import samples as measures
from vqspeech.metrics.measures.kneser_ney import KneserNey
from vqspeech.models.prior import LatentPrior
from vqspeech.models.vqvae import VQVAE


def measure(args: argparse.Namespace) -> Generator[Table, None, int]:
    """Measure samples and real speech alike; the exit status is 3 where clips were skipped."""
    folders = _folders(args.samples)
    data, recogniser, skipped = DataDir.read(args.data), Moonshine(), Skipped()
    model, train, dev = load_model(args), read_units(args.train), read_units(args.dev)
    for path, units in ((args.train, train), (args.dev, dev)):
        require_same_codes(units.description, {**model.units, "model": "the one given"}, path)
    judge = _judge(args.judge, args.judge_model, model) if args.judge else None
    notes, phone_of, words = [f"ASR: {recogniser.name}"], None, None
    try:
        words = measures.read_dictionary()
    except MissingExtra as error:
        notes.append(f"no dictionary: {error}")
    if args.phones:
        spoken = read_units(args.phones[0])
        require_same_codes(spoken.description, train.description, args.phones[0])
        found = aligned.collect_utterances(spoken, DataDir.read(args.phones[1]), args.nj).utterances
        phone_of = phone.map_codes([one.codes for one in found], [one.phones for one in found], train.size)
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
        evaluation.transcribe_clips(evaluation.RECORDINGS, recordings, model, recogniser, skipped, judge),
        evaluation.transcribe_clips(evaluation.RESYNTHESISED, again, model, recogniser, skipped, judge),
    ]
    for name, folder in folders.items():
        table.append(evaluation.transcribe_clips(name, _clips(folder), model, recogniser, skipped, judge))
        units = read_units(folder / "units.txt")
        if units.sha256 == train.sha256:
            table.append(evaluation.wrap_codes(name, units))
    speech = evaluation.Speech(KneserNey.of(dev, 3), list(train.codes.values()), phone_of, words, judge)
    rows, measured = evaluation.make_rows([clips for clips in table if clips.codes], speech)
    details = [{"row": clips.name, "heard": " ".join(words)} for clips in table if clips.words for words in clips.words]
    yield Table(rows, [*notes, *measured], details=details, packages=("moonshine-voice", "pocketsphinx"))
    return skipped.status(len(details))


def _judge(prior: str, coder: str, model: VQVAE) -> evaluation.Judge:
    """Return the judge.

    Raises:
        UnitsError: The prior is over other units than the coder's.
        ConfigError: These are those of the model that made the samples.
    """
    judge = evaluation.Judge(load_coder(find_model(coder)), LatentPrior.from_pretrained(prior))
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
    """Return the sounds of a folder.

    Raises:
        CorpusError: There are none.
    """
    found = [Utterance(path.stem, "", str(path)) for path in sorted(Path(folder).glob("*.wav")) if path.name[0] != "."]
    if not found:
        raise CorpusError(f"{folder}: no sounds (*.wav); make some: vqspeech sample, vqspeech reconstruct")
    return found


SCORE = Score(
    "samples",
    "Measure samples of a prior beside real speech and simpler samples: words, repetitions, statistics.",
    measure,
    arguments=[
        add_model_argument,
        argument(
            "--samples",
            required=True,
            nargs="+",
            metavar="NAME=DIR",
            help="folders of `vqspeech sample`; 'babble' is the name of those of a model of one code",
        ),
        argument("--data", required=True, metavar="DATA", help="data directory of real recordings"),
        argument("--reconstructed", required=True, metavar="DIR", help="their reconstructions: DIR/UTTERANCE.wav"),
        argument("--train", required=True, metavar="UNITS", help="units of real speech to compare with"),
        argument("--dev", required=True, metavar="UNITS", help="held-out units, for the n-gram"),
        argument(
            "--judge",
            metavar="FILE",
            help="checkpoint of `vqspeech prior` over the units of --judge-model of other recordings: a language model "
            "that tells speech from babble",
        ),
        argument(
            "--judge-model",
            default="units",
            metavar="NAME|FILE",
            help="the model whose units those are, another one than --model (default: %(default)s)",
        ),
        argument(
            "--phones",
            nargs=2,
            metavar=("UNITS", "DATA"),
            help="units and the data directory with their phones (utt2ali), to tell the phone of each code",
        ),
    ],
    columns={
        "words/s": "words a second that a recogniser hears",
        "sure words/s": "those that it hears slower and faster, too",
        "perplexity by the judge": "2 to the mean bits a unit under a language model of other units",
        "repetition": "share of code sequences that came before in the clip",
        "code pairs: divergence": "Jensen-Shannon divergence from real speech (bits)",
    },
    example="vqspeech score samples --samples prior=exp/samples --data data/test --reconstructed exp/reconstructed "
    "--train exp/units/train.txt --dev exp/units/dev.txt --out exp/scores.json",
    nj=True,
)
