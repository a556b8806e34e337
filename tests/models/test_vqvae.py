import numpy as np
import pytest
import torch

from tests.conftest import buzz
from vqspeech import VQVAE, audio, loudness, world
from vqspeech.conf import list_experiments, load_config
from vqspeech.data.windows import SpeechBatch
from vqspeech.errors import CheckpointError, ConfigError, SpeakerError
from vqspeech.models import checkpoint, chunks, coder
from vqspeech.models.chunks import join_chunks
from vqspeech.models.decoders import WorldDecoder
from vqspeech.models.encoder import Encoder
from vqspeech.models.frontend import LogMel

SMALL = {
    "wavenet": ["decoder.layers=4", "decoder.cycle=4", "decoder.residual=8", "decoder.skip=8", "decoder.condition=8"],
    "world": ["decoder.layers=2", "decoder.channels=16"],
}
SMALL["world_wavenet"] = [*SMALL["wavenet"], "decoder.frames.layers=2", "decoder.frames.channels=16"]


def model(name="librispeech_world", overrides=(), speakers=("high", "low"), seed=0):
    """A small model with the structure of an experiment and a codebook that is used."""
    groups = load_config(name)
    small = SMALL[groups["decoder"]["name"]]
    resolved = load_config(name, ["encoder.channels=16", "encoder.latents=8", "quantizer.codes=32", *small, *overrides])
    torch.manual_seed(seed)
    made = VQVAE({k: v for k, v in resolved.items() if k != "training"}, speakers).eval()
    wave = buzz(1.0, 150)
    padded = np.pad(loudness.normalise(wave).samples, (0, -len(wave) % made.hop))
    levels = torch.from_numpy(padded)[None]
    latents, mask = made.latents(SpeechBatch(levels, torch.tensor([levels.shape[1]]), torch.zeros(1), None, None))
    made.quantizer._fit(latents.transpose(1, 2)[mask].detach())  # pyright: ignore
    for part in made.decoder.modules():
        if isinstance(part, WorldDecoder):  # spectra about as loud and as smooth as those of speech
            part.mean[2], part.deviation[2:] = -12, 0.1
    made.pitch.copy_(torch.tensor([[5.3, 0.1], [4.6, 0.1]])[: len(speakers)])
    return made


@pytest.mark.parametrize(("name", "factor"), [("vctk", 64), ("librispeech", 128), ("units25", 640)])
@pytest.mark.parametrize("codes", [1, 2, 7])
def test_downsampling_of_the_paper(name, factor, codes):
    made = model(name)
    assert made.hop == factor
    assert len(made.encode(buzz(1.0, 100)[: codes * factor])) == codes
    assert len(made.encode(buzz(1.0, 100)[: codes * factor - factor + 1])) == codes, "a part of a code is filled up"


def test_paper_configurations():
    vctk, librispeech, units = (load_config(name) for name in ("vctk", "librispeech", "units25"))
    assert vctk["encoder"]["layers"] == [[4, 2]] * 6
    for one, codes in ((vctk, 512), (librispeech, 512), (units, 128)):
        assert one["quantizer"] == {
            "name": "gradient", "codes": codes, "beta": 0.25, "revive_below": 0, "initial": "uniform",
        }  # fmt: skip
    for name in ("vctk", "librispeech", "units25"):
        paper, ours = load_config(name), load_config(f"{name}_ema")
        assert ours["quantizer"]["name"] == "ema" and ours["quantizer"]["revive_below"] > 0
        assert ours["quantizer"]["codes"] == paper["quantizer"]["codes"]
        assert {**ours, "quantizer": 0} == {**paper, "quantizer": 0}, "nothing else changes"
    assert librispeech["encoder"]["layers"] == [[4, 2]] * 7 and librispeech["quantizer"]["codes"] == 512
    assert units["quantizer"]["codes"] == 128
    assert set(list_experiments()) >= {
        "vctk",
        "librispeech",
        "units25",
        "mini_world",
        "mini_wavenet",
        "librispeech_world",
    }


