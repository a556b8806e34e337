"""Units without a decoder: k-means on features of the front end, and on a discriminative projection of them.

The projection is linear discriminant analysis whose classes are clusters of the speech itself: the frames around each
moment are clustered, projected to directions in which the clusters are separated, and clustered again (Heck, Sakti and
Nakamura 2017, "Feature optimized DPGMM clustering for unsupervised subword modeling", ASRU, with k-means in place of
the DPGMM). No label is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import torch
from torch import Tensor

from vqspeech import audio
from vqspeech.data.dump import Shards
from vqspeech.data.windows import SpeechBatch
from vqspeech.errors import ConfigError
from vqspeech.metrics.measures.codebook import count_used, perplexity
from vqspeech.metrics.reports.scores import this_command
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.models.encoder import Projection
from vqspeech.models.frontend import LogMel
from vqspeech.models.quantize import Codebook, make_quantizer
from vqspeech.models.quantize.residual import ResidualKmeans
from vqspeech.progress import track
from vqspeech.schema import Codes, Count, Options, Range, check_groups
from vqspeech.training.fitting import fit_quantizer
from vqspeech.training.task import Seed

_BATCH = 1 << 14
_SHRINKAGE = 1e-3


@dataclass(frozen=True)
class ClusteringOptions:
    """Options of the group `training`; conf/training/clustering.yaml describes each."""

    seed: Seed
    rounds: Annotated[int, Range(0, 1000)]
    clusters: Codes
    windows: Count
    floor: float
    steps: Count


def check_config(config: Any) -> dict[str, Any]:
    """Return the whole configuration, checked. Raise `ConfigError` where it describes no such training."""
    if isinstance(config, Mapping) and dict(config.get("encoder") or {}).get("name") == "content":
        from vqspeech.training import masked

        return masked.check_config(config)
    groups = {**Coder.groups, "training": Options(ClusteringOptions)}
    return Coder.check_config(check_groups(config, groups, exclusive=True))


def cluster(config: Mapping[str, Any], train: Shards, dev: Shards, out: str | Path) -> dict[str, float]:
    """Fit the coder of a configuration to a dump, and write it to `out`/best.safetensors.

    Args:
        config: Configuration of the coder and its training.
        train: The dump to learn from.
        dev: The dump that the figures are measured on.
        out: Folder of the experiment.

    Returns:
        Figures of `dev`: share of the variance that the codes do not explain, perplexity, codes used.

    Raises:
        ConfigError: The configuration is of another model, or the speech is too short for its clusters.
    """
    config = check_config(config)
    options = config["training"]
    model = Coder({name: group for name, group in config.items() if name != "training"})
    if not isinstance(model.encoder, Projection) or not isinstance(model.frontend, LogMel):
        raise ConfigError(
            "without a decoder the encoder is a projection of log-mel or MFCC frames; name a decoder, too"
        )
    torch.manual_seed(options["seed"])
    windows = stack_windows(model, train, options["windows"], options["floor"])
    if len(windows) < max(options["clusters"], *model.quantizer.sizes):
        raise ConfigError(
            f"{train.path}: {len(windows)} windows of speech are too few for {options['clusters']} clusters; give more "
            "speech, or fewer training.clusters"
        )
    with torch.no_grad():
        for _ in range(options["rounds"]):
            z = project_windows(model.encoder, windows)
            book = make_quantizer("kmeans", options["clusters"], z.shape[1], decay=1.0)
            clusters = fit_quantizer(book, z, options["steps"], _BATCH, seed=options["seed"]).nearest(z)
            set_projection(model.encoder, *fit_discriminant(windows, clusters, model.encoder.latents))
        fit_quantizer(
            model.quantizer, project_windows(model.encoder, windows), options["steps"], _BATCH, seed=options["seed"]
        )
        held_out = project_windows(model.encoder, stack_windows(model, dev, options["windows"], options["floor"]))
    figures = measure_codebook(model.quantizer, held_out)
    figures["samples_seen"] = float(train.seconds * audio.RATE)
    about = {"step": options["rounds"], "figures": figures, "training": options, "command": this_command()}
    model.save_pretrained(Path(out) / f"best{checkpoint.SUFFIX}", **about)
    return figures


@torch.no_grad()
def stack_windows(model: Coder, shards: Shards, most: int, floor: float) -> Tensor:
    """Return the input of the projection for codes of a dump, float32 `(codes, channels * window)`.

    Args:
        model: The coder.
        shards: The dump.
        most: Number of codes at most, spread evenly.
        floor: Codes are left out whose first channel, the energy of MFCC, is below this (deviations), and those whose
            window reaches beyond speech.
    """
    kept = []
    frontend, encoder = cast(LogMel, model.frontend), cast(Projection, model.encoder)
    every = max(1.0, shards.seconds * model.rate / most)
    for i in track(range(len(shards)), "frames"):
        padded, inside = model.pad_silence(shards.samples(i))
        samples = torch.from_numpy(padded)
        statistics = frontend.statistics(samples)[None]
        batch = SpeechBatch(
            samples[None], torch.tensor([len(samples)]), torch.zeros(1, dtype=torch.long), statistics, None
        )
        frames = encoder.windows(model.features(batch)[0])[0, inside]  # (codes, channels, window)
        # Frames beyond speech are zero in all channels, which is the mean.
        loud = (frames[:, 0].mean(1) > floor) & (frames != 0).any(1).all(1)
        rows = torch.arange(0, int(loud.sum()), every).long()
        kept.append(frames[loud][rows].flatten(1))
    return torch.cat(kept)


def project_windows(encoder: Projection, windows: Tensor) -> Tensor:
    """Return the encoder's output for windows of `stacked` windows: `(codes, latents)`."""
    return torch.addmm(encoder.convolution.get_parameter("bias"), windows, encoder.convolution.weight.flatten(1).T)


