"""Masked prediction: what is predicted and from what, that it is learned, and that it goes on where it stopped."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import mutual_info_score

from tests.conftest import buzz
from vqspeech import loudness
from vqspeech.cli import main
from vqspeech.conf import load_config
from vqspeech.data.datadir import DataDir
from vqspeech.data.dump import write_shards
from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.training import content_features, masked
from vqspeech.training.content_features import Speech, mutual_information
from vqspeech.training.masked import MaskedTraining, check_config, train_content

TINY = [
    "encoder.latents=32", "encoder.depth=2", "encoder.layer=1", "encoder.heads=2", "quantizer.codes=8",
    "training.rounds=2", "training.coarse=[8,8]", "training.fine=[12,12]", "training.batch=4", "training.seconds=1",
    "training.minutes=0.05",
]  # fmt: skip


def utterances(count: int = 10) -> list[np.ndarray]:
    """Normalised utterances of changing sounds, of 1.2 to 2.6 s, a pause in every third."""
    made = []
    for i in range(count):
        parts = [buzz(0.2, 90 + 23 * ((i + j) % 5), j % 4) for j in range(6 + i % 8)]
        if i % 3 == 0:
            parts.insert(3, np.zeros(9600, np.float32))
        made.append(loudness.normalise(np.concatenate(parts)).samples[: -100 * (i % 2) or None])
    return made


def training(*overrides: str, count: int = 10) -> MaskedTraining:
    return MaskedTraining(
        load_config("content_small", [*TINY, *overrides]), Speech.join(iter(utterances(count))), log=print
    )


def test_utterances_are_joined_on_the_grid():
    parts = utterances(4)
    speech = Speech.join(iter(parts))
    assert len(speech) == 4 and (speech.starts % 320 == 0).all()
    ends = [*speech.starts[1:], len(speech.samples)]
    for part, start, length, end in zip(parts, speech.starts, speech.lengths, ends, strict=True):
        first, last = start + 1600, start + 1600 + len(part)  # 100 ms of silence on either side
        assert np.array_equal(speech.samples[first:last], part) and last + 1600 == start + length
        assert not speech.samples[start:first].any() and not speech.samples[last:end].any()


def test_statistics_are_the_front_ends():
    made = training()
    for i, part in enumerate(utterances()):  # the silence around them plays no part
        torch.testing.assert_close(
            made.statistics[i], made.frontend.statistics(torch.from_numpy(np.pad(part, (0, -len(part) % 320))))
        )


@pytest.mark.parametrize("round_", [0, 1])
def test_targets_are_clusters_of_speech_alone(round_):
    made = training()
    made.round = round_
    targets = made.compute_targets()
    assert targets.shape == (len(made.samples) // 320, 2)
    assert set(targets[:, 0].tolist()) <= {-1, *range(8)} and set(targets[:, 1].tolist()) <= {-1, *range(12)}
    assert len(targets[:, 0].unique()) > 5
    assert torch.equal(targets[:, 0] < 0, targets[:, 1] < 0)
    silent = torch.from_numpy(made.speech.samples).view(-1, 320).abs().amax(1) == 0
    assert (targets[silent, 0] < 0).sum() > 5, "in pauses longer than the margin around speech"
    assert (targets[~silent, 0] >= 0).float().mean() > 0.95


def test_clusters_are_about_as_good_as_scikit_learns():
    made = training()
    vectors = torch.randn(2000, 3) * torch.tensor([3.0, 2.0, 1.0])
    centres = made.fit_clusters(vectors, 8)
    ours = torch.cdist(vectors, centres).min(1).values.square().sum()
    theirs = float(KMeans(8, n_init=10, random_state=0).fit(vectors.numpy()).inertia_ or 0)  # pyright: ignore
    assert ours < 1.1 * theirs


def test_mutual_information_is_scikit_learns():
    one, other = torch.randint(0, 7, (500,)), torch.randint(0, 7, (500,))
    other[:300] = one[:300]
    assert mutual_information(one, other, 7) == pytest.approx(mutual_info_score(one.numpy(), other.numpy()))


def test_the_layer_is_chosen_the_same_again_and_by_what_survives_warping(monkeypatch):
    made = training()
    assert made.choose_layer() == made.choose_layer()
    width = made.encoder.latents

    def compute_features(layers, groups, warp=False):
        torch.manual_seed(0)
        kept = torch.randn(400, width)
        torch.manual_seed(1 + warp)
        return [(kept if layer == 2 else torch.randn(400, width)).half() for layer in layers]

    monkeypatch.setattr(made, "compute_features", compute_features)
    assert made.choose_layer() == 2


@pytest.mark.parametrize(("lower", "chosen"), [(0.99, 1), (0.97, 2)])
def test_a_lower_layer_that_is_nearly_as_consistent_is_taken(monkeypatch, lower, chosen):
    made, found = training(), iter([lower, 1.0])
    monkeypatch.setattr(content_features, "mutual_information", lambda *_: next(found))
    assert made.choose_layer() == chosen


def test_perturbed_frames_leave_silence_alone():
    made = training()
    frames = torch.randn(3, 80, 50)
    frames[:, :, 20:30] = 0
    changed = made.perturb(frames)
    assert not changed[:, :, 20:30].any() and (changed - frames).abs().mean() > 0.01


def test_losses_are_cross_entropies_of_hidden_steps():
    made = training("training.share=0.5", "training.span=3")
    heads = [torch.nn.Linear(32, size) for size in (8, 12)]
    made.heads = torch.nn.ModuleList(heads)
    with torch.no_grad():
        for tensor in made.heads.parameters():
            tensor.zero_()
    samples = torch.from_numpy(made.speech.samples[:16000])[None]
    inside = torch.ones(1, 16000, dtype=torch.bool)
    wanted = torch.zeros(1, 50, 2, dtype=torch.long)
    made.encoder.train()
    losses = made.compute_losses(samples, inside, made.statistics[:1], wanted)
    chance = pytest.approx([math.log(8), math.log(12)], rel=1e-4)
    assert losses[0].tolist() == chance and losses[1].tolist() == chance
    heads[0].bias.data[0] = 5.0
    assert made.compute_losses(samples, inside, made.statistics[:1], wanted)[:, 0].max() < 0.1
    nothing = made.compute_losses(samples, inside, made.statistics[:1], torch.full_like(wanted, -1))
    assert nothing.tolist() == [[0, 0], [0, 0]], "steps without a cluster do not count"
    made.options = replace(made.options, share=0.999)
    assert made.compute_losses(samples, inside, made.statistics[:1], wanted)[1].tolist() == [0, 0], "all are hidden"


def test_it_learns_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    made = training("training.minutes=1", "training.share=0.3", "training.span=4", "training.lr=3e-3")
    clock = itertools.count()
    monkeypatch.setattr(masked.time, "perf_counter", lambda: next(clock) * 0.3)  # steps, however busy the machine
    made.run(tmp_path / "last.safetensors")
    assert [one["round"] for one in made.history] == [1, 2] and made.history[0]["steps"] > 50
    assert made.history[0]["coarse"] < 0.97 * math.log(8), "better than chance"
    again = training()
    again.load(tmp_path / "last.safetensors")
    assert (again.round, again.step) == (2, made.step)
    for name, tensor in made.encoder.state_dict().items():
        torch.testing.assert_close(again.encoder.state_dict()[name], tensor, atol=1e-2, rtol=1e-2)
    with pytest.raises(CheckpointError, match="its encoder is"):
        training("encoder.latents=64").load(tmp_path / "last.safetensors")


def test_another_codebook_for_what_is_learned(tmp_path, monkeypatch, small_shards):
    clock = itertools.count()
    monkeypatch.setattr(masked.time, "perf_counter", lambda: next(clock) * 0.3)
    made = training("training.minutes=0.3")
    made.run(tmp_path / "last.safetensors")
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "last.safetensors", "round-1.safetensors", "round-2.safetensors"
    ]  # fmt: skip
    first, second = (checkpoint.read(tmp_path / f"round-{n}.safetensors")[1] for n in (1, 2))
    assert (first["round"], second["round"]) == (1, 2) and first["step"] < second["step"]
    start = f"training.start={tmp_path / 'round-1.safetensors'}"
    other = [*TINY, start, "training.rounds=1", "encoder.hop=4", "quantizer.codes=5"]
    train_content(load_config("content_small", other), small_shards, small_shards, tmp_path / "other", print)
    model, whole = Coder.from_pretrained(tmp_path / "other"), checkpoint.read(tmp_path / "round-1.safetensors")[0]
    assert model.rate == 25 and model.quantizer.size == 5
    assert model.config["encoder"]["layer"] == first["config"]["encoder"]["layer"]
    for name, tensor in model.encoder.named_parameters():
        assert torch.equal(tensor.half().float(), whole[f"model.encoder.{name}"].float()), name
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == ["best.safetensors"]


def test_what_cannot_be_gone_on_from_is_refused(tmp_path, small_shards, small_data):
    train_content(
        load_config("content_small", [*TINY, "training.rounds=1"]), small_shards, small_shards, tmp_path, print
    )
    other = write_shards(DataDir(list(small_data)[1:]), tmp_path / "other")[0]
    with pytest.raises(ConfigError, match="was trained on other data"):
        train_content(load_config("content_small", TINY), other, small_shards, tmp_path, print)
    start = [*TINY, f"training.start={tmp_path / 'best.safetensors'}"]
    with pytest.raises(CheckpointError, match="no training by masked prediction"):
        train_content(load_config("content_small", start), other, small_shards, tmp_path / "new", print)
    start = [*TINY, "encoder.latents=64", f"training.start={tmp_path / 'last.safetensors'}"]
    with pytest.raises(CheckpointError, match="its encoder is"):
        train_content(load_config("content_small", start), other, small_shards, tmp_path / "new", print)


def test_utterances_of_nothing_cost_no_training():
    some = [*utterances(4), np.zeros(16000, np.int16), np.zeros(1, np.int16), utterances(1)[0][4000:4100]]
    made = MaskedTraining(
        load_config("content_small", [*TINY, "training.rounds=1"]), Speech.join(iter(some)), log=lambda _: None
    )
    assert torch.isfinite(made.statistics).all()
    made.run()
    assert all(torch.isfinite(one).all() for one in made.model.state_dict().values())
    assert made.export_coder().encode_normalised(some[0]).shape == (-(-len(some[0]) // 320),)


def test_rounds_without_time_say_so(capsys):
    made = training("training.minutes=1e-9", "training.rounds=1")
    made.run()
    assert "raise training.minutes" in capsys.readouterr().out


def test_visible_steps_count_where_they_are_asked_for(monkeypatch):
    made = training("training.minutes=0.05", "training.visible=0.5", "training.rounds=1")
    alone = training("training.minutes=0.05", "training.visible=0", "training.rounds=1")
    moved = []
    for one in (made, alone):
        clock = itertools.count()
        monkeypatch.setattr(masked.time, "perf_counter", lambda clock=clock: next(clock) * 0.3)
        monkeypatch.setattr(
            one,
            "compute_losses",
            lambda *_, one=one: torch.stack([one.heads[0].bias[:2] * 0, one.heads[0].bias[:2]]),  # pyright: ignore
        )
        one.run()
        moved.append(one.heads[0].bias.detach()[:2].clone())  # pyright: ignore
    assert (moved[0] < moved[1]).all(), "only the visible part has a gradient"


def test_a_coder_comes_out(small_shards, tmp_path, capsys):
    figures = train_content(load_config("content_small", TINY), small_shards, small_shards, tmp_path, print)
    assert 0 < figures["variance left over"] < 1 and 1 < figures["used"] <= 8
    model = Coder.from_pretrained(tmp_path)
    assert model.rate == 50 and model.config["encoder"]["depth"] == model.config["encoder"]["layer"]
    codes = model.encode_normalised(small_shards.samples(0))
    whole = Coder.from_pretrained(tmp_path / "last.safetensors")
    assert (codes == whole.encode_normalised(small_shards.samples(0))).mean() > 0.9  # float16 there
    assert checkpoint.read(tmp_path / "best.safetensors", "none.")[1]["figures"] == figures


def test_more_codebooks_for_the_same_features(tmp_path):
    made = training()
    made.finish()
    before = made.export_coder().encode_latents(made.speech.samples[:32000])
    made.save_codebooks(tmp_path / "books.safetensors", {"units": (4, [6]), "two": (2, [5, 7])})
    tensors, about = checkpoint.read(tmp_path / "books.safetensors")
    assert tensors["units.0"].shape == (6, 32) and tensors["two.1"].shape == (7, 32)
    assert about["books"] == {"units": [4, [6]], "two": [2, [5, 7]]}
    torch.testing.assert_close(made.export_coder().encode_latents(made.speech.samples[:32000]), before)


def test_the_command_trains_it(small_shards, tmp_path):
    overrides = [*TINY, "training.rounds=1"]
    shards = str(small_shards.path)
    assert (
        main(
            [
                "train",
                "--conf",
                "content_small",
                "--train",
                shards,
                "--dev",
                shards,
                "--out",
                str(tmp_path / "e"),
                *overrides,
            ]
        )
        == 0
    )
    assert (tmp_path / "e" / "best.safetensors").is_file()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.rounds=4", "name the clusters of fewer"),
        ("training.share=1", "training.share"),
        ("training.minutes=0", "training.minutes"),
        ("+training.lanes=3", "lanes"),
    ],
)
def test_options_that_cannot_be_are_named(override, message):
    with pytest.raises(ConfigError, match=message):
        check_config(load_config("content_small", [*TINY, override]))
