"""Generate video from context frames, conditioned on actions, in the space of codes.

Writes OUT/video-000.gif (and .mp4) and so on, with the rows of --actions side by side; OUT/sheet.png, one row for each
row of actions, time from left to right; OUT/videos.npz: images, episodes, actions (1 + the number, 0 if unknown),
codes.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from vqspeech.commands.arguments import (
    add_sampling_arguments,
    non_negative_int,
    number,
    output_folder,
    positive_float,
)
from vqspeech.devices import resolve_device
from vqspeech.errors import ConfigError, MissingExtra
from vqspeech.files import replace_file
from vqspeech.progress import report
from vqspeech.vision.commands.sample import describe_model_codes
from vqspeech.vision.data.clips import encode_actions, find_episodes
from vqspeech.vision.data.images import ImageSet, read_images
from vqspeech.vision.metrics.reports import pictures
from vqspeech.vision.models import CodeModel
from vqspeech.vision.models.prior import require_same_codes
from vqspeech.vision.models.video import VideoPrior

EXAMPLE = "vqspeech vision sample-video --prior exp/video --model exp/vqvae --data data/test --out samples"

UNKNOWN, RECORDED = "any", "recorded"
"""Words in the place of actions: unknown actions, and the recorded ones."""
SHOWN = 4
"""Maximum number of starts on the sheet."""
COLUMNS = 10
"""Maximum number of generated frames on the sheet, evenly spaced."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech vision sample-video`."""
    parser.add_argument("--prior", required=True, metavar="FILE", help="checkpoint or folder of `prior-video`")
    parser.add_argument("--model", required=True, metavar="FILE", help="model that made the codes of the prior")
    parser.add_argument("--data", required=True, metavar="SET", help="set of frames to continue")
    parser.add_argument(
        "--actions", nargs="+", default=[RECORDED], metavar="A,B,…",
        help=f"actions from the last context frame on, a row for each list; the last action of a list is repeated; "
        f"'{RECORDED}': those of the recording; '{UNKNOWN}': unconditioned (default: {RECORDED})",
    )  # fmt: skip
    parser.add_argument("--n", **number(4, "clips to continue, evenly spaced over the set"))
    parser.add_argument("--context", **number(6, "context frames", non_negative_int))
    parser.add_argument("--frames", **number(10, "frames to generate"))
    add_sampling_arguments(parser)
    parser.add_argument("--rate", **number(pictures.RATE, "frames per second of GIF and MP4", positive_float, "HZ"))
    parser.add_argument("--out", type=output_folder, required=True, metavar="DIR", help="folder for the samples")


def run(args: argparse.Namespace) -> int:
    """Write the videos and print the name of the sheet."""
    if not 0.1 <= args.rate <= 100:
        raise ConfigError(f"--rate {args.rate:g}; it is between 0.1 and 100 frames a second")
    device = resolve_device(None)
    model, prior, out = (
        CodeModel.from_pretrained(args.model, device),
        VideoPrior.from_pretrained(args.prior, device),
        Path(args.out),
    )
    require_same_codes(describe_model_codes(model), prior.codes, args.model)
    images, rows = read_images(args.data), args.actions
    length = args.context + (args.frames if RECORDED in rows else 0)
    starts = _starts(images, max(1, length), args.n)
    frames = starts[:, None] + np.arange(max(1, args.context))
    known = [model.encode(part).cpu() for part in torch.from_numpy(images.pixels(frames.ravel())).split(64)]
    given = torch.cat(known).view(*frames.shape, *prior.shape)[:, : args.context]
    done = [_done(prior, images, starts, row, args.context, args.frames) for row in rows]
    started = time.perf_counter()
    drawn = [  # all rows of a start by the same numbers
        prior.sample(given, torch.from_numpy(one), temperature=args.temperature, top_p=args.top_p, seed=args.seed)
        for one in done
    ]
    took = time.perf_counter() - started
    codes = torch.stack([torch.cat([given, one], 1) for one in drawn], 1)  # (starts, rows, time, height, width)
    decoded = torch.cat([model.decode(part).cpu() for part in codes.flatten(0, 2).split(32)]).numpy()
    videos = decoded.reshape(*codes.shape[:3], *decoded.shape[1:])
    _write(out, videos, codes.numpy(), np.stack(done, 1), args)
    count = len(rows) * len(starts) * args.frames
    print(out / "sheet.png")
    report(f"{out}: {count} frames generated, {count / took:,.2f} frames/s of codes")
    return 0


