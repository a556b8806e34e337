"""Random windows: a function of (seed, step, process), inside utterances, fair, aligned with the WORLD frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vqspeech import files, world
from vqspeech.data.dump import Shards
from vqspeech.data.windows import Windows, compute_speaker_pitch, compute_utterance_statistics, compute_world_statistics
from vqspeech.errors import SpeakerError

NAMES = ["high", "low"]


def make_shards(frames: list[int], speakers: list[str] | None = None) -> Shards:
    """A dump in memory of utterances of so many frames; sample s of all is (s // FRAME) % 251 + 1, and WORLD
    frame f all channels f % 2048."""
    total, length = sum(frames), np.array(frames) * world.FRAME
    levels = np.repeat((np.arange(total) % 251 + 1).astype(np.int16), world.FRAME)
    parts = np.repeat((np.arange(total) % 2048).astype(np.float16)[:, None], world.CHANNELS, 1)
    names = [f"u{i}" for i in range(len(frames))]
    who = speakers or ["high"] * len(frames)
    return Shards(Path("dump"), names, who, 0 * length, np.cumsum(length) - length, length, [levels], [parts])


def test_a_batch_is_a_function_of_seed_step_and_process(small_shards: Shards):
    windows, again = Windows(small_shards, NAMES, 3200), Windows(small_shards, NAMES, 3200)
    first = windows.random(8, 1, 2, 3)
    windows.random(8, 9, 9, 9)
    for same in (windows.random(8, 1, 2, 3), again.random(8, 1, 2, 3)):
        assert torch.equal(first.samples, same.samples) and torch.equal(first.speakers, same.speakers)
        assert first.world is not None and same.world is not None and torch.equal(first.world, same.world)
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4), (3, 2, 1)):
        assert not torch.equal(first.samples, windows.random(8, *other).samples)


def test_shapes(small_shards: Shards):
    statistics = np.arange(8 * 2 * 3, dtype=np.float32).reshape(8, 2, 3)
    batch = Windows(small_shards, ["another", *NAMES], 3200, statistics).random(5, 0, 0)
    assert batch.samples.shape == (5, 3200) and batch.samples.dtype == torch.int16
    assert batch.lengths.tolist() == [3200] * 5
    assert set(batch.speakers.tolist()) <= {1, 2}, "by the model's list of speakers, not the dump's"
    assert batch.statistics is not None and batch.statistics.shape == (5, 2, 3)
    assert batch.world is not None and batch.world.shape == (5, world.CHANNELS, 20)
    assert batch.world.dtype == torch.float32
    assert Windows(small_shards, NAMES, 3200).random(5, 0, 0).statistics is None
    moved = batch.to("cpu")
    assert torch.equal(moved.samples, batch.samples) and torch.equal(moved.world, batch.world)  # pyright: ignore[reportArgumentType]


def test_windows_lie_within_utterances_and_line_up_with_the_frames():
    frames, size = [30, 10, 3, 10, 11, 9, 100], 10
    shards = make_shards(frames, [f"s{i}" for i in range(7)])
    batch = Windows(shards, [f"s{i}" for i in range(7)], size * world.FRAME).random(3000, 0, 0)
    assert batch.world is not None
    starts = set()
    for samples, length, speaker, target in zip(
        batch.samples.numpy(), batch.lengths.tolist(), batch.speakers.tolist(), batch.world.numpy(), strict=True
    ):
        assert length == min(size, frames[speaker]) * world.FRAME, "filled up only where the utterance is short"
        begins = sum(frames[:speaker])
        first = int(target[0, 0])
        starts.add((speaker, first - begins))
        assert begins <= first and first + length // world.FRAME <= begins + frames[speaker]
        inside = np.arange(length // world.FRAME)
        assert (target[:, inside] == first + inside).all() and (target[:, len(inside) :] == 0).all()
        assert (samples[:length].reshape(-1, world.FRAME) == ((first + inside) % 251 + 1)[:, None]).all()
        assert not samples[length:].any(), "the rest is silence"
    possible = {(i, start) for i, count in enumerate(frames) for start in range(max(1, count - size + 1))}
    assert starts == possible, "every window there is, first and last ones too"


def test_every_sample_is_as_likely():
    frames, size, draws = [5, 20, 25, 40, 160, 1000], 20, 60_000
    windows = Windows(make_shards(frames), ["high"], size * world.FRAME)
    count = np.zeros(sum(frames))
    batch = windows.random(draws, 0, 0)
    assert batch.world is not None
    starts = batch.world[:, 0, 0].numpy().astype(int)
    for start, length in zip(starts, batch.lengths.tolist(), strict=True):
        count[start : start + length // world.FRAME] += 1
    expected = draws * size / (sum(frames) + 15)  # the first utterance is filled up with 15 frames
    by_utterance = [part.mean() / expected for part in np.split(count, np.cumsum(frames)[:-1])]
    assert by_utterance == pytest.approx([1] * len(frames), abs=0.15)
    middle = count[-1000 + size : -size] / expected
    assert middle.mean() == pytest.approx(1, abs=0.05) and middle.min() > 0.7 and middle.max() < 1.3


def test_even_windows_are_spread_and_always_the_same(small_shards: Shards):
    windows = Windows(small_shards, NAMES, 1600)
    batch = windows.even(64)
    assert torch.equal(batch.samples, windows.even(64).samples)
    assert torch.bincount(batch.speakers).tolist() == pytest.approx([32, 32], abs=3)
    assert len({one.numpy().tobytes() for one in batch.samples}) == 64
    assert len(windows.even(1).samples) == 1


def test_unknown_speaker(small_shards: Shards):
    with pytest.raises(SpeakerError, match="low are not in the model's training data; use"):
        Windows(small_shards, ["high", "lowest"], 1600)


def test_a_dump_without_world_frames(small_shards: Shards):
    bare = replace(small_shards, world_maps=[])
    assert Windows(bare, NAMES, 1600).random(2, 0, 0).world is None


def test_statistics_are_kept_beside_the_shards(tmp_path: Path):
    calls = []

    def statistics(levels: torch.Tensor) -> torch.Tensor:
        calls.append(len(levels))
        return torch.stack([levels.float().mean()[None], levels.float().std()[None]])

    shards = replace(make_shards([3, 4]), path=tmp_path)
    first = compute_utterance_statistics(shards, "x", statistics)
    assert first.shape == (2, 2, 1) and first.dtype == np.float32 and calls == [480, 480, 640]
    assert np.array_equal(compute_utterance_statistics(shards, "x", statistics), first)
    assert calls == [480, 480, 640, 480], "the shortest utterance alone, to see that they are the same still"
    assert np.array_equal(compute_utterance_statistics(shards, "x", lambda some: statistics(some) + 1), first + 1)
    more = replace(make_shards([3, 4, 5]), path=tmp_path)
    assert len(compute_utterance_statistics(more, "x", statistics)) == 3, "those of another dump are made again"
    (kept,) = tmp_path.iterdir()
    whole, right = kept.read_bytes(), compute_utterance_statistics(more, "x", statistics)
    for damaged in (b"", b"text", whole[:-3], whole[:20], whole[:-1] + bytes([whole[-1] ^ 1]), b"\xff" * 400):
        kept.write_bytes(damaged)
        assert np.array_equal(compute_utterance_statistics(more, "x", statistics), right), "those that are damaged, too"
        assert kept.read_bytes() == whole


def test_statistics_of_a_dump_that_cannot_be_written_to_are_computed_every_time(tmp_path, monkeypatch):
    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    shards = replace(make_shards([3, 4]), path=tmp_path)
    monkeypatch.setattr(files.os, "replace", forbidden)
    for _ in range(2):
        found = compute_utterance_statistics(shards, "x", lambda some: torch.zeros(2, 1) + len(some))
        assert found[:, 0, 0].tolist() == [480, 640] and not list(tmp_path.glob("*"))


def test_world_statistics(small_shards: Shards):
    frames = np.concatenate([small_shards.world(i) for i in range(8)]).astype(np.float64)
    mean, deviation = compute_world_statistics(small_shards)
    np.testing.assert_allclose(mean, frames.mean(0), atol=1e-5)
    np.testing.assert_allclose(deviation, np.maximum(frames.std(0), 1e-3), rtol=1e-3)


def test_pitch_by_speaker(small_shards: Shards):
    pitch = compute_speaker_pitch(small_shards, [*NAMES, "mute"])
    assert np.exp(pitch[:2, 0]) == pytest.approx([210, 105], rel=0.05)
    assert np.isnan(pitch[2]).all()