def set_projection(encoder: Projection, matrix: Tensor, mean: Tensor) -> None:
    """Set the encoder to subtract a mean `(channels * window,)` and multiply by `(channels * window, latents)`."""
    encoder.convolution.weight.copy_(matrix.T.reshape(encoder.convolution.weight.shape))
    encoder.convolution.get_parameter("bias").copy_(-mean @ matrix)


def fit_discriminant(x: Tensor, classes: Tensor, dimensions: int) -> tuple[Tensor, Tensor]:
    """Fit a linear discriminant analysis.

    The directions maximise the scatter between classes relative to that within, which becomes the identity (a
    thousandth of the mean variance is added to each variance first).

    Args:
        x: Vectors `(vectors, inputs)`.
        classes: Class of each, int `(vectors,)`.
        dimensions: Number of directions; beyond the number of inputs they are zero.

    Returns:
        The matrix `(inputs, dimensions)` and the mean `(inputs,)` to subtract before.
    """
    mean = x.mean(0)
    x = (x - mean).double()
    numbers = torch.bincount(classes).clamp(min=1).double()
    means = x.new_zeros(len(numbers), x.shape[1]).index_add_(0, classes, x) / numbers[:, None]
    total, between = x.T @ x / len(x), means.T @ (means * numbers[:, None]) / len(x)
    within = total - between + _SHRINKAGE * total.diagonal().mean() * torch.eye(len(total), device=x.device)
    inverse = torch.linalg.inv(torch.linalg.cholesky(within))
    directions = torch.linalg.eigh(inverse @ between @ inverse.T).eigenvectors  # by ascending spread between classes
    matrix = (inverse.T @ directions).flip(1)[:, :dimensions]
    return torch.nn.functional.pad(matrix, (0, dimensions - matrix.shape[1])).float(), mean


@torch.no_grad()
def measure_codebook(quantizer: Codebook | ResidualKmeans, vectors: Tensor) -> dict[str, float]:
    """Measure a codebook on held-out vectors.

    Args:
        quantizer: The codebook.
        vectors: `(vectors, dimension)`.

    Returns:
        {"variance left over": share of the variance that the codes do not explain; "perplexity"; "used": codes used}.
    """
    codes = quantizer.nearest(vectors)
    error = (vectors - quantizer.lookup(codes[None])[0].T).square().sum()
    counts = torch.bincount(codes, minlength=quantizer.size).numpy()
    left = float(error / (vectors - vectors.mean(0)).square().sum())
    return {"variance left over": left, "perplexity": perplexity(counts), "used": float(count_used(counts))}