def _starts(images: ImageSet, length: int, count: int) -> np.ndarray:
    """Return the first frames of `count` clips, evenly spaced over the episodes of a set: int64 `(count,)`."""
    found = find_episodes(images.table, images.path).select_min_length(length, images.path)
    picks = (np.arange(count) + 0.5) * len(found.starts) / count  # the whole part is the episode, the rest the place
    which = picks.astype(np.int64)
    return found.starts[which] + ((picks - which) * (found.lengths[which] - length + 1)).astype(np.int64)


def _done(prior: VideoPrior, images: ImageSet, starts: np.ndarray, row: str, given: int, frames: int) -> np.ndarray:
    """Return the prior's actions of every frame except the last: int64 `(starts, given + frames - 1)`."""
    if row == UNKNOWN:
        return np.zeros((len(starts), given + frames - 1), np.int64)
    known = encode_actions(images.table, images.actions, prior.actions, images.path)
    if row == RECORDED:
        return known[starts[:, None] + np.arange(given + frames - 1)]
    names = row.split(",")
    if len(names) > frames:
        raise ConfigError(f"--actions {row}: {len(names)} actions for {frames} frames; raise --frames")
    steps = [prior.action_index(name) for name in names + names[-1:] * (frames - len(names))]
    if not given:  # nothing is done before the first frame
        return np.tile(steps[1:], (len(starts), 1)).astype(np.int64)
    before = known[starts[:, None] + np.arange(given - 1)]
    return np.concatenate([before, np.tile(steps, (len(starts), 1))], 1)


def _write(out: Path, videos: np.ndarray, codes: np.ndarray, done: np.ndarray, args: argparse.Namespace) -> None:
    """Write videos uint8 `(starts, rows, time, channels, height, width)` as animations, sheet and arrays."""
    starts, rows, time_ = videos.shape[:3]
    missing = None
    for i, shown in enumerate(videos):
        pictures.write_gif(out / f"video-{i:03d}.gif", list(shown), args.rate, rows)
        try:
            pictures.write_mp4(out / f"video-{i:03d}.mp4", list(shown), args.rate, rows)
        except MissingExtra as error:
            missing = error
    if missing is not None:
        report(f"GIF only, no MP4: {missing}")
    pictures.write_png(label_frames(videos[:SHOWN], args.context, args.actions), out / "sheet.png")
    episode = np.repeat(np.arange(starts * rows), time_)
    actions = np.concatenate([done, np.zeros_like(done, shape=(starts, rows, 1))], 2)
    with replace_file(out / "videos.npz") as temporary:
        np.savez_compressed(
            temporary,
            images=videos.reshape(-1, *videos.shape[3:]).transpose(0, 2, 3, 1),
            codes=codes.reshape(-1, *codes.shape[3:]).astype(np.uint16),
            episodes=episode,
            actions=actions.ravel(),
        )


def label_frames(videos: np.ndarray, context: int, names: Sequence[str], columns: int = COLUMNS) -> np.ndarray:
    """Tile videos as in figure 7 of 1711.00937: time from left to right, context frames, a gap, generated frames.

    Args:
        videos: uint8 `(starts, rows, time, channels, height, width)`; the rows of a start are placed below each other.
        context: Number of context frames.
        names: What the rows of a start are called.
        columns: Maximum number of generated frames, evenly spaced.

    Returns:
        uint8 `(height, width, 3)`, with the horizon of each column below it.
    """
    generated = videos.shape[2] - context
    picks = context + np.unique(np.linspace(0, generated - 1, min(columns, generated)).round().astype(np.int64))
    gap, lines, rows, top = max(2, videos.shape[5] // 8), [], dict[float, str](), 0
    for start in videos:
        left, right = (pictures.tile_images([row[some] for row in start]) for some in (np.arange(context), picks))
        bar = np.full((len(right), gap, 3), 255, np.uint8)
        lines.append(np.concatenate([left, bar, right] if context else [right], 1))
        rows |= {top + place: name for place, name in pictures.place_labels(names, len(right)).items()}
        lines.append(np.full((gap, lines[-1].shape[1], 3), 255, np.uint8))
        top += len(right) + gap
    before = pictures.place_labels(map(str, range(1 - context, 1)), left.shape[1]) if context else {}
    shift = left.shape[1] + gap if context else 0
    after = pictures.place_labels((str(pick - context + 1) for pick in picks), right.shape[1])
    horizons = before | {shift + place: name for place, name in after.items()}
    title = "frames generated from context frames, a row for each list of actions"
    return pictures.label_sheet(np.concatenate(lines[:-1]), title, rows, horizons, "horizon (frames)")
