"""Print what a model or configuration is: parameters, receptive field, rates."""

import argparse

from vqspeech import audio
from vqspeech.commands.models import add_model_argument, model_of
from vqspeech.conf import config, experiments
from vqspeech.errors import ConfigError
from vqspeech.metrics.codebook import bit_rate
from vqspeech.models.vqvae import VQVAE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `vqspeech info`."""
    add_model_argument(parser)
    parser.add_argument("--conf", metavar="NAME", help=f"a configuration instead: {', '.join(experiments())}")
    parser.add_argument(
        "--speakers", type=int, default=109, metavar="N", help="voices with --conf (default: %(default)s)"
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="overrides of the configuration")


def run(args: argparse.Namespace) -> int:
    """Prints a table."""
    if args.conf:
        model = VQVAE(config(args.conf, args.overrides), [str(i) for i in range(args.speakers)])
    elif args.overrides:
        raise ConfigError(f"{args.overrides[0]}: only a configuration can be overridden; name one with --conf")
    else:
        model = model_of(args)
    for name, value in described(model).items():
        print(f"{name:<26}{value}")
    return 0


def described(model: VQVAE) -> dict[str, str]:
    """What a model is, by name, in words."""

    def parameters(module) -> str:
        return f"{sum(parameter.numel() for parameter in module.parameters()):,}"

    def field(samples: int) -> str:
        return f"{samples:,} samples, {1000 * samples / audio.RATE:.1f} ms"

    codes, latents = model.quantizer.size, model.config["encoder"]["latents"]
    return {
        "front end": model.frontend.name,
        "quantizer": f"{model.config['quantizer']['name']}, {codes} codes of {latents} dimensions",
        "decoder": model.config["decoder"]["name"],
        "speakers": str(len(model.speakers)),
        "parameters": parameters(model),
        "  encoder": parameters(model.encoder),
        "  decoder": parameters(model.decoder),
        "downsampling": f"{model.hop}x",
        "rate": f"{model.rate:g} codes/s",
        "bit rate": f"{bit_rate(model.rate, codes):,.0f} bit/s",
        "receptive field, encoder": field(model.encoder_field),
        "receptive field, decoder": field(model.decoder.receptive_field),
    }
