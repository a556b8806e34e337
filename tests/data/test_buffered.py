"""Windows drawn from blocks in memory: the right samples, each block read once an epoch, all of a dump in turn."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.test_windows import NAMES, make_shards
from vqspeech import world
from vqspeech.data.buffered import BufferedWindows
from vqspeech.data.dump import Shards, write_shards
from vqspeech.data.windows import SpeechBatch, Windows

SIZE = 10 * world.FRAME


def same(one: SpeechBatch, other: SpeechBatch) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(a is b if a is None or b is None else torch.equal(a, b) for a, b in pairs)


def make_windows(files: int = 3) -> Windows:
    """Windows of a dump of several files whose rows are not in the order of its samples, every frame different."""
    rng = np.random.default_rng(0)
    frames = rng.integers(4, 40, 30)
    speakers = ["high", "low"] * 15
    whole = make_shards(frames.tolist(), speakers)
    split = np.linspace(0, len(frames), files + 1).astype(int)
    shard = np.repeat(np.arange(files), np.diff(split))
    starts = np.array([whole.first[i] for i in split[:-1]])
    ends = [*starts[1:], int(whole.length.sum())]
    levels = (np.arange(int(whole.length.sum())) // 4).astype(np.int16)
    maps = [levels[a:b] for a, b in zip(starts, ends, strict=True)]
    parts = [whole.world_maps[0][a // world.FRAME : b // world.FRAME] for a, b in zip(starts, ends, strict=True)]
    mixed = rng.permutation(len(frames))
    return Windows(
        Shards(
            Path("dump"), [f"u{i}" for i in mixed], [speakers[i] for i in mixed], shard[mixed],
            (whole.first - starts[shard])[mixed], whole.length[mixed], maps, parts,
        ),
        NAMES, SIZE, np.arange(30 * 2 * 3, dtype=np.float32).reshape(30, 2, 3),
    )  # fmt: skip


def limit(windows: BufferedWindows, blocks: int) -> BufferedWindows:
    windows.capacity = blocks
    return windows


@pytest.mark.parametrize("block", [1, 3000, 1 << 23])
def test_with_room_for_all_batches_are_those_of_the_whole_dump(small_shards: Shards, block: int):
    whole = Windows(small_shards, NAMES, 3200)
    buffered = BufferedWindows(whole, 1.0, block)
    for step in range(5):
        assert same(whole.random(7, 3, step, 1), buffered.random(7, 3, step, 1))
    assert same(whole.even(5), buffered.even(5))


def test_windows_hold_what_the_dump_holds_there():
    """Every sample of the dump is a quarter of its number, so a window tells where it was taken from."""
    windows = make_windows()
    buffered, shards = limit(BufferedWindows(windows, 1.0, 4000), 3), windows.shards
    assert windows.statistics is not None
    offsets = np.cumsum([0, *map(len, shards.audio_maps)])[:-1]
    first = offsets[shards.shard] + shards.first
    for step in range(40):
        batch = buffered.random(8, 0, step)
        assert batch.world is not None and batch.statistics is not None
        for samples, length, speaker, target, moments in zip(
            batch.samples.numpy(), batch.lengths.tolist(), batch.speakers, batch.world.numpy(), batch.statistics,
            strict=True,
        ):  # fmt: skip
            number = 4 * int(samples[0])
            i = int(np.flatnonzero((first <= number) & (number < first + shards.length))[0])
            place = number - int(first[i])
            assert (
                np.array_equal(samples[:length], shards.samples(i, place, place + SIZE)) and not samples[length:].any()
            )
            frames = shards.world(i, place // world.FRAME, place // world.FRAME + 10)
            assert np.array_equal(target.T[: len(frames)], frames.astype(np.float32))
            assert NAMES[int(speaker)] == shards.speakers[i] and torch.equal(
                moments, torch.tensor(windows.statistics[i])
            )


def test_even_windows_are_those_of_the_whole_dump():
    windows = make_windows()
    buffered = limit(BufferedWindows(windows, 1.0, 4000), 3)
    assert same(windows.even(5), buffered.even(5))
    buffered.random(8, 0, 3)
    assert same(windows.even(5), buffered.even(5))


def test_a_batch_is_a_function_of_seed_step_and_process():
    one = limit(BufferedWindows(make_windows(), 1.0, 4000), 3)
    before = {step: one.random(8, 1, step) for step in range(30)}
    for step in (29, 7, 18):
        resumed = limit(BufferedWindows(make_windows(), 1.0, 4000), 3)
        assert same(resumed.random(8, 1, step), before[step])
    assert not same(one.random(8, 2, 7), before[7])
    four = [one.random(2, 1, 7, process).samples for process in range(4)]
    assert len({tuple(part.flatten().tolist()) for part in four}) == 4


def test_each_block_is_read_once_an_epoch_and_every_window_from_memory(monkeypatch: pytest.MonkeyPatch):
    buffered = limit(BufferedWindows(make_windows(), 1.0, 4000), 4)
    blocks, reads = len(buffered._bounds) - 1, []
    monkeypatch.setattr(
        buffered, "_read", lambda number: reads.append(number) or BufferedWindows._read(buffered, number)
    )
    for access in ("samples", "world"):
        monkeypatch.setattr(Shards, access, lambda *_: pytest.fail("a read of its own"))
    steps = 0
    while len(reads) < 3 * blocks:
        batch, steps = buffered.random(4, 5, steps), steps + 1
        assert batch.samples.any()
    assert blocks > 6 and sorted(reads[:blocks]) == list(range(blocks))
    again = [a == b for a, b in zip(reads[4:], reads[4 + blocks :], strict=False)]
    assert np.mean(again) < 0.5, "another order in each epoch"
    drawn = steps * 4 * SIZE
    assert drawn == pytest.approx((3 * blocks - 4) * buffered._mean, rel=0.15), "a block's worth of windows for a block"


def test_all_utterances_are_drawn_in_proportion():
    windows = make_windows()
    buffered = limit(BufferedWindows(windows, 1.0, 4000), 4)
    length = np.maximum(windows.shards.length, SIZE)
    counts = np.zeros(len(length))
    draw = buffered._batch
    buffered._batch = lambda utterances, frames: (np.add.at(counts, utterances, 1), draw(utterances, frames))[1]
    for step in range(2000):
        buffered.random(16, 9, step)
    share, expected = counts / counts.sum(), length / length.sum()
    assert np.abs(share / expected - 1).max() < 0.25


def test_a_dump_of_files_is_read_by_blocks(small_data, tmp_path: Path):
    dump, _ = write_shards(small_data, tmp_path / "dump", shard_samples=40_000)
    buffered = limit(BufferedWindows(Windows(dump, NAMES, 3200), 1.0, 15_000), 2)
    assert len(buffered._bounds) - 1 > 4
    for step in range(20):
        batch = buffered.random(4, 0, step)
        assert batch.world is None and batch.samples.shape == (4, 3200) and batch.samples.any(1).all()
