"""Convert your voice live, from microphone to headphones.

Wear headphones, so that the microphone does not pick up the converted voice.
"""

import argparse

from vqspeech import microphone
from vqspeech.commands.arguments import positive_int
from vqspeech.commands.loading import add_model_argument
from vqspeech.commands.targets import add_melody_arguments
from vqspeech.errors import SpeakerError
from vqspeech.progress import report

EXAMPLE = "vqspeech live --model live.safetensors --like b.wav"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech live`."""
    add_model_argument(parser)
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--speaker", metavar="NAME", help="target voice: of the model, or made by `vqspeech voice make`")
    given.add_argument(
        "--like", nargs="+", metavar="FILE", help="recordings of the target speaker, ten seconds or more in all"
    )
    add_melody_arguments(parser)
    parser.add_argument(
        "--input", type=_parse_device, metavar="DEVICE", help="microphone, by number or part of its name"
    )
    parser.add_argument(
        "--output", type=_parse_device, metavar="DEVICE", help="headphones, by number or part of their name"
    )
    parser.add_argument("--list-devices", action="store_true", help="list the sound devices and exit")
    parser.add_argument("--seconds", type=positive_int, metavar="N", help="stop after N seconds")


def run(args: argparse.Namespace) -> int:
    """Convert until Ctrl-C."""
    if args.list_devices:
        print(*microphone.list_devices(), sep="\n")
        return 0
    if not (args.speaker or args.like):
        raise SpeakerError("no target voice; give --like with a recording of it, or --speaker with its name")
    rate = microphone.choose_rate(args.input, args.output)  # before the model is read
    from vqspeech.stream import Converter

    voice = args.like or args.speaker
    converter = Converter(voice, args.model, rate, args.pitch, args.keep_pitch, args.formant)
    try:
        microphone.run_live(converter, args.input, args.output, args.seconds, report)
    except KeyboardInterrupt:
        return 0
    return 0


def _parse_device(text: str) -> int | str:
    return int(text) if text.isdigit() else text