@pytest.mark.parametrize("name", ["vctk", "librispeech_world", "mini_wavenet", "logmel"])
def test_codes_do_not_depend_on_batch_or_padding(name):
    made = model("vctk_world", ["frontend=logmel"]) if name == "logmel" else model(name)
    waves = [buzz(0.5, 120, 1), buzz(0.9, 200, 2), buzz(0.31, 90, 3)]
    alone = [made.encode(wave) for wave in waves]
    levels, inside = zip(*(made.pad_silence(loudness.normalise(w).samples) for w in waves), strict=True)
    longest = max(map(len, levels)) + 5 * made.hop
    generator = np.random.default_rng(0)
    # What lies past an utterance is noise here: it must not be seen.
    batch = np.stack(
        [np.r_[one, generator.integers(-(1 << 15), 1 << 15, longest - len(one))] for one in levels]
    ).astype(np.int16)
    statistics = None
    if isinstance(made.frontend, LogMel):
        statistics = torch.stack([made.frontend.statistics(torch.from_numpy(one)) for one in levels])
    lengths = torch.tensor([len(one) for one in levels])
    with torch.no_grad():
        latents, mask = made.latents(SpeechBatch(torch.from_numpy(batch), lengths, torch.zeros(3), statistics, None))
        together = made.quantizer(latents, mask).codes
    for row, codes in enumerate(alone):
        assert mask[row].sum() == len(levels[row]) // made.hop
        assert together[row, inside[row]].tolist() == codes.tolist()


@pytest.mark.parametrize("name", ["vctk", "librispeech_world"])
def test_encoding_in_pieces_is_encoding_in_one(name, monkeypatch):
    made, wave = model(name), buzz(2.3, 130)
    whole = made.encode(wave)
    monkeypatch.setattr(coder, "PIECE", 0.5)
    assert made.encode(wave).tolist() == whole.tolist()
    assert made.encode_blocks(np.array_split(wave, 7)).tolist() == whole.tolist()


def test_encoder_receptive_field_is_what_gradients_reach():
    encoder = Encoder(1, 8, [[4, 2], [4, 2], [10, 5]], 3)
    for convolution in encoder.convolutions:
        torch.nn.init.constant_(convolution.weight, 0.1)  # no rectifier closes
    x = torch.rand(1, 1, 400, requires_grad=True)
    (gradient,) = torch.autograd.grad(encoder(x, torch.ones(1, 400, dtype=torch.bool))[0, :, 10].sum(), x)
    touched = gradient[0, 0].nonzero()[:, 0]
    assert touched.max() - touched.min() + 1 == encoder.receptive_field


@pytest.mark.parametrize("name", ["mini_wavenet", "librispeech_world", "librispeech_wavenet", "vctk"])
def test_conversion_of_any_length(name):
    made = model(name)
    for samples in (1, 159, 160, 161, 3333):
        wave = buzz(1.0, 150)[:samples]
        sound = made.convert(wave, "low")
        assert sound.shape == (samples,) and sound.dtype == np.float32 and np.isfinite(sound).all()


def test_seed_reproduces_and_batch_does_not_matter():
    made = model("mini_wavenet")
    wave = buzz(0.2, 150)
    first = made.convert(wave, "low", seed=3)
    assert np.array_equal(first, made.convert(wave, "low", seed=3))
    assert not np.array_equal(first, made.convert(wave, "low", seed=4))


def test_pitch_is_carried_to_the_target():
    made = model()
    wave = buzz(1.5, 105)
    found = world.extract_log_f0(wave)
    carried = made.move_pitch(found, "high")
    voiced = found > 0
    assert len(carried) == len(found)
    assert np.mean(carried[voiced]) == pytest.approx(5.3, abs=0.02)
    assert (carried > 0).all(), "continuous through unvoiced frames: the decoder decides what is voiced"
    assert made.move_pitch(world.extract_log_f0(np.zeros(16000)), "high").sum() == 0


def test_unknown_speaker_is_told_the_closest():
    with pytest.raises(SpeakerError, match="p225"):
        model(speakers=("p225", "p310")).convert(buzz(0.2, 100), "p25")


@pytest.mark.parametrize("wave", [np.zeros(0), np.zeros((2, 100)), np.array([0.1, np.nan])])
def test_what_is_no_waveform_is_refused(wave):
    with pytest.raises(ValueError, match="waveform"):
        model().encode(wave)


