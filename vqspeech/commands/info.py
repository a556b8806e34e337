"""Print the properties of a model or configuration: parameters, receptive field, rates."""

import argparse

from torch import nn

from vqspeech import audio
from vqspeech.commands.arguments import add_json_argument, number
from vqspeech.commands.loading import add_model_argument, find_model, load_coder
from vqspeech.commands.outputs import print_json
from vqspeech.conf import list_experiments, load_config
from vqspeech.errors import ConfigError
from vqspeech.metrics.measures.codebook import bit_rate
from vqspeech.models.coder import Coder
from vqspeech.models.live.model import Live
from vqspeech.models.vqvae import VQVAE

EXAMPLE = "vqspeech info --conf vctk quantizer=ema decoder.layers=20"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech info`."""
    add_json_argument(parser)
    add_model_argument(parser)
    parser.add_argument(
        "--conf", metavar="NAME", help=f"describe a configuration instead: {', '.join(list_experiments())}"
    )
    parser.add_argument("--speakers", **number(109, "number of voices with --conf"))
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="settings of the configuration, such as decoder.layers=20"
    )


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    if args.conf:
        options = load_config(args.conf, args.overrides)
        model = VQVAE(options, [str(i) for i in range(args.speakers)]) if "decoder" in options else Coder(options)
    elif args.overrides:
        raise ConfigError(f"{args.overrides[0]}: only a configuration has settings to change; name one with --conf")
    else:
        model = load_coder(find_model(args.model))
    figures = describe_model(model)
    if args.json:
        print_json({name.strip(): value for name, value in figures.items()})
        return 0
    for name, value in figures.items():
        print(f"{name:<26}{value}")
    return 0


def describe_model(model: Coder) -> dict[str, str]:
    """Return the properties of a model as text, by name."""

    def count(module: nn.Module) -> str:
        return f"{sum(parameter.numel() for parameter in module.parameters()):,}"

    def format_samples(samples: int) -> str:
        return f"{samples:,} samples, {1000 * samples / audio.RATE:.1f} ms"

    if isinstance(model, Live):
        parts = {"encoder": model.encoder, "pitch tracker": model.tracker, "decoder": model.decoder}
        return {
            "decoder": "source_filter, causal",
            "speakers": str(len(model.speakers)),
            "parameters": count(model),
            **{f"  {name}": count(part) for name, part in parts.items()},
            "latency": format_samples(model.latency),
        }
    codes, latents = model.quantizer.size, model.config["encoder"]["latents"]
    decoder = model.decoder if isinstance(model, VQVAE) else None
    return {
        "front end": model.frontend.name,
        "quantizer": f"{model.config['quantizer']['name']}, {codes} codes of {latents} dimensions",
        "decoder": model.config["decoder"]["name"] if decoder else "none",
        "speakers": str(len(model.speakers)),
        "parameters": count(model),
        "  encoder": count(model.encoder),
        **({"  decoder": count(decoder)} if decoder else {}),
        "downsampling": f"{model.hop}x",
        "rate": f"{model.rate:g} codes/s",
        "bit rate": f"{bit_rate(model.rate, codes):,.0f} bit/s",
        "receptive field, encoder": format_samples(model.encoder_field),
        **({"receptive field, decoder": format_samples(decoder.receptive_field)} if decoder else {}),
    }
