"""A prior under the trainer: learning, exact resuming, the gap, refusals."""

import json

import numpy as np
import pytest

from tests.training.resuming import check_resuming
from vqspeech.conf import load_config
from vqspeech.data.units import Units
from vqspeech.errors import ConfigError, SpeakerError, UnitsError
from vqspeech.metrics.measures.kneser_ney import KneserNey
from vqspeech.models import checkpoint
from vqspeech.models.prior import LatentPrior
from vqspeech.training.prior import PriorTask, SpokenUnits
from vqspeech.training.speech import SpeechTask
from vqspeech.training.trainer import Trainer

TINY = [
    "training.batch=4", "training.length=24", "training.steps=8", "training.warmup=2", "training.evaluate_every=3",
    "training.evaluate_batches=2", "training.precision=fp32",
]  # fmt: skip
KINDS = {
    "wavenet_small": ["prior.layers=4", "prior.cycle=4", "prior.residual=12", "prior.skip=16"],
    "transformer_small": ["prior.layers=2", "prior.width=16", "prior.window=12"],
}
SIZE = 8


def spoken(seed, utterances=12, sha256="0" * 64):
    """Codes that hang on the one four before: a step of 1, or of 2 for the second voice, and a little noise."""
    random = np.random.default_rng(seed)
    codes, voices = {}, {}
    for i in range(utterances):
        one = random.integers(0, SIZE, 60)
        for t in range(4, 60):
            if random.random() < 0.9:
                one[t] = (one[t - 4] + 1 + i % 2) % SIZE
        codes[f"u{i:02d}"], voices[f"u{i:02d}"] = one, "ab"[i % 2]
    return SpokenUnits(Units(codes, 50.0, SIZE, "m", sha256), voices)


def trainer(kind, out, *overrides, train=None, dev=None):
    resolved = load_config("mini_prior", [f"prior={kind}", *TINY, *KINDS[kind], *overrides])
    return Trainer(PriorTask(resolved, train or spoken(0), dev or spoken(1)), out)


@pytest.mark.parametrize("kind", list(KINDS))
def test_resuming_after_a_kill_gives_the_same_losses(kind, tmp_path, monkeypatch):
    check_resuming(lambda out: trainer(kind, out), tmp_path, monkeypatch)


@pytest.mark.parametrize("kind", list(KINDS))
def test_it_learns_more_than_a_trigram_and_who_speaks(kind, tmp_path):
    train, dev = spoken(0, 60), spoken(1, 20)
    longer = ("training.steps=250", "training.evaluate_every=125", "training.batch=16", "training.lr=1e-2")
    trainer(kind, tmp_path, *longer, "prior.dropout=0", train=train, dev=dev).train()
    prior = LatentPrior.from_pretrained(tmp_path / "best.safetensors")
    codes = list(dev.units.codes.values())
    voices, others = list(dev.voices.values()), [{"a": "b", "b": "a"}[voice] for voice in dev.voices.values()]
    told, untold, wrong = (
        np.concatenate(prior.bits(codes, given)).mean() for given in (voices, [None] * len(codes), others)
    )
    trigram = KneserNey.of(train.units, 3)
    assert told < np.concatenate([trigram.bits(one) for one in codes]).mean() - 0.5
    assert told < untold < wrong
    lines = [json.loads(line) for line in (tmp_path / "curves.jsonl").read_text().splitlines()]
    assert lines[-1]["gap"] == pytest.approx(lines[-1]["bits"] - lines[-1]["train_bits"])
    assert lines[-1]["codes_seen"] == 250 * 16 * 24


def test_what_it_knows_by_heart_shows(tmp_path):
    noise = SpokenUnits(Units({"u": np.random.default_rng(0).integers(0, SIZE, 60)}, 50.0, SIZE, "m", "0" * 64))
    longer = ("training.steps=120", "training.evaluate_every=120", "training.lr=1e-2", "prior.dropout=0")
    other = SpokenUnits(Units({"v": np.random.default_rng(1).integers(0, SIZE, 60)}, 50.0, SIZE, "m", "0" * 64))
    trainer("transformer_small", tmp_path, *longer, train=noise, dev=other).train()
    figures = checkpoint.read(tmp_path / "best.safetensors")[1]["figures"]
    assert figures["gap"] > 1 and figures["bits"] > 3


