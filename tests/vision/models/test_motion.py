"""How what is seen moves: against loops over all places, and found in codes that are moved on purpose."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vqspeech.errors import ConfigError
from vqspeech.vision.data.codes import ImageCodes
from vqspeech.vision.data.table import ImageTable
from vqspeech.vision.models.video.motion import Motion, fit_shifts

GRID = (4, 5)


def motion(width=6, actions=2, heads=3):
    torch.manual_seed(0)
    made = Motion(width, GRID, actions, heads)
    with torch.no_grad():
        made.shifts.copy_(torch.randn_like(made.shifts))
    return made


def test_frames_are_gathered_as_loops_say():
    made = motion()
    x, actions = torch.randn(5, 6, *GRID), torch.tensor([0, 2, 1, 2, 0])
    found = made(x, actions).detach()
    likely = made.shifts.detach().flatten(2).softmax(-1).view_as(made.shifts)
    wanted = torch.zeros_like(x)
    for n in range(5):
        for channel in range(6):
            kernel = likely[actions[n], channel // 2]
            for y, x_, y2, x2 in np.ndindex(*GRID, *GRID):
                share = kernel[y2 - y + GRID[0] - 1, x2 - x_ + GRID[1] - 1]
                wanted[n, channel, y, x_] += share * x[n, channel, y2, x2]
    torch.testing.assert_close(found, wanted)


def test_a_certain_shift_moves_the_frame_and_what_leaves_is_gone():
    made = motion()
    with torch.no_grad():
        made.shifts.fill_(-100.0)
        made.shifts[:, :, GRID[0] - 1, GRID[1] - 1 + 2] = 100.0  # from two columns to the right
    x = torch.randn(1, 6, *GRID)
    found = made(x, torch.tensor([1])).detach()
    torch.testing.assert_close(found[..., :-2], x[..., 2:])
    assert (found[..., -2:] == 0).all()


def test_heads_share_the_channels():
    with pytest.raises(ConfigError, match="video.past=6 is not a multiple of video.heads=4"):
        motion(heads=4)


def turning(actions, by, names) -> ImageCodes:
    """An episode of codes that are moved by columns, or not at all, as actions say, and noise that comes into view."""
    draw = np.random.default_rng(1)
    frames = [draw.integers(0, 7, GRID)]
    for action in actions[:-1]:
        after = draw.integers(0, 7, GRID)
        step = by[action]
        if step >= 0:
            after[:, : GRID[1] - step] = frames[-1][:, step:]
        else:
            after[:, -step:] = frames[-1][:, :step]
        frames.append(after)
    count = len(actions)
    table = ImageTable([f"{i:03d}" for i in range(count)], np.full(count, -1), np.zeros(count, int), np.array(actions))
    return ImageCodes(Path("CODES"), np.stack(frames), table, [], names, 7, 1, 960, "exp/m", "5" * 64)


def test_shifts_are_found_in_codes_that_move():
    actions = np.random.default_rng(0).integers(0, 3, 40)
    by = (0, 2, -1)
    codes = turning(actions, by, ["stay", "left", "right"])
    found = fit_shifts(codes, codes.actions)
    assert found.shape == (4, 7, 9)
    np.testing.assert_allclose(found.sum((1, 2)), 1, atol=1e-3)
    for one, step in zip(found[1:], by, strict=True):
        assert one[GRID[0] - 1, GRID[1] - 1 + step] > 0.9
    of_any = [found[0][GRID[0] - 1, GRID[1] - 1 + step] for step in by]
    assert min(of_any) > 0.1 and sum(of_any) > 0.9
    assert (fit_shifts(codes, ["stay", "right"])[2] == found[3]).all()


def test_what_is_never_done_moves_like_all():
    codes = turning(np.zeros(10, int), (1,), ["left", "up"])
    found = fit_shifts(codes, codes.actions)
    assert (found[2] == found[0]).all()
