import os
import signal
from dataclasses import replace
from itertools import product

import pytest
import torch
import torch.multiprocessing as mp

from tests.training.resuming import check_resuming
from vqspeech.conf import load_config
from vqspeech.data.dump import read_shards
from vqspeech.errors import ConfigError, SpeakerError
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.models.quantize import QUANTIZERS, make_quantizer
from vqspeech.models.quantize.replacement import POLICIES, AsPublished, ByBatches
from vqspeech.models.vqvae import VQVAE
from vqspeech.training import trainer as training
from vqspeech.training.optimizer import learning_rate
from vqspeech.training.speech import SpeechTask
from vqspeech.training.trainer import Trainer

TINY = [
    "encoder.channels=12", "encoder.latents=6", "quantizer.codes=16", "training.batch=3", "training.seconds=0.16",
    "training.evaluate_every=3", "training.evaluate_batches=2", "training.listen_every=1000", "training.steps=8",
    "training.warmup=2", "training.precision=fp32",
]  # fmt: skip
WORLD = [*TINY, "decoder.layers=2", "decoder.channels=12", "decoder.dropout=0.1"]
WAVENET = [
    *TINY,
    "training.encoder=null",
    "decoder.layers=3",
    "decoder.cycle=3",
    "decoder.residual=8",
    "decoder.skip=8",
    "decoder.condition=6",
]
FRAMES = [f"decoder.frames.{option.split('.', 1)[1]}" for option in WORLD if option.startswith("decoder.")]
KINDS = {
    "librispeech_world": WORLD,
    "mini_wavenet": WAVENET,
    "vctk": WAVENET,
    "librispeech_wavenet": [*WAVENET, *FRAMES, "training.keep_from=0"],
}


def trainer(name, data, out, *overrides, restart=False):
    return Trainer(SpeechTask(load_config(name, [*KINDS[name], *overrides]), data, data), out, restart)


@pytest.mark.parametrize("name", list(KINDS))
def test_resuming_after_a_kill_gives_the_same_losses(name, small_shards, tmp_path, monkeypatch):
    check_resuming(lambda out: trainer(name, small_shards, out), tmp_path, monkeypatch)
    lines = [(tmp_path / run / "curves.jsonl").read_text().splitlines() for run in ("whole", "killed")]
    assert [len(part) for part in lines] == [3, 3]


def test_ctrl_c_saves_and_stops(small_shards, tmp_path, monkeypatch):
    run = trainer("librispeech_world", small_shards, tmp_path)
    one_step = Trainer._one_step

    def interrupted(self, counts):
        if self.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return one_step(self, counts)

    monkeypatch.setattr(Trainer, "_one_step", interrupted)
    ended = run.train()
    assert ended.interrupted and ended.step == 5
    assert trainer("librispeech_world", small_shards, tmp_path).step == 5


def test_another_configuration_is_not_resumed(small_shards, tmp_path):
    trainer("librispeech_world", small_shards, tmp_path).train()
    with pytest.raises(ConfigError, match="another --out"):
        trainer("librispeech_world", small_shards, tmp_path, "encoder.channels=14")
    assert trainer("librispeech_world", small_shards, tmp_path, "training.steps=10").train().step == 10


def test_training_learns_and_its_codes_are_heard(small_shards, tmp_path):
    run = trainer(
        "librispeech_world", small_shards, tmp_path, "training.steps=150", "training.evaluate_every=50",
        "training.lr=3e-3", "training.batch=8", "encoder.channels=32", "decoder.channels=32",
        "training.listen_every=150",
    )  # fmt: skip
    run.train()
    _, about = checkpoint.read(tmp_path / "best.safetensors")
    figures = about["figures"]
    assert figures["decoder"] < 1.5
    assert figures["shuffle_gap"] > 0.1, "shuffled codes must cost something: the decoder listens"
    assert 2 < figures["perplexity"] <= figures["used"] <= 16
    assert VQVAE.from_pretrained(tmp_path / "best.safetensors").speakers == ["high", "low"]
    assert any((tmp_path / "tensorboard").iterdir())


def test_what_a_checkpoint_tells_of_its_making(small_shards, tmp_path):
    told = replace(small_shards, genders={"high": "f"})
    trainer("librispeech_world", told, tmp_path, "training.steps=3").train()
    assert VQVAE.from_pretrained(tmp_path).genders == {"high": "f"}
    assert checkpoint.read(tmp_path / "best.safetensors", "none.")[1]["command"]
    assert trainer("librispeech_world", small_shards, tmp_path, "training.steps=3").step == 3, "they do not matter"