def test_pieces_join_without_a_step():
    time = np.arange(5 * audio.RATE) / audio.RATE
    wave = np.sin(2 * np.pi * 100 * time).astype(np.float32)
    step, overlap = audio.RATE, audio.RATE // 2
    parts = [wave[start : start + step + overlap] for start in range(0, len(wave) - overlap, step)]
    whole = np.concatenate([*join_chunks(parts, overlap)])
    assert whole.shape == wave.shape
    np.testing.assert_allclose(whole, wave, atol=1e-5)


def test_long_input_is_decoded_in_pieces(monkeypatch):
    made, wave = model(), buzz(3.0, 120)
    whole = made.convert(wave, "low")
    monkeypatch.setattr(chunks, "CHUNK", 1.0)
    cut = made.convert(wave, "low")
    assert len(cut) == len(wave)
    assert np.abs(np.diff(cut)).max() < 1.2 * np.abs(np.diff(whole)).max(), "no step where pieces meet"


@pytest.mark.parametrize("name", ["librispeech_world", "mini_wavenet"])
def test_parts_are_the_whole_and_come_before_it_ends(name, monkeypatch):
    made, waves, voices = model(name), [buzz(2.2, 120), buzz(0.4, 150)], ["high", "low"]
    monkeypatch.setattr(chunks, "CHUNK", 0.5)
    monkeypatch.setattr(chunks, "BATCH_SECONDS", 2.0)
    whole, batches, decoded = made.convert_many(waves, voices, seed=1), [], made.decoder.waveforms

    def counted(latents, voices, lanes):
        batches.append(len(latents))
        return decoded(latents, voices, lanes)

    monkeypatch.setattr(made.decoder, "waveforms", counted)
    parts, numbers, seen = [[], []], [], []
    for i, part in made.convert_parts([made.source([wave[:9000], wave[9000:]]) for wave in waves], voices, seed=1):
        parts[i].append(part)
        numbers.append(i)
        seen.append(len(batches))
    assert numbers == sorted(numbers)
    for found, wave in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(np.concatenate(found), wave)
    if name == "librispeech_world":
        assert max(batches) <= 2 < len(batches) and seen[0] < len(batches), "the first part before all are decoded"


def test_checkpoint_round_trip(tmp_path):
    made, wave = model(), buzz(0.5, 150)
    made.save_pretrained(tmp_path / "a.safetensors")
    again = VQVAE.from_pretrained(tmp_path / "a.safetensors")
    assert again.speakers == made.speakers and again.fingerprint() == made.fingerprint()
    assert np.array_equal(again.convert(wave, "low"), made.convert(wave, "low"))
    with torch.no_grad():
        made.quantizer.weight[0] += 1  # pyright: ignore
    assert again.fingerprint() != made.fingerprint()


def test_bad_checkpoints_are_named(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        VQVAE.from_pretrained(path)
    made = model()
    made.save_pretrained(path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:5], b"", b"\x80\x05cos\nsystem\n(S'touch owned'\ntR.", b"text"):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="truncated or not a safetensors"):
            VQVAE.from_pretrained(path)
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="not a checkpoint of vqspeech"):
        VQVAE.from_pretrained(path)
    save_file({"x": torch.zeros(1)}, path, metadata={"format": checkpoint.FORMAT, "version": "99", "about": "{}"})
    with pytest.raises(CheckpointError, match="version 99"):
        VQVAE.from_pretrained(path)
    made.config["decoder"] = made.config["decoder"] | {"channels": 24}
    made.save_pretrained(path)
    with pytest.raises(CheckpointError, match="do not fit"):
        VQVAE.from_pretrained(path)


def test_a_configuration_can_name_nothing_to_run(tmp_path):
    made = model()
    made.config["decoder"] = {"_target_": "os.system", "name": "os.system", "command": "touch owned"}
    made.save_pretrained(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="no decoder 'os.system'"):
        VQVAE.from_pretrained(tmp_path / "a.safetensors")


def test_configuration_errors_name_what_there_is():
    with pytest.raises(ConfigError, match="choose one of .*vctk"):
        load_config("vctc")
    with pytest.raises(ConfigError, match="foo"):
        load_config("vctk", ["encoder.foo=1"])
    with pytest.raises(ConfigError, match="there are wavenet, world"):
        model("vctk", ["decoder.name=lstm"])
