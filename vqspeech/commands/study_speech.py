"""Compare codebooks of spectral envelopes at several bit rates: every method, dead codes replaced or not."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vqspeech.commands.arguments import add_device_argument, number
from vqspeech.commands.study import StudyTables, add_study_arguments
from vqspeech.data.dump import read_shards
from vqspeech.devices import resolve_device
from vqspeech.metrics.measures.quality import PACKAGES, require_packages
from vqspeech.metrics.reports.pictures import save_figure
from vqspeech.studies import findings, pictures
from vqspeech.studies.quantised_speech import select_speech
from vqspeech.studies.rates import POLICY, name_rate
from vqspeech.studies.speech import LOSSES, SpeechStudy

EXAMPLE = "vqspeech study speech --train dump/train --test dump/test --out exp/speech"
RATES = ("8", "9", "10", "11", "12", "8+8", "10+10")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech study speech`."""
    parser.add_argument("--train", required=True, metavar="SHARDS", help="dump with WORLD frames to learn from")
    parser.add_argument("--test", required=True, metavar="SHARDS", help="dump with WORLD frames of other utterances")
    parser.add_argument(
        "--bits",
        nargs="+",
        type=parse_rate,
        default=[parse_rate(one) for one in RATES],
        metavar="BITS",
        help=f"rates, in the order of work; 8+8: two stages of 8 bits (default: {' '.join(RATES)})",
    )
    add_study_arguments(parser, steps=500, batch=1024, items="vectors")
    parser.add_argument("--vectors", **number(100_000, "training vectors"))
    parser.add_argument("--recordings", **number(4, "recordings judged by PESQ and STOI"))
    add_device_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Make the missing runs, write tables and pictures, and print the tables.

    Raises:
        MissingExtra: The extra `study` is not installed.
        ShardError: A dump has no WORLD frames.
    """
    require_packages()
    out, rates = Path(args.out), list(dict.fromkeys(args.bits))
    train, test = read_shards(args.train), read_shards(args.test)
    speech = select_speech(train, test, args.vectors, args.recordings, resolve_device(args.device))
    study = SpeechStudy(out, speech, rates, args.seeds, args.steps, args.batch)
    study.run()
    tables = StudyTables(out, "scipy", *PACKAGES)
    overlap = _describe_overlap(train.speakers, test.speakers)
    seconds = sum(len(one.copy) for one in speech.recordings) / 16_000
    tables.add(
        "speech",
        study.tabulate_unquantised(),
        f"spectral envelopes by WORLD, {speech.vectors.shape[1]} mel-cepstral coefficients; the level (c0), F0 and "
        "aperiodicity stay as they are; frames 40 dB below the loudest of their recording are left out",
        f"{len(speech.vectors)} training vectors, {len(set(train.speakers))} speakers; distortion on "
        f"{len(speech.held_out)} frames of {len(set(test.speakers))} speakers, {overlap}: "
        "root mean square over 0 to 8 kHz, mean over frames",
        f"PESQ (wide band) and STOI: mean of {len(speech.recordings)} held-out recordings, {seconds:.0f} s in all, "
        "resynthesised by WORLD with the quantised envelopes of all their frames, against the resynthesis with their "
        "own (WORLD copy) and against the recording (as the dump holds it, 8-bit µ-law)",
    )
    for bits in rates:
        tables.add(
            f"speech: {name_rate(bits)}",
            study.tabulate(bits),
            f"all methods start from the same normal noise; {args.steps} steps of {args.batch} vectors; mean and "
            f"95 % interval (Student) over {args.seeds} seeds; {POLICY}; dead codes and perplexity: on the training "
            "vectors",
        )
    tables.add(
        f"speech: convergence at {name_rate(study.middle_rate)}",
        study.tabulate_convergence(study.middle_rate),
        "spectral distortion, seed 0; each column is a fit of its own, whose learning rate falls to its end",
    )
    tables.add(
        "speech: findings",
        study.tabulate_findings(LOSSES),
        *findings.NOTES,
        "dB: spectral distortion; PESQ lost: 4.64, that of no difference, less PESQ against the WORLD copy",
        "errs: is further off in dB or loses more PESQ; figures count to four places",
        "encoder and decoder are the identity, so the gradient of NSVQ's loss is that of the codebook loss of eq. 3",
    )
    save_figure(pictures.draw_rates(study, pictures.SPEECH_FIGURES), out / "pictures" / "speech.png")
    save_figure(pictures.draw_resyntheses(study), out / "pictures" / "speech-spectrograms.png")
    tables.print(args.json)
    return 0


def parse_rate(text: str) -> tuple[int, ...]:
    """Parse the bits of each stage: "8" is (8,), "8+8" is (8, 8)."""
    try:
        bits = tuple(int(part) for part in text.split("+"))
    except ValueError:
        bits = ()
    if not bits or min(bits) < 1 or max(bits) > 16:
        raise argparse.ArgumentTypeError(f"'{text}' is not a rate; give bits from 1 to 16, or those of stages: 8+8")
    return bits


def _describe_overlap(some: Sequence[str], others: Sequence[str]) -> str:
    return "some of them in training" if set(some) & set(others) else "none of them in training"
