import math

import numpy as np
import pytest

from vqspeech.studies.runs import RunStore, load_arrays, mean_over_seeds, save_arrays


def test_interval_is_students():
    # Gosset's classical case: mean 3, deviation 1, n = 5; t(0.975, 4) = 2.776445.
    values = 3 + np.array([-1.0, -1.0, 0.0, 1.0, 1.0])
    found = mean_over_seeds(values)
    assert (found.value, found.n) == (3.0, 5)
    assert found.high - 3 == pytest.approx(2.776445 / math.sqrt(5), rel=1e-6)
    assert 3 - found.low == pytest.approx(found.high - 3)


def test_interval_holds_the_mean_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(1.0, 2.0, (400, 5))
    held = sum(found.low <= 1.0 <= found.high for found in map(mean_over_seeds, draws))
    assert 370 <= held <= 390


def test_few_values():
    assert mean_over_seeds([2.0]).value == 2.0 and math.isnan(mean_over_seeds([2.0]).low)
    assert math.isnan(mean_over_seeds([]).value)


def test_runs_are_made_once_and_survive_a_kill(tmp_path):
    path, made = tmp_path / "deep" / "runs.jsonl", []

    def run():
        made.append(1)
        return {"mse": 0.5}

    runs = RunStore(path)
    assert runs.load_or_run({"seed": 0, "name": "ema"}, run) == {"mse": 0.5}
    assert runs.load_or_run({"name": "ema", "seed": 0}, run) == {"mse": 0.5} and len(made) == 1
    runs.load_or_run({"name": "ema", "seed": 1}, run)
    path.write_bytes(path.read_bytes()[:-9])  # killed while it wrote
    again = RunStore(path)
    again.load_or_run({"seed": 0, "name": "ema"}, run)
    assert len(made) == 2
    again.load_or_run({"seed": 1, "name": "ema"}, run)
    again.load_or_run({"seed": 2, "name": "ema"}, run)
    assert len(made) == 4
    last = RunStore(path)
    for seed in range(3):
        last.load_or_run({"seed": seed, "name": "ema"}, run)
    assert len(made) == 4


@pytest.mark.parametrize("line", ["[]", "3", '{"settings": {"seed": 0}, "figures": [1]}', "[" * 9999, "\x00", "\xff"])
def test_damaged_runs_are_made_again(tmp_path, line):
    path = tmp_path / "runs.jsonl"
    path.write_bytes(f'{line}\n{{"settings": {{"seed": 0}}, "figures": {{"mse": null}}}}\n'.encode("latin-1"))
    assert RunStore(path).load_or_run({"seed": 0}, lambda: {"mse": 0.5}) == {"mse": 0.5}
    assert RunStore(path).load_or_run({"seed": 0}, lambda: {"mse": 0.7}) == {"mse": 0.5}


def test_arrays_are_kept_with_the_settings_that_made_them(tmp_path):
    path, arrays = tmp_path / "deep" / "a, b.npz", [np.ones((2, 3), np.float32), np.zeros((1, 2), np.float32)]
    assert load_arrays(path, {"seed": 0}) is None
    save_arrays(path, {"seed": 0, "steps": 200}, arrays)
    kept = load_arrays(path, {"steps": 200, "seed": 0})
    assert kept is not None and all(np.array_equal(a, b) for a, b in zip(kept, arrays, strict=True))
    assert load_arrays(path, {"seed": 0, "steps": 400}) is None, "of another study"
    whole = path.read_bytes()
    for damaged in (b"", whole[:-30], whole[:100], whole.replace(b"\x00\x00\x80?", b"\x00\x00\xc0\x7f", 1)):
        path.write_bytes(damaged)
        assert load_arrays(path, {"seed": 0, "steps": 200}) is None