def test_a_decoder_for_the_codes_of_another_model(small_shards, tmp_path):
    trainer("librispeech_world", small_shards, tmp_path / "first").train()
    first = tmp_path / "first" / "best.safetensors"
    run = trainer("mini_wavenet", small_shards, tmp_path / "second", f"training.encoder={first}")
    run.train()
    one, two = (VQVAE.from_pretrained(path) for path in (first, tmp_path / "second" / "last.safetensors"))
    assert one.fingerprint() == two.fingerprint(), "encoder and codebook are kept"
    assert not any(torch.isnan(parameter).any() for parameter in two.decoder.parameters())
    trainer("mini_wavenet", small_shards, tmp_path / "warped", f"training.encoder={first}", "frontend.warp=0.1")
    with pytest.raises(ConfigError, match="its encoder is"):
        trainer("mini_wavenet", small_shards, tmp_path / "third", f"training.encoder={first}", "encoder.channels=10")


def test_a_model_starts_from_the_encoder_of_another(small_shards, tmp_path):
    first = trainer("librispeech_world", small_shards, tmp_path / "first")
    first.train()
    start = f"training.start={tmp_path}/first/best.safetensors"
    run = trainer(
        "librispeech_world", small_shards, tmp_path / "second", start, "quantizer=gradient", "training.lr=1e-3"
    )
    saved = Coder.from_pretrained(tmp_path / "first").encoder.state_dict()
    begun = {name: tensor.clone() for name, tensor in run.task.model.encoder.state_dict().items()}
    assert all(torch.equal(begun[name], tensor) for name, tensor in saved.items())
    assert run.task.sources["start"] == Coder.from_pretrained(tmp_path / "first").fingerprint()
    run.train()
    assert any(not torch.equal(begun[name], tensor) for name, tensor in run.task.model.encoder.state_dict().items())
    other = trainer("librispeech_world", small_shards, tmp_path / "third", start, "encoder.channels=10")
    assert other.task.model.config["encoder"] == run.task.model.config["encoder"], "its options are the other's"
    with pytest.raises(ConfigError, match="its frontend is .*; give a checkpoint with the same kind of frontend"):
        trainer("librispeech_world", small_shards, tmp_path / "fifth", start, "frontend=logmel")
    with pytest.raises(ConfigError, match="give one"):
        trainer("librispeech_world", small_shards, tmp_path / "fourth", start, start.replace("start", "encoder"))


def test_a_wavenet_for_the_frames_of_another_model(small_shards, tmp_path):
    trainer("librispeech_world", small_shards, tmp_path / "first").train()
    first = tmp_path / "first" / "best.safetensors"
    taken = f"training.encoder={first}"
    trainer("librispeech_wavenet", small_shards, tmp_path / "second", taken).train()
    one, two = (VQVAE.from_pretrained(path) for path in (first, tmp_path / "second" / "last.safetensors"))
    assert one.fingerprint() == two.fingerprint()
    frames = two.state_dict()
    kept = {name.replace("decoder.", "decoder.frames."): value for name, value in one.state_dict().items()}
    assert all(torch.equal(frames[name], value) for name, value in kept.items() if name != "pitch"), "kept as well"
    trainer("librispeech_wavenet", small_shards, tmp_path / "alone").train()
    alone = VQVAE.from_pretrained(tmp_path / "alone" / "last.safetensors").state_dict()
    name = "decoder.frames.output.weight"
    assert not torch.equal(alone[name], frames[name]), "nothing is taken: all learns"
    with pytest.raises(ConfigError, match="its decoder is .*'layers': 2.*'layers': 3"):
        trainer("librispeech_wavenet", small_shards, tmp_path / "third", taken, "decoder.frames.layers=3")


def test_models_are_kept_at_every_doubling(small_shards, tmp_path):
    run = ["training.steps=7", "training.keep_from=1"]
    trainer("mini_wavenet", small_shards, tmp_path / "a", *run).train()
    kept = sorted((tmp_path / "a" / "kept").iterdir())
    assert [path.name for path in kept] == ["00000001", "00000002", "00000004", "00000007"]
    abouts = [checkpoint.read(path / "best.safetensors", "none.")[1] for path in kept]
    assert [about["step"] for about in abouts] == [1, 2, 4, 7]
    assert [about["figures"]["samples_seen"] for about in abouts] == [step * 3 * 2560 for step in (1, 2, 4, 7)]
    paths = [*(path / "best.safetensors" for path in kept), tmp_path / "a" / "last.safetensors"]
    one, two, *_, end, last = (checkpoint.read(path)[0]["model.decoder.embedding.weight"] for path in paths)
    assert not torch.equal(one, two) and torch.equal(end, last)
    trainer("mini_wavenet", small_shards, tmp_path / "b", "training.steps=7").train()
    assert not (tmp_path / "b" / "kept").exists(), "by choice"


