"""Tables of imagined video: controllability, counterfactual actions, long rollouts."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vqspeech.metrics.measures.bootstrap import estimate_ratio, estimate_statistic
from vqspeech.vision.data.clips import Clips
from vqspeech.vision.metrics.evaluations.held_out_clips import HeldOutClips, Section, tabulate_horizons
from vqspeech.vision.metrics.evaluations.inverse_model import InverseModel, draw_pairs
from vqspeech.vision.metrics.evaluations.prediction import Predictions
from vqspeech.vision.metrics.measures.rollouts import balanced_recall, count_codes, jensen_shannon
from vqspeech.vision.models import CodeModel

PAIRS = 2000
"""Pairs of real frames that the inverse model is tested on."""
STRETCH = 10
"""Frames of a row of the table of long rollouts."""


def score_controllability(
    held: HeldOutClips, predictions: Predictions, codes: Tensor, inverse: InverseModel
) -> Section:
    """Measure how many actions an inverse model recovers from imagined frames, compared with real ones.

    Args:
        held: The clips.
        predictions: Frames imagined from them.
        codes: Codes of all images of the set, int `(images, height, width)`.
        inverse: The inverse model.
    """
    real = draw_pairs(held.images, PAIRS, held.seed)
    both = np.stack([real.frames, real.frames + 1], 1)
    pixels = held.images.pixels(both.ravel()).reshape(*both.shape, *held.images.shape)
    table = [
        _recovered(held, name, inverse.logits(frames[:, 0], frames[:, 1]).argmax(1), real.actions, real.groups)
        for name, frames in (("real held-out frames", pixels), ("the same, reconstructed", held.decode(codes[both])))
    ]
    for name, imagined, done in [
        ("imagined, told what was done", predictions.true_actions, held.clips.actions),
        ("imagined, told what was done in other clips", predictions.swapped_actions, held.swap_actions()),
        ("imagined, told nothing (what was done in other clips)", predictions.no_actions, held.swap_actions()),
    ]:
        said = _said(held, inverse, imagined.codes).argmax(2)
        wanted = _numbers(held)[done[:, held.given - 1 : -1].numpy()]
        known, groups = wanted >= 0, np.repeat(np.array(held.groups)[:, None], held.frames, 1)
        table.append(_recovered(held, name, said[known], wanted[known], groups[known]))
    table.append({"row": "chance", "actions recovered": 1 / len(set(real.actions.tolist()))})
    note = (
        "a network that has learned from pairs of real training frames reads the action off two consecutive frames; "
        "the mean over actions, all of which weigh the same"
    )
    return Section("video: does it obey", table, [*held.notes, note])


def score_counterfactuals(held: HeldOutClips, inverse: InverseModel, one: str, other: str) -> Section:
    """Measure how far two actions, each repeated from the same frames, lead apart.

    Raises:
        ImageError: The prior does not know one of the actions.
    """
    (a, a_again), (b, b_again) = (
        [held.roll_out(held.repeat_action(action), turn) for turn in (0, 1)] for action in (one, other)
    )
    differing = {
        f"{one} beside {other}": a != b_again,
        f"{one} beside {one}, drawn again": a != a_again,
        f"{other} beside {other}, drawn again": b != b_again,
    }
    shares = {name: found.double().numpy() for name, found in differing.items()}
    table = tabulate_horizons(shares, held.groups, held.horizons, "differ at")
    names = list(held.images.actions)
    first, second = (names.index(action) for action in (one, other))
    more = [(said[..., first] - said[..., second]).sum(1) for said in (_said(held, inverse, codes) for codes in (a, b))]
    apart = (more[0] > more[1]) + 0.5 * (more[0] == more[1])
    table[0]["told apart"] = estimate_ratio(apart, groups=held.groups)
    notes = [
        (
            f"share of codes that differ where {one}, or {other}, is kept up from the same frames, drawn by different "
            "numbers; the same action drawn twice: what chance alone makes of it"
        ),
        (
            f"told apart: how often the network that reads actions finds more of {one} in its video than in the other; "
            "chance: 0.5"
        ),
    ]
    return Section(f"video: {one} and {other} part ways", table, [*held.notes, *notes])


def score_rollouts(held: HeldOutClips, far: int, count: int) -> Section:
    """Compare stretches of rollouts of `far` frames, after about `count` of the clips, with real frames."""
    part = np.unique(np.linspace(0, len(held.groups) - 1, count).astype(np.int64))
    groups, given = [held.groups[i] for i in part], held.clips.codes[part, : held.given]
    learned = Clips(held.train, held.clips.codes.shape[1], held.prior.actions)
    pieces = [learned.random(len(part), held.seed, i).actions for i in range(-(-far // learned.length))]
    done = torch.cat([held.clips.actions[part, : held.given - 1], torch.cat(pieces, 1)[:, :far]], 1)
    codes = held.prior.sample(given, done, seed=held.seed)
    world, stretch = np.asarray(held.train.codes), min(STRETCH, far)
    real = held.clips.codes[part, -stretch:]
    stretches = {f"real frames, reconstructed ({real.shape[1]})": real}
    for start in sorted({0, (far - stretch) // 2, far - stretch}):
        stretches[f"imagined, horizon {start + 1} to {start + stretch}"] = codes[:, start : start + stretch]
    table = [
        summarise_rollouts(name, some.numpy(), held.decode(some), world, held.model, groups)
        for name, some in stretches.items()
    ]
    notes = [
        f"{len(part)} of the clips, {far} frames imagined, told pieces of what was done in {held.train.path}",
        (
            "divergence (Jensen-Shannon) from the codes of all frames there, which falls with the number of frames; "
            "codes found again when frames are encoded as decoded; contrast: deviation of levels within a frame"
        ),
    ]
    return Section(f"video: after {far} frames", table, [*held.notes, *notes])


def summarise_rollouts(
    name: str, clips: np.ndarray, pixels: np.ndarray, real: np.ndarray, model: CodeModel, groups: Sequence
) -> dict:
    """Return a row of the table: divergence from real codes, changes between frames, re-encoded codes, contrast.

    Args:
        name: Name of the row.
        clips: Codes `(clips, frames, height, width)`.
        pixels: The frames decoded from them, uint8 `(clips, frames, channels, height, width)`.
        real: Codes of real frames `(frames, height, width)`.
        model: The model.
        groups: Episodes of the clips, for the intervals.
    """
    size = model.codes
    world, own = np.bincount(real.ravel(), minlength=size), count_codes(clips, size)
    moves = (clips[:, 1:] != clips[:, :-1]).reshape(len(clips), -1).mean(1)
    flat = pixels.reshape(-1, *pixels.shape[2:])
    found = reencoded_share(model, clips.reshape(-1, *clips.shape[2:]), flat).reshape(clips.shape[:2]).mean(1)
    detail = pixels.astype(np.float32).std((-2, -1)).mean((1, 2))
    return {
        "row": name,
        "divergence of codes, bits": estimate_statistic(
            lambda weights: jensen_shannon(weights @ own, world), len(clips), groups=[str(group) for group in groups]
        ),
        "codes that change": estimate_ratio(moves, groups=groups),
        "codes found again": estimate_ratio(found, groups=groups),
        "contrast": estimate_ratio(detail, groups=groups),
    }


def reencoded_share(model: CodeModel, codes: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return the share of codes that survive decoding and encoding, for each frame: float64 `(n,)`.

    Frames unlike those the model was trained on are encoded to other codes.

    Args:
        model: The model.
        codes: `(n, height, width)`.
        pixels: The frames decoded from them, uint8 `(n, channels, height, width)`.
    """
    found = torch.cat([model.encode(part).cpu() for part in torch.from_numpy(pixels).split(64)]).numpy()
    return (found == codes).reshape(len(codes), -1).mean(1)


def _said(held: HeldOutClips, inverse: InverseModel, codes: Tensor) -> np.ndarray:
    """Return logits `(clips, frames, actions)` of actions before codes `(clips, frames, height, width)`."""
    frames = held.decode(torch.cat([held.clips.codes[:, held.given - 1 : held.given], codes], 1))
    before, after = (frames[:, some].reshape(-1, *held.images.shape) for some in (slice(-1), slice(1, None)))
    return inverse.logits(before, after).reshape(*codes.shape[:2], -1)


def _numbers(held: HeldOutClips) -> np.ndarray:
    """Return the number in the set of each input action of the prior; -1 if it is unknown or not in the set."""
    names = list(held.images.actions)
    return np.array([-1] + [names.index(name) if name in names else -1 for name in held.prior.actions])


def _recovered(held: HeldOutClips, name: str, said: np.ndarray, done: np.ndarray, groups: np.ndarray) -> dict:
    names = list(held.images.actions)
    row: dict = {"row": name, "actions recovered": balanced_recall(said, done, groups, len(names))}
    return row | {f"of {names[i]}": float((said[done == i] == i).mean()) for i in sorted(set(done.tolist()))}