def test_refusals(tmp_path):
    with pytest.raises(UnitsError, match="has other codes"):
        trainer("wavenet_small", tmp_path, dev=spoken(1, sha256="1" * 64))
    nobody = SpokenUnits(spoken(0).units)
    with pytest.raises(SpeakerError, match="units of speakers a, b"):
        trainer("wavenet_small", tmp_path, train=nobody)
    trainer("wavenet_small", tmp_path).train()
    with pytest.raises(ConfigError, match="another --out"):
        trainer("wavenet_small", tmp_path, "prior.skip=20")
    with pytest.raises(ConfigError, match="another --out"):
        trainer("wavenet_small", tmp_path, train=spoken(0, sha256="1" * 64), dev=spoken(1, sha256="1" * 64))
    for other in ({"train": spoken(2)}, {"dev": spoken(2)}, {"dev": nobody}, {"train": nobody, "dev": nobody}):
        with pytest.raises(ConfigError, match="--restart trains from the start; or choose another --out"):
            trainer("wavenet_small", tmp_path, **other)
    assert trainer("wavenet_small", tmp_path / "other", dev=nobody).model.speakers == ["a", "b"]


def test_the_kind_of_configuration_fits_the_data(small_shards):
    with pytest.raises(ConfigError, match="trained on units; use `vqspeech prior`"):
        SpeechTask(load_config("mini_prior"), small_shards, small_shards)
    with pytest.raises(ConfigError, match="units train one of judge_prior, mini_prior, prior"):
        PriorTask(load_config("mini_world"), spoken(0), spoken(1))


@pytest.fixture
def clock(monkeypatch):
    """A clock on which a step takes three seconds, and learning rates of the steps made."""
    now, rates, one_step = [100.0], [], Trainer._one_step

    def step(self, counts):
        loss = one_step(self, counts)
        rates.append(self.optimizer.param_groups[0]["lr"])
        now[0] += 3.0
        return loss

    monkeypatch.setattr(Trainer, "_one_step", step)
    monkeypatch.setattr("vqspeech.training.trainer.time.perf_counter", lambda: now[0])
    return now, rates


BUDGET = ("training.steps=1000", "training.minutes=0.5", "training.evaluate_every=4", "training.lr_end=1e-5")


def test_a_budget_of_minutes_ends_the_run_and_the_learning_rate_follows_it(clock, tmp_path):
    ended = trainer("wavenet_small", tmp_path, *BUDGET).train()
    assert ended.step == 10 and len(ended.losses) == 10, "30 seconds of 3 a step"
    about = checkpoint.read(tmp_path / "last.safetensors")[1]
    assert about["step"] == 10 and about["seconds"] == 30.0
    _, rates = clock
    top, wanted = 2e-3, [1e-3, 2e-3]  # two steps of warm-up
    wanted += [1e-5 + (top - 1e-5) * 0.5 * (1 + np.cos(np.pi * 3 * i / 30)) for i in range(2, 10)]
    assert rates == pytest.approx(wanted)
    curves = [json.loads(line) for line in (tmp_path / "curves.jsonl").read_text().splitlines()]
    assert [one["step"] for one in curves] == [4, 8, 10], "the last step is measured, too"


def test_sittings_share_the_budget(clock, tmp_path, messages):
    now, _ = clock
    first = trainer("wavenet_small", tmp_path, *BUDGET)
    first._stopped = lambda: first.step == 4  # a signal after four steps
    first._stop = True
    assert first.train().step == 4
    now[0] += 1e6  # days pass
    second = trainer("wavenet_small", tmp_path, *BUDGET)
    assert second.train().step == 10 and checkpoint.read(tmp_path / "last.safetensors")[1]["seconds"] == 30.0
    assert "0.2 of 0.5 minutes are spent" in messages()
    assert trainer("wavenet_small", tmp_path, *BUDGET).train().losses == [], "nothing is left of it"
    assert "step 10 was reached before" in messages()
    assert trainer("wavenet_small", tmp_path, *BUDGET, "training.minutes=1").train().step == 20
    fewer = trainer("wavenet_small", tmp_path / "steps", *BUDGET, "training.steps=6").train()
    assert fewer.step == 6, "whichever ends first"