def test_unknown_dev_speaker_is_refused(small_data, small_shards, tmp_path):
    from vqspeech.data.dump import write_shards

    high, _ = write_shards(small_data.subset(speakers=["high"]), tmp_path / "high", with_world=True)
    with pytest.raises(SpeakerError, match="low"):
        SpeechTask(load_config("librispeech_world", WORLD), high, small_shards)


def test_world_decoder_needs_world_frames(small_data, tmp_path):
    from vqspeech.data.dump import write_shards

    bare, _ = write_shards(small_data, tmp_path / "bare")
    with pytest.raises(ConfigError, match="dump --world"):
        trainer("librispeech_world", bare, tmp_path)
    assert trainer("mini_wavenet", bare, tmp_path).train().step == 8


def test_learning_rate():
    options = {"lr": 1.0, "lr_end": 0.1, "warmup": 4, "steps": 24}
    assert [learning_rate(step, options) for step in (0, 3, 4)] == [0.25, 1.0, 1.0]
    assert learning_rate(14, options) == pytest.approx(0.55)
    assert learning_rate(24, options) == pytest.approx(0.1)


def test_precision_is_checked(small_shards, tmp_path):
    with pytest.raises(ConfigError, match="training.precision=fp8: give one of auto, fp32, bf16"):
        trainer("librispeech_world", small_shards, tmp_path, "training.precision=fp8")


# Two processes


def _ranked(rank, port, function, arguments):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    function(rank, *arguments)


def two_processes(function, *arguments):
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mp.spawn(_ranked, (port, function, arguments), nprocs=2)  # pyright: ignore


def _codebooks(rank, z, out):
    torch.distributed.init_process_group("gloo")
    half, mask = z[rank : rank + 1], torch.ones(1, z.shape[2], dtype=torch.bool)
    states = {}
    for name, unit in product(QUANTIZERS, POLICIES):
        torch.manual_seed(rank)
        book = make_quantizer(name, 5, 3, revive_below=0.5, revive_by=unit).train()
        book(half, mask)  # the first fit, each process with its own data and random state
        fitted = {key: tensor.clone() for key, tensor in book.state_dict().items()}
        policy, book.replacement = book.replacement, None
        book(half, mask)
        moved = {key: tensor.clone() for key, tensor in book.state_dict().items()}
        book.replacement = policy
        if unit != "vectors":
            ByBatches.PERIOD = AsPublished.PERIOD = 2  # pyright: ignore
            policy.uses[0] = -1000.0  # pyright: ignore
        book.counts[0] = 0.01
        book(half, mask)  # one code at least is replaced
        states[name, unit] = (fitted, moved, book.state_dict())
    torch.save(states, out / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_keep_one_codebook(tmp_path):
    z = torch.randn(2, 3, 40)
    two_processes(_codebooks, z, tmp_path)
    ours, theirs = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for (name, unit), states in ours.items():
        for mine, other in zip(states, theirs[name, unit], strict=True):
            assert all(torch.equal(mine[key], other[key]) for key in mine), name
        if name == "soft_em":
            continue  # each process draws its own samples
        # and it is the codebook of one process that sees all the data
        fitted, moved, replaced = states
        single = make_quantizer(name, 5, 3, revive_below=0.0).train()
        single.load_state_dict({key: value for key, value in fitted.items() if not key.startswith("replacement.")})
        single(z, torch.ones(2, 40, dtype=torch.bool))
        for key, tensor in single.state_dict().items():
            torch.testing.assert_close(moved[key], tensor)
        assert not torch.equal(replaced["weight"][0], moved["weight"][0])


def _train(rank, data, out):
    run = trainer("librispeech_world", read_shards(data), out, "training.accumulate=2")
    assert run.accelerator.num_processes == 2
    ended = run.train()
    state = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    torch.save((ended.losses, state), out / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_train_one_model(small_shards, tmp_path):
    two_processes(_train, small_shards.path, tmp_path)
    (losses, first), (others, second) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert losses != others, "each process draws its own windows"
    assert all(torch.equal(first[name], second[name]) for name in first if name != "pitch")
    assert training.checkpoint.read(tmp_path / "last.safetensors")[1]["step"] == 8
