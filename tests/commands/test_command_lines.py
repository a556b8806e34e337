"""Command lines in help texts and in the README of version 0.1 are those that the verbs take."""

import argparse
import re
import shlex
import warnings
from collections.abc import Iterator

import pytest

from vqspeech.cli import PARTS, VERBS, make_parser
from vqspeech.deprecation import rename_arguments

README = """
vqspeech convert --src a.wav --like b.wav --out c.wav
vqspeech convert --src a.wav --speaker p225
vqspeech convert --src talks/ --speaker p225 --out out/
vqspeech convert --src - --speaker p225
vqspeech models
vqspeech speakers
vqspeech voice make --src my_recordings/ --name me
vqspeech convert --src a.wav --speaker me --pitch -2 --formant .95
vqspeech convert --src a.wav --speaker me --keep-pitch --loudness -23 --rate 48000 --preserve-pauses
vqspeech convert --src a.wav --speaker me --exact --engine graph
vqspeech encode --model units --src a.wav --out units.txt
vqspeech encode --src a.wav --out units.txt --features DIR
vqspeech export --model egs/librispeech/exp/librispeech_world --out mine.safetensors
vqspeech live --model live.safetensors --like b.wav
vqspeech convert --model live.safetensors --like b.wav --src - --out - --raw 16000
vqspeech export --model live.safetensors --onnx graphs/
vqspeech prepare timit --corpus DIR --out data/train --subset train
vqspeech prepare folder --corpus DIR --out data/all
vqspeech align data/all --out data/all --from DIR
vqspeech info --conf vctk quantizer=ema decoder.layers=20
vqspeech score conversion --asr my_asr:Whisper --data data/dev --converted DIR --targets-data data/dev --out a.json
vqspeech train --conf vctk --train dump/train --dev dump/dev --out exp/vctk --restart training.steps=500
"""
"""Every command line of the README of version 0.1; where it has an option alone, with what the verb requires."""
NAMED = (
    "prepare split subset combine validate align dump train reconstruct convert encode score prior sample draw results "
    "info speakers adapt sweep study export models voice voices live vision"
)
"""The verbs that it names."""


def parse(line: str) -> argparse.Namespace:
    program, *argv = shlex.split(line)
    assert program == "vqspeech"
    argv = rename_arguments(argv)
    return make_parser(argv).parse_args(argv[1:] if argv[0] in PARTS else argv)


def subparsers(parser: argparse.ArgumentParser) -> argparse._SubParsersAction | None:
    return next((one for one in parser._actions if isinstance(one, argparse._SubParsersAction)), None)


def commands(argv: list[str]) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield a verb, or each of its kinds, with its parser."""
    verbs = subparsers(make_parser(argv))
    assert verbs is not None
    command = verbs.choices[argv[-1]]
    kinds = subparsers(command)
    if kinds is not None and kinds.dest == "kind":
        for name, kind in kinds.choices.items():
            yield " ".join([*argv, name]), kind
    else:
        yield " ".join(argv), command


@pytest.mark.parametrize(
    "verb",
    [*(verb for verb in VERBS if verb not in PARTS), *(f"{part} {one}" for part in PARTS for one in PARTS[part][2])],
)
def test_every_verb_has_an_example_whose_options_it_takes(verb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, command in commands(verb.split()):
        assert command.description, name
        found = re.search(r"[Ee]xample:\s+(vqspeech [^\n]+)", command.epilog or "")
        assert found, f"{name} has no example"
        assert f"{found[1]} ".startswith(f"vqspeech {name} ")
        assert parse(found[1]).run


@pytest.mark.parametrize("line", README.strip().splitlines())
def test_command_lines_of_version_0_1_are_still_taken(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        assert parse(line).run


def test_verbs_of_version_0_1_are_still_there():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        assert {rename_arguments([verb])[0] for verb in NAMED.split()} <= set(VERBS)
