from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.models.test_vqvae import model as small_model
from vqspeech import audio
from vqspeech.data.pack import STEP, Pack
from vqspeech.errors import CheckpointError, ConfigError, ShardError, SpeakerError
from vqspeech.models import checkpoint
from vqspeech.training.packs import PackWindows, encode_pack, encode_perturbed
from vqspeech.training.voices import VoiceOptions, VoiceTraining, join_voice

OPTIONS = VoiceOptions(batch=4, seconds=0.32, reference_seconds=0.4, log_every=0.0, save_every=0.0)
DECODER = {"channels": 16, "bands": 12, "voice": 8}


def some_pack(seed: int = 0) -> Pack:
    """Two speakers with two and three utterances, one with one; of the dev set two. Each is a chord of its speaker."""
    generator = np.random.default_rng(seed)
    counts = {"a": 2, "b": 3, "c": 1, "d": 2, "e": 2}
    speakers = [name for name, count in counts.items() for _ in range(count)]
    lengths = generator.integers(10 * STEP, 30 * STEP, len(speakers))
    filled = -(-lengths // STEP) * STEP
    starts = np.concatenate([[0], np.cumsum(filled)[:-1]])
    samples = np.zeros(filled.sum(), dtype=np.int16)
    f0 = np.zeros(len(samples) // 160, dtype=np.float32)
    for start, length, speaker in zip(starts, lengths, speakers, strict=True):
        hertz = 90 + 40 * ord(speaker) % 160
        time = np.arange(length) / audio.RATE
        wave = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 12)) * np.sin(2 * np.pi * 2 * time)
        samples[start : start + length] = wave * 1500
        f0[start // 160 :][: length // 160] = hertz
    sets = ["dev" if speaker in "de" else "train" for speaker in speakers]
    names = [f"{speaker}-{i}" for i, speaker in enumerate(speakers)]
    return Pack(names, speakers, sets, samples, f0, starts, lengths)


def training(pack: Pack, options: VoiceOptions = OPTIONS, **about) -> VoiceTraining:
    latents = torch.randn(2, len(pack.samples) // 320, 6, generator=torch.Generator().manual_seed(0)).half()
    return VoiceTraining(pack, latents, 320, about, DECODER, options)


def test_windows_and_references_are_of_one_speaker():
    pack = some_pack()
    places = PackWindows(pack, pack.select("train"), 5 * STEP, torch.device("cpu"))
    assert places.names == ["a", "b", "c"]
    utterance, start, other, heard = places.draw(500, 4 * STEP)
    assert torch.equal(places.speakers[utterance], places.speakers[other])
    assert (start % STEP == 0).all() and (start + 5 * STEP <= places.lengths[utterance]).all()
    single = places.counts[places.speakers[utterance]] == 1
    assert (utterance == other).equal(single), "another recording, where there is one"
    assert (heard[~single] + 4 * STEP <= places.lengths[other[~single]]).all()
    drawn = torch.bincount(places.speakers[utterance], minlength=3)
    assert (drawn > 30).all()


def test_a_reference_in_the_same_recording_lies_clear_of_the_window():
    pack = some_pack()
    places = PackWindows(pack, pack.select("train"), 3 * STEP, torch.device("cpu"))
    utterance, start, other, heard = places.draw(500, 3 * STEP)
    same = utterance == other
    length = places.lengths[other[same], None]
    window = (start[same, None] + torch.arange(3 * STEP)) % length
    reference = (heard[same, None] + torch.arange(3 * STEP)) % length
    assert same.any()
    for one, two in zip(window[:40], reference[:40], strict=True):
        assert not set(one.tolist()) & set(two.tolist())


def test_what_a_step_reads_belongs_together():
    pack = some_pack()
    one = training(pack)
    one.draw_windows()
    assert one.target.shape == (4, 5120) and one.contour.shape == (4, 32) and one.vectors.shape == (4, 6, 16)
    whole = torch.from_numpy(pack.samples).float() / 32768
    for row in range(4):
        windows = whole.unfold(0, 5120, STEP)
        [place] = torch.nonzero((windows == one.target[row]).all(1)).flatten().tolist()[:1]
        variants = one.latents[:, place * 2 : place * 2 + 16].float()
        assert any(torch.equal(one.vectors[row], latents.T) for latents in variants)
        assert one.contour[row].exp().max() == pytest.approx(pack.f0[place * 4 : place * 4 + 32].max(), rel=1e-4)


def test_conversions_teach_the_decoder_alone(monkeypatch):
    one = training(some_pack(), replace(OPTIONS, conversion_weight=1.0, conversion_share=0.75))
    one.draw_windows()
    given = []
    forward = one.decoder.forward
    monkeypatch.setattr(one.decoder, "forward", lambda *args: given.append(args) or forward(*args))
    voices = torch.randn(4, 8)
    one._conversion_loss(voices).backward()
    [(vectors, contour, target, _)] = given
    assert torch.equal(vectors, one.vectors[:3]) and torch.equal(target, voices[[1, 2, 3]])
    for row in range(3):
        mine, his, moved = (logs[logs > 0] for logs in (one.contour[row], one.contour[row + 1], contour[row]))
        assert torch.allclose(moved, mine + his.mean() - mine.mean(), atol=1e-5)
        assert torch.equal(contour[row] > 0, one.contour[row] > 0)
    learned = {name for name, one in one.decoder.named_parameters() if one.grad is not None and one.grad.any()}
    assert "output.weight" in learned and not any(name.startswith("reference.") for name in learned)
    assert all(parameter.grad is None for parameter in one.classifier.parameters())


def test_conversions_come_to_be_told_as_their_targets():
    one = training(some_pack(), replace(OPTIONS, batch=8))
    one.draw_windows()
    voices = one.decoder.reference(one.references).detach()
    optimizer = torch.optim.Adam(one.decoder.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = one._conversion_loss(voices)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_it_learns_and_goes_on(tmp_path):
    said: list[str] = []
    first = training(some_pack())
    before = first.evaluate()
    assert list(before) == ["dev spectrum", "dev mel", "dev nearer to target"] and before == first.evaluate()
    first.adam.set_rate(3e-3)
    for _ in range(12):
        first.draw_windows()
        first.take_step()
    assert first.evaluate()["dev spectrum"] < before["dev spectrum"]
    first.run(0.001, tmp_path / "voice.safetensors", said.append)
    assert "dev spectrum" in said[-1]
    second = training(some_pack())
    said.clear()
    second.run(0.001, tmp_path / "voice.safetensors", said.append)
    assert said[0].startswith(f"resuming from step {first.step} ") and second.step >= first.step
    with pytest.raises(CheckpointError, match="other data"):
        training(some_pack(), fingerprint="of another").load(tmp_path / "voice.safetensors")


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    one = training(some_pack())
    one.save(tmp_path / "voice.safetensors")
    kept = (tmp_path / "voice.safetensors").read_bytes()
    with torch.no_grad():
        one.decoder.output.weight[0, 0] = torch.nan
    with pytest.raises(CheckpointError, match="not finite"):
        one.save(tmp_path / "voice.safetensors")
    assert (tmp_path / "voice.safetensors").read_bytes() == kept


def test_what_does_not_fit():
    pack = some_pack()
    with pytest.raises(ConfigError, match="do not fit"):
        VoiceTraining(pack, torch.zeros(1, 5, 6), 480, {}, DECODER, OPTIONS)
    with pytest.raises(ShardError, match="smaller window"):
        training(pack, VoiceOptions(seconds=100))


@pytest.mark.parametrize("kind", ["codes", "soft", "continuous"])
def test_from_encoder_to_voice(tmp_path, kind: str):
    """The whole way: latents of a pack, a short training, a whole model, the voice of a recording, speech in it."""
    pack, coder = some_pack(), small_model()
    coder.save_pretrained(tmp_path / "content.safetensors")
    latents, temperature = encode_pack(coder, pack, kind, variants=2)
    assert latents.shape == (2, len(pack.samples) // coder.hop, coder.config["encoder"]["latents"])
    i = 3
    rows = latents[0, pack.starts[i] // coder.hop :][: -(-int(pack.lengths[i]) // coder.hop)].float()
    own = coder.encode_latents(pack.samples[pack.starts[i] : pack.starts[i] + pack.lengths[i]]).T
    if kind == "codes":
        own = coder.quantizer.weight[coder.quantizer.nearest(own)]  # pyright: ignore
    if kind != "soft":
        assert torch.allclose(rows, own, atol=1e-2, rtol=1e-2)
    decoder = DECODER | {"conditioning": kind, "temperature": temperature}
    about = {"content": coder.config, "fingerprint": coder.fingerprint()}
    one = VoiceTraining(pack, latents, coder.hop, about, decoder, OPTIONS)
    one.run(0.005, tmp_path / "voice.safetensors", lambda line: None)
    whole = join_voice(tmp_path / "content.safetensors", tmp_path / "voice.safetensors")
    wave = pack.wave(0)
    voice = whole.make_voice([np.tile(pack.wave(5), 3)], "c")
    sound = whole.convert(wave, voice)
    assert len(sound) == len(wave) and np.isfinite(sound).all()
    assert np.array_equal(sound, whole.convert(wave, voice))
    about["fingerprint"] = "of another"
    path = tmp_path / "other.safetensors"
    checkpoint.write(path, {}, {"kind": "voices", **about})
    with pytest.raises(CheckpointError, match="was not trained on latents of"):
        join_voice(tmp_path / "content.safetensors", path)
    with pytest.raises(SpeakerError, match="only the voices"):
        coder.make_voice([wave])


def test_latents_of_a_larger_speaker_keep_their_time():
    """A sound that ends half-way ends there in either, though it was played at another speed."""
    coder = small_model()
    wave = np.zeros(32000, dtype=np.int16)
    wave[:16000] = np.random.default_rng(0).normal(0, 3000, 16000)
    plain = coder.encode_latents(wave).T
    for factor in (0.85, 1.15):
        moved = encode_perturbed(coder, wave, factor)
        assert moved.shape == plain.shape and not torch.allclose(moved, plain, atol=1e-2)
        silence = plain[-20:].mean(0)
        ends = [
            int(((one - silence).norm(dim=1) > 0.3 * (plain[:60] - silence).norm(dim=1).mean()).nonzero()[-1])
            for one in (plain, moved)
        ]
        assert abs(ends[0] - ends[1]) <= 3
