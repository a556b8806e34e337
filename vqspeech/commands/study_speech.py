"""Spectral envelopes of speech at several bit rates: every method, with and without replacement of dead codes."""

import argparse
from pathlib import Path

from vqspeech.commands.arguments import output_folder, positive_int
from vqspeech.data.dump import shards
from vqspeech.devices import device
from vqspeech.metrics import pictures, report, scores
from vqspeech.metrics.quality import PACKAGES, require_judges
from vqspeech.studies import findings, rate_pictures, speech_pictures
from vqspeech.studies.quantised_speech import speech
from vqspeech.studies.rates import POLICY, called
from vqspeech.studies.speech import LOST, SpeechStudy

RATES = ("8", "9", "10", "11", "12", "8+8", "10+10")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech study speech`."""
    parser.add_argument("--train", required=True, metavar="SHARDS", help="dump with WORLD frames to learn from")
    parser.add_argument("--test", required=True, metavar="SHARDS", help="dump with WORLD frames of other utterances")
    parser.add_argument(
        "--out", type=output_folder, required=True, metavar="DIR", help="folder of runs, scores.json and pictures/"
    )
    parser.add_argument(
        "--bits",
        nargs="+",
        type=parse_rate,
        default=[parse_rate(one) for one in RATES],
        metavar="BITS",
        help=f"rates, in the order of work; 8+8: two stages of 8 bits (default: {' '.join(RATES)})",
    )
    parser.add_argument("--seeds", type=positive_int, default=5, metavar="N", help="seeds (default: %(default)s)")
    parser.add_argument("--steps", type=positive_int, default=500, metavar="N", help="steps (default: %(default)s)")
    parser.add_argument("--batch", type=positive_int, default=1024, metavar="N", help="vectors (default: %(default)s)")
    parser.add_argument(
        "--vectors", type=positive_int, default=100_000, metavar="N", help="to learn from (default: %(default)s)"
    )
    parser.add_argument(
        "--recordings",
        type=positive_int,
        default=4,
        metavar="N",
        help="to be judged by PESQ and STOI (default: %(default)s)",
    )
    parser.add_argument("--device", metavar="NAME", help="where to fit (default: the accelerator, else cpu)")


def run(args: argparse.Namespace) -> int:
    """Makes the runs that are missing, writes tables and pictures, and prints the tables.

    Raises `MissingExtra` without the extra `study`, `ShardError` for dumps without WORLD frames.
    """
    require_judges()
    out, rates = Path(args.out), list(dict.fromkeys(args.bits))
    train, test = shards(args.train), shards(args.test)
    heard = speech(train, test, args.vectors, args.recordings, device(args.device))
    study = SpeechStudy(out, heard, rates, args.seeds, args.steps, args.batch)
    study.run()

    def add(section: str, rows: list, *notes: str) -> None:
        scores.add_rows(out / "scores.json", section, rows, notes=notes, seed=0, packages=["scipy", *PACKAGES])

    seconds = sum(len(one.copy) for one in heard.recordings) / 16_000
    add(
        "speech",
        study.unquantised(),
        f"spectral envelopes by WORLD, {heard.vectors.shape[1]} mel-cepstral coefficients; the level (c0), F0 and "
        "aperiodicity stay as they are; frames 40 dB below the loudest of their recording are left out",
        f"{len(heard.vectors)} training vectors, {len(set(train.speakers))} speakers; distortion on "
        f"{len(heard.held_out)} frames of {len(set(test.speakers))} speakers, {_apart(train.speakers, test.speakers)}: "
        "root mean square over 0 to 8 kHz, mean over frames",
        f"PESQ (wide band) and STOI: mean of {len(heard.recordings)} held-out recordings, {seconds:.0f} s in all, "
        "resynthesised by WORLD with the quantised envelopes of all their frames, against the resynthesis with their "
        "own (WORLD copy) and against the recording (as the dump holds it, 8-bit µ-law)",
    )
    for bits in rates:
        add(
            f"speech: {called(bits)}",
            study.table(bits),
            f"all methods set out from the same normal noise; {args.steps} steps of {args.batch} vectors; mean and "
            f"95 % interval (Student) over {args.seeds} seeds; {POLICY}; dead codes and perplexity: on the training "
            "vectors",
        )
    add(
        f"speech: convergence at {called(study.middle)}",
        study.convergence(study.middle),
        "spectral distortion, seed 0; each column is a fit of its own, whose learning rate falls to its end",
    )
    add(
        "speech: findings",
        study.findings(LOST),
        *findings.NOTES,
        "dB: spectral distortion; PESQ lost: 4.64, that of no difference, less PESQ against the WORLD copy",
        "errs: is further off in dB or loses more PESQ; figures count to four places",
        "encoder and decoder are the identity, so the gradient of NSVQ's loss is that of the codebook loss of eq. 3",
    )
    pictures.save(rate_pictures.rates(study, speech_pictures.DRAWN), out / "pictures" / "speech.png")
    pictures.save(speech_pictures.resyntheses(study), out / "pictures" / "speech-spectrograms.png")
    for section in scores.read(out / "scores.json")["sections"].values():
        print(report.table(section["rows"]))
    return 0


def parse_rate(text: str) -> tuple[int, ...]:
    """The bits of each stage, as a type of argparse: "8" is (8,), "8+8" is (8, 8)."""
    try:
        bits = tuple(int(part) for part in text.split("+"))
    except ValueError:
        bits = ()
    if not bits or min(bits) < 1 or max(bits) > 16:
        raise argparse.ArgumentTypeError(f"'{text}' is no rate; give bits from 1 to 16, or those of stages: 8+8")
    return bits


def _apart(some: list[str], others: list[str]) -> str:
    return "some of them trained on" if set(some) & set(others) else "none of them trained on"
