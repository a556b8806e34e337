"""Tables of the predictions of a video prior by horizon: bits, codes, PSNR and SSIM, compared with baselines.

The horizon of a frame is its distance from the last given frame. A frame is predicted from the given frames and all
actions before it; the frames between are imagined. Its bits, -log2 p(frame | given, imagined), are in expectation an
upper bound of those of p(frame | given), the mean over all imaginations (Jensen's inequality).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vqspeech.metrics.measures.bootstrap import Estimate
from vqspeech.progress import track
from vqspeech.vision.data.clips import ClipBatch, Clips
from vqspeech.vision.metrics.evaluations.held_out_clips import HeldOutClips, Section, tabulate_horizons
from vqspeech.vision.metrics.evaluations.prior import choose_strength
from vqspeech.vision.metrics.measures.quality import psnr_from_error, square_errors, ssim
from vqspeech.vision.metrics.measures.unigram import Copying, Unigram
from vqspeech.vision.models.prior import ImagePrior, draw_uniforms
from vqspeech.vision.models.video import VideoPrior

NO_PAST, NO_ACTIONS = "image prior, which sees no past", "prior, actions not told"
"""Rows of baselines."""
COPY_CLIPS = 128
"""Clips that the copying baseline is fitted to."""
BATCH = 32
"""Clips that are predicted at once."""


@dataclass(frozen=True)
class Prediction:
    """Prediction of clips.

    Attributes:
        codes: Imagined frames, int64 `(clips, frames, height, width)`.
        bits: Bits of the true codes, float64 of that shape.
    """

    codes: Tensor
    bits: np.ndarray


class Predictions(NamedTuple):
    """Predictions conditioned on the true actions, on those of other clips, and on none."""

    true_actions: Prediction
    swapped_actions: Prediction
    no_actions: Prediction


@torch.inference_mode()
def predict_clips(
    prior: VideoPrior, clips: ClipBatch, given: int, seed: int = 0, temperature: float = 1.0
) -> Prediction:
    """Predict clips from their first `given` frames and their actions."""
    count, frames = len(clips.codes), clips.codes.shape[1] - given
    numbers = draw_uniforms(count, (frames, *prior.shape), seed)
    codes, bits = torch.empty(numbers.shape, dtype=torch.long), np.empty(numbers.shape)
    for start in track(range(0, count, BATCH), "imagining"):
        part = slice(start, start + BATCH)
        one = clips.each(lambda tensor, part=part: tensor[part]).to(prior.device)
        past, condition = prior.network.prime(one.codes[:, :given], one.actions[:, :given])
        for i in range(frames):
            bits[part, i] = prior.frame_bits(one.codes[:, given + i], condition)
            drawn = prior.network.draw(numbers[part, i].to(prior.device), condition, temperature, 1.0)
            codes[part, i] = drawn.cpu()
            condition = past(drawn, one.actions[:, given + i])
    return Prediction(codes, bits)


def predict_all(held: HeldOutClips) -> Predictions:
    """Predict the clips under true, swapped and unknown actions."""
    clips = held.clips
    right, misled, blind = (
        predict_clips(held.prior, ClipBatch(clips.codes, actions), held.given, held.seed)
        for actions in (clips.actions, held.swap_actions(), clips.actions * 0)
    )
    return Predictions(right, misled, blind)


def score_codes(held: HeldOutClips, predictions: Predictions, images: ImagePrior | None = None) -> list[Section]:
    """Tabulate bits of the codes and share of correct codes, with baselines.

    Args:
        held: The clips.
        predictions: Their predictions.
        images: A prior over single images, which does not see the past, as another baseline.
    """
    given, prior, clips = held.given, held.prior, held.clips
    likeliest = predict_clips(prior, clips, given, held.seed, temperature=0.0)
    learned = Clips(held.train, clips.codes.shape[1], prior.actions).even(COPY_CLIPS).codes.numpy()
    strength = choose_strength(held.train)
    unigram = Unigram(np.asarray(held.train.codes), held.train.size, strength)
    copying = Copying(unigram, learned, given)
    after, last = clips.codes[:, given:], clips.codes[:, given - 1 : given]
    bits = {
        "prior": predictions.true_actions.bits,
        NO_ACTIONS: predictions.no_actions.bits,
        "prior, told the actions of other clips": predictions.swapped_actions.bits,
        "prior, given all frames before": prior.bits(clips.codes, clips.actions)[:, given:],
        "copying the last given frame": copying.bits(clips.codes.numpy(), given),
        "unigram of each place": -np.log2(unigram.probabilities(after.numpy())),
    }
    if images is not None:
        bits[NO_PAST] = _bits_without_past(images, after)
    rivals = [*([NO_PAST] if images is not None else []), NO_ACTIONS, "copying the last given frame"]
    bits |= {f"saved beside {name}": bits[name] - bits["prior"] for name in rivals}
    stay = ", ".join(f"{copying.shares[h - 1]:.2f}" for h in held.horizons)
    notes = [
        (
            "bits a code given the frames given and actions alone: what lies between is imagined once, so that they "
            "are an upper bound on average; 'given all frames before': the true ones"
        ),
        (
            f"copying: a code stays with a chance fitted to {COPY_CLIPS} clips of {held.train.path}, {stay} by "
            f"horizon, or is drawn from the unigram, which is filled up with {strength:g} codes of that of all places, "
            "the best on a tenth of the episodes"
        ),
        *(describe_comparison(name, bits["prior"], bits[name], held.horizons) for name in rivals),
    ]
    right = {
        "prior": predictions.true_actions.codes == after,
        "prior, the likeliest codes": likeliest.codes == after,
        NO_ACTIONS: predictions.no_actions.codes == after,
        "copying the last given frame": last == after,
        "the most frequent code of each place": torch.from_numpy(unigram.likeliest) == after,
    }
    shares = {name: found.double().numpy() for name, found in right.items()}
    return [
        Section("video: bits a code", tabulate_horizons(bits, held.groups, held.horizons), [*held.notes, *notes]),
        Section(
            "video: share of codes that are right",
            tabulate_horizons(shares, held.groups, held.horizons),
            held.notes,
        ),
    ]


def describe_comparison(rival: str, ours: np.ndarray, theirs: np.ndarray, horizons: Sequence[int]) -> str:
    """Say at which horizons the prior takes fewer bits than a baseline, both float64 `(clips, frames, …)`."""
    saved = (theirs - ours).reshape(*ours.shape[:2], -1).mean((0, 2))
    better = [str(h) for h in horizons if saved[h - 1] > 0]
    worse = [str(h) for h in horizons if saved[h - 1] <= 0]
    told = f"the prior, told what was done, takes fewer bits than {rival}"
    if not worse:
        return f"{told} at every horizon"
    return (
        f"{told} at horizon {', '.join(better)}, and no fewer at {', '.join(worse)}"
        if better
        else (f"the prior, told what was done, takes no fewer bits than {rival} at any horizon")
    )


def _bits_without_past(images: ImagePrior, codes: torch.Tensor) -> np.ndarray:
    """Return the bits of codes `(clips, frames, height, width)` under a prior over single images, class unknown."""
    flat = codes.flatten(0, 1).numpy()
    return images.bits(flat, np.zeros(len(flat), np.int64)).reshape(codes.shape)


def score_frames(held: HeldOutClips, predictions: Predictions) -> list[Section]:
    """Tabulate PSNR and SSIM of predicted frames."""
    real, shape = held.read_frames(), held.images.shape
    after = real[:, held.given :]
    made = {
        "prior": held.decode(predictions.true_actions.codes),
        "copying the last given frame": np.broadcast_to(real[:, held.given - 1 : held.given], after.shape),
        "reconstruction (ceiling)": held.decode(held.clips.codes[:, held.given :]),
    }
    errors = {name: square_errors(after, one) for name, one in made.items()}
    alike = {
        name: ssim(after.reshape(-1, *shape), one.reshape(-1, *shape)).reshape(after.shape[:2])
        for name, one in made.items()
    }
    decibels = transform_estimates(tabulate_horizons(errors, held.groups, held.horizons), psnr_from_error)
    return [
        Section("video: PSNR, dB", decibels, [*held.notes, "of the mean square error over clips"]),
        Section("video: SSIM", tabulate_horizons(alike, held.groups, held.horizons), held.notes),
    ]


def transform_estimates(table: Sequence[dict], function: Callable[[float], float]) -> list[dict]:
    """Apply a decreasing function, such as squared error to PSNR, to all estimates of a table."""
    return [
        {key: _sent(one, function) if isinstance(one, Estimate) else one for key, one in row.items()} for row in table
    ]


def _sent(one: Estimate, function: Callable[[float], float]) -> Estimate:
    return Estimate(function(one.value), function(one.high), function(one.low), one.n)
