"""The score of bits a dimension of held-out images, an upper bound by the model's lower bound of log p(x)."""

import argparse
import math
from collections.abc import Generator
from functools import partial

import torch

from vqspeech.commands.arguments import positive_int
from vqspeech.commands.scoring import Score, Table, argument
from vqspeech.devices import resolve_device
from vqspeech.errors import ConfigError
from vqspeech.metrics.measures.bootstrap import estimate_ratio
from vqspeech.models import checkpoint
from vqspeech.vision.commands.arguments import EXPERIMENT, HELD_OUT, limit_argument
from vqspeech.vision.commands.sample import describe_model_codes
from vqspeech.vision.data.batches import ImageBatches
from vqspeech.vision.data.images import read_images
from vqspeech.vision.metrics.evaluations.bounds import bits_per_dimension, log_prior, map_batches
from vqspeech.vision.metrics.evaluations.images import redraw_episodes
from vqspeech.vision.models import VIMCO, VQVAE, Autoencoder
from vqspeech.vision.models.likelihood import LogisticMixture
from vqspeech.vision.models.prior import ImagePrior, require_same_codes

BITS, LEARNED = "bits/dimension, at most", "learned"
"""The column, and the name of a learned prior in a row."""


def measure(args: argparse.Namespace) -> Generator[Table, None, None]:
    """Bound the bits a dimension of held-out images, with the uniform prior and with a learned one."""
    model = Autoencoder.from_pretrained(args.experiment, resolve_device(None))
    if args.prior and not isinstance(model, VQVAE):
        raise ConfigError(f"--prior: {name_bound(model)} needs none; it is for the codes of a VQ-VAE")
    prior = ImagePrior.from_pretrained(args.prior, str(model.device)) if args.prior else None
    if isinstance(model, VQVAE) and prior:
        require_same_codes(describe_model_codes(model), prior.codes, args.experiment)
    trained = model.samples if isinstance(model, VIMCO) else None
    if isinstance(model, VIMCO):
        model.samples = args.samples
    torch.manual_seed(args.seed)
    images = ImageBatches(read_images(args.data))
    found = bits_per_dimension(map_batches(images, args.limit, 64, model.bound), model)
    redrawn = redraw_episodes(images.images.table.select(images.even_indices(args.limit)))
    mean = partial(estimate_ratio, groups=redrawn.groups)
    rows = [{"row": name_bound(model), "step": _step(args.experiment), BITS: mean(found)}]
    notes = [f"{len(found)} images of {args.data}; {redrawn.words}", *describe_model(model)]
    if trained:
        notes.append(f"trained by the bound of {trained} samples")
    if isinstance(model, VQVAE):
        latents = math.prod(model.code_shape) * math.log2(model.codes) / model.dimensions
        pixels = found - latents
        rows[0] |= {"of it codes": latents, "of it pixels": mean(pixels)}
        if prior:
            learned = bits_per_dimension(log_prior(prior, map_batches(images, args.limit, 64, model.encode)), model)
            row = {"row": name_bound(model).replace("uniform", LEARNED), BITS: mean(pixels + learned)}
            rows.append(rows[0] | row | {"of it codes": mean(learned)})
            notes.append(f"learned prior: {args.prior}, step {_step(args.prior)}, not told the class")
    yield Table(rows, notes, seed=args.seed)


def _step(path: str) -> int:
    return checkpoint.read(checkpoint.find_best(path), "none.")[1]["step"]


def name_bound(model: Autoencoder) -> str:
    """Name the model and its bound."""
    name = model.config["model"]["name"]
    if isinstance(model, VIMCO):
        return f"{name}, bound of {model.samples} samples, uniform prior"
    if isinstance(model, VQVAE):
        return f"{name}, log p(x|z_q) p(z_q), uniform prior"
    return f"{name}, bound of one sample, Gaussian prior"


def describe_model(model: Autoencoder) -> list[str]:
    """Describe what figures are compared by: likelihood, latents, codebooks, number of parameters."""
    mixture = model.likelihood
    likelihood = "softmax over 256 levels"
    if isinstance(mixture, LogisticMixture):
        likelihood = f"mixture of {mixture.mixtures} discretised logistics"
    shape = f"{model.places[0]}x{model.places[1]}x{model.latents} latents"
    if model.codes:
        books = "one codebook" if isinstance(model, VQVAE) else "one embedding"
        shape += f" of {model.codes} codes, {books} for all"
    parameters = sum(one.numel() for one in model.parameters())
    return [
        f"likelihood: {likelihood} for each channel, independent given the latents",
        f"{shape}; {parameters:,} parameters",
    ]


SCORE = Score(
    "bits",
    "Measure bits a dimension of held-out images: an upper bound, by the model's lower bound of log p(x).",
    measure,
    arguments=[
        EXPERIMENT,
        HELD_OUT,
        limit_argument(10000),
        argument("--prior", metavar="FILE", help="checkpoint or folder of `vqspeech vision prior`, for its codes"),
        argument(
            "--samples",
            type=positive_int,
            default=50,
            metavar="N",
            help="samples of VIMCO's bound (default, the paper's: %(default)s)",
        ),
    ],
    columns={
        "bits/dimension, at most": "-log2 of the bound over the number of pixels times channels",
        "of it codes": "bits that the codes take under the prior",
        "of it pixels": "bits of the pixels given the codes",
    },
    example="vqspeech vision score bits exp/cifar10_vqvae --data data/test --out exp/cifar10_vqvae/scores.json",
    seed=True,
)
