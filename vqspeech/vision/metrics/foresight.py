"""Tables of what a prior over video foretells: bits and codes, PSNR and SSIM, by horizon."""

from typing import NamedTuple

import numpy as np
import torch

from vqspeech.vision.data.clips import ClipBatch, Clips
from vqspeech.vision.metrics import video
from vqspeech.vision.metrics.held_clips import HeldClips, Section
from vqspeech.vision.metrics.quality import ssim
from vqspeech.vision.metrics.video import Foretold

LEARNED = 128
"""Clips that copying is fitted to."""


class Told(NamedTuple):
    """What is foretold when the prior is told what was done, what was done in other clips, and nothing."""

    right: Foretold
    misled: Foretold
    blind: Foretold


def all_foretold(held: HeldClips) -> Told:
    """What the prior makes of the clips in three ways."""
    clips = held.clips
    right, misled, blind = (
        video.foretold(held.prior, ClipBatch(clips.codes, actions), held.given, held.seed)
        for actions in (clips.actions, held.exchanged(), clips.actions * 0)
    )
    return Told(right, misled, blind)


def of_codes(held: HeldClips, told: Told) -> list[Section]:
    """Bits of the codes, and codes that are right."""
    given, prior, clips = held.given, held.prior, held.clips
    likeliest = video.foretold(prior, clips, given, held.seed, temperature=0.0)
    learned = Clips(held.train, clips.codes.shape[1], prior.actions).even(LEARNED).codes
    unigram = video.Unigram(held.train)
    copying = video.Copying(unigram, learned, given)
    after, last = clips.codes[:, given:], clips.codes[:, given - 1 : given]
    bits = {
        "prior": told.right.bits,
        "prior, actions not told": told.blind.bits,
        "prior, told the actions of other clips": told.misled.bits,
        "prior, given all frames before": prior.bits(clips.codes, clips.actions)[:, given:],
        "copying the last given frame": copying.bits(clips.codes, given),
        "unigram of each place": -np.log2(unigram.of(after.numpy())),
    }
    bits |= {f"spared beside {name}": bits[name] - bits["prior"] for name in list(bits)[-2:]}
    stay = ", ".join(f"{copying.shares[h - 1]:.2f}" for h in held.horizons)
    notes = [
        "bits a code given the frames given and actions alone: what lies between is imagined once, so that they are an "
        "upper bound on average; 'given all frames before': the true ones",
        f"copying: a code stays with a chance fitted to {LEARNED} clips of {held.train.path}, {stay} by horizon, or is "
        "drawn from the unigram",
    ]
    right = {
        "prior": told.right.codes == after,
        "prior, the likeliest codes": likeliest.codes == after,
        "prior, actions not told": told.blind.codes == after,
        "copying the last given frame": last == after,
        "the most frequent code of each place": torch.from_numpy(unigram.likeliest) == after,
    }
    shares = {name: found.double().numpy() for name, found in right.items()}
    return [
        Section("video: bits a code", video.rows(bits, held.groups, held.horizons), [*held.notes, *notes]),
        Section("video: share of codes that are right", video.rows(shares, held.groups, held.horizons), held.notes),
    ]


def of_frames(held: HeldClips, told: Told) -> list[Section]:
    """PSNR and SSIM of frames."""
    real, shape = held.real(), held.images.shape
    after = real[:, held.given :]
    made = {
        "prior": held.decoded(told.right.codes),
        "copying the last given frame": np.broadcast_to(real[:, held.given - 1 : held.given], after.shape),
        "reconstruction (ceiling)": held.decoded(held.clips.codes[:, held.given :]),
    }
    errors = {name: video.square_errors(after, one) for name, one in made.items()}
    alike = {
        name: ssim(after.reshape(-1, *shape), one.reshape(-1, *shape)).reshape(after.shape[:2])
        for name, one in made.items()
    }
    decibels = video.changed(video.rows(errors, held.groups, held.horizons), video.decibels)
    return [
        Section("video: PSNR, dB", decibels, [*held.notes, "of the mean square error over clips"]),
        Section("video: SSIM", video.rows(alike, held.groups, held.horizons), held.notes),
    ]
