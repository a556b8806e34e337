from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.models.recorded import voice_model, vowels
from tests.models.test_vqvae import model as world_model
from vqspeech import audio, world
from vqspeech.errors import AudioError, ConfigError, SpeakerError, WaveformError
from vqspeech.models.decoders import Sampling


@pytest.fixture(scope="module")
def vqvae():
    return voice_model()


@pytest.fixture(scope="module")
def voice(vqvae):
    return vqvae.make_voice([vowels(210, 2.0), vowels(220, 1.5)], "anna")


SOURCE = vowels(110, 1.3)


def test_a_voice_is_its_vector_and_its_pitch(vqvae, voice):
    assert voice.name == "anna" and voice.vector.shape == (8,) and voice.vector.dtype == np.float32
    assert np.linalg.norm(voice.vector) == pytest.approx(8**0.5, rel=1e-5)
    assert np.exp(voice.pitch[0]) == pytest.approx(214, rel=0.04)
    assert 1.5 < voice.seconds < 3.5
    louder = vqvae.make_voice([vowels(210, 2.0) * 3, vowels(220, 1.5) / 50], "anna")
    assert np.allclose(louder.vector, voice.vector, atol=0.02)
    noise = np.random.default_rng(0).standard_normal(9 * audio.RATE).astype(np.float32) * 1e-4
    beside = vqvae.make_voice([np.concatenate([vowels(210, 2.0), noise]), vowels(220, 1.5)], "anna")
    assert np.allclose(beside.vector, voice.vector, atol=0.2), "pauses, and what hums in them, are no voice"


def test_conversion_to_the_voice_of_a_recording(vqvae, voice):
    sound = vqvae.convert(SOURCE, voice)
    assert len(sound) == len(SOURCE) and sound.dtype == np.float32 and np.isfinite(sound).all()
    assert np.array_equal(sound, vqvae.convert(SOURCE, voice)), "the same in every run"
    other = vqvae.make_voice([vowels(210, 2.0, formant=900.0)], "bert")
    assert not np.allclose(sound, vqvae.convert(SOURCE, other), atol=1e-3)
    both = vqvae.convert_many([SOURCE, SOURCE], [voice, "low"])
    assert np.allclose(both[0], sound, atol=1e-5) and np.allclose(both[1], vqvae.convert(SOURCE, "low"), atol=1e-5)


def test_pitch_of_the_conversion(vqvae, voice):
    logs = world.extract_log_f0(SOURCE)
    voiced = logs > 0
    carried = vqvae.move_pitch(logs, voice)
    assert np.array_equal(carried > 0, voiced), "unvoiced stays unvoiced"
    assert np.median(carried[voiced]) == pytest.approx(voice.pitch[0], abs=0.03)
    raised = vqvae.move_pitch(logs, voice, shift=12)
    assert raised[voiced] == pytest.approx(carried[voiced] + np.log(2), abs=1e-4)
    kept = vqvae.move_pitch(logs, voice, keep_pitch=True)
    assert kept[voiced] == pytest.approx(logs[voiced], abs=1e-4)
    sounds = [vqvae.convert(SOURCE, voice, **how) for how in ({}, {"shift": 7}, {"keep_pitch": True}, {"formant": 1.2})]
    assert all(not np.allclose(sounds[0], other, atol=1e-3) for other in sounds[1:])


def loudest(sound: np.ndarray) -> float:
    """The frequency (Hz) of the strongest part of a spectrum, smoothed over its harmonics."""
    power = np.convolve(np.abs(np.fft.rfft(sound)) ** 2, np.hanning(int(300 * len(sound) / audio.RATE)), "same")
    return float(np.fft.rfftfreq(len(sound), 1 / audio.RATE)[power.argmax()])


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.5])
def test_stretched_spectra(vqvae, factor):
    """A formant at 1,000 Hz moves with the factor, in either kind of decoder."""
    frames = world.analyse(vowels(100, 1.0, formant=1000.0))
    assert loudest(world.synthesise(frames, factor)) == pytest.approx(1000 * factor, rel=0.08)
    pulses = -((torch.arange(12.0) - 4) ** 2)[None, :, None].expand(1, 12, 100)  # the fifth band is at about 1,100 Hz
    pitch, start = torch.full((1, 100), float(np.log(100))), torch.zeros(1, dtype=torch.long)
    plain, moved = (vqvae.decoder.sound(pulses, pulses - 60, pitch, start, one)[0].numpy() for one in (1.0, factor))
    assert loudest(moved) == pytest.approx(loudest(plain) * factor, rel=0.08)


def test_decoders_that_have_neither_pitch_nor_envelope():
    with pytest.raises(ConfigError, match="no spectral envelope"):
        world_model("mini_wavenet").convert(SOURCE[:3200], "low", formant=1.2)
    with pytest.raises(ConfigError, match="carry the melody"):
        world_model("mini_wavenet").convert(SOURCE[:3200], "low", shift=1)


@pytest.mark.parametrize("kind", ["soft", "continuous"])
def test_decoders_of_more_than_codes(kind):
    vqvae = voice_model(f"decoder.conditioning={kind}", "decoder.temperature=0.5")
    given = vqvae.encode_conditioning(np.zeros(3200, np.int16))
    assert given.dtype == np.float32 and given.shape == (3200 // vqvae.hop, 8)
    sound = vqvae.convert(SOURCE, "high")
    assert len(sound) == len(SOURCE) and np.isfinite(sound).all()
    codes = vqvae.encode(SOURCE)
    assert not np.allclose(
        vqvae.decode(codes, "high", vqvae.move_pitch(world.extract_log_f0(SOURCE), "high"))[:9000], sound[:9000]
    )


def test_long_recordings_are_decoded_in_pieces(vqvae, voice, monkeypatch):
    monkeypatch.setattr("vqspeech.models.chunks.CHUNK", 2.0)
    long = np.tile(vowels(120, 2.0), 4)
    sound = vqvae.convert(long, voice)
    assert len(sound) == len(long) and np.isfinite(sound).all()
    assert np.abs(np.diff(sound)).max() < 2 * np.abs(np.diff(vqvae.convert(long[:32000], voice))).max(), "no clicks"


def test_references_that_make_no_voice(vqvae):
    for wave in (np.zeros(32000, np.float32), vowels(200, 0.9), 1e-7 * vowels(200, 3.0)):
        with pytest.raises(AudioError, match="a second|1 s of speech"):
            vqvae.make_voice([wave])
    broken = vowels(200, 2.0)
    broken[5] = np.nan
    with pytest.raises(WaveformError):
        vqvae.make_voice([broken])
    with pytest.raises(AudioError):
        vqvae.make_voice([])


def test_voices_of_another_model_are_refused(vqvae, voice):
    other = voice_model(seed=1)
    assert other.voice_hash() != vqvae.voice_hash()
    with pytest.raises(SpeakerError, match="another model"):
        other.convert(SOURCE, voice)
    with pytest.raises(SpeakerError, match="another model"):
        other.decode(vqvae.encode(SOURCE), voice)
    with pytest.raises(SpeakerError, match="only the voices"):
        world_model().convert(SOURCE, voice)


def test_it_is_kept_with_its_voices(vqvae, voice, tmp_path):
    path = tmp_path / "model.safetensors"
    vqvae.save_pretrained(path)
    again = type(vqvae).from_pretrained(path)
    assert again.voice_hash() == vqvae.voice_hash()
    assert np.array_equal(again.convert(SOURCE, voice), vqvae.convert(SOURCE, voice))
    assert torch.equal(again.decoder.speaker.weight, vqvae.decoder.speaker.weight)


@pytest.fixture(scope="module")
def guided():
    """A model whose envelopes follow the voice more."""
    made = voice_model()
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in made.decoder.voice_weights:
            weight.normal_(std=0.3)
    return made


@pytest.fixture(scope="module")
def far(guided, voice):
    """A voice that is far from all recordings."""
    return replace(voice, vector=-voice.vector)


def test_guidance_adds_the_difference_of_target_and_source(guided, far):
    """The oracle takes means over the frames of speech, frame by frame."""
    decoder, source = guided.decoder, guided.source([SOURCE])
    latents = guided.quantizer.lookup(torch.from_numpy(source.codes)[None])
    latents[:, :, 20:30] = 0  # a pause
    logs = torch.from_numpy(guided.move_pitch(source.logs, far))[None, : 2 * latents.shape[2]]
    logs = torch.nn.functional.pad(logs, (0, decoder.upsampling * latents.shape[2] - logs.shape[1]))
    target, own = torch.from_numpy(far.vector)[None], torch.from_numpy(source.voice)[None]
    with torch.inference_mode():
        found = decoder.contrast(latents, logs, target, own)[0]
        pairs = zip(decoder.envelopes(latents, logs, target), decoder.envelopes(latents, logs, own), strict=True)
    pulses, noise = ((one - other)[0].T for one, other in pairs)
    sums = {True: [], False: []}
    for place in range(len(pulses)):
        if latents[0, :, place // decoder.upsampling].any():
            sums[bool(logs[0, place] > 0)].append((pulses[place], noise[place]))
    assert len(sums[True]) > 20 and len(sums[False]) > 5
    (voiced, voiced_noise), (_, noise) = (
        [torch.stack(some).mean(0) for some in zip(*sums[kind], strict=True)] for kind in (True, False)
    )
    assert found.abs().max() > 0.1 and torch.allclose(found, torch.stack([voiced, voiced_noise, noise]), atol=1e-4)


def test_guided_conversions(guided, far):
    plain, default = guided.convert(SOURCE, far, guidance=0), guided.convert(SOURCE, far)
    assert not np.allclose(plain, default, atol=1e-3)
    assert np.array_equal(default, guided.convert(SOURCE, far, guidance=guided.decoder.guidance))
    source = guided.source([SOURCE])
    pitch = guided.move_pitch(source.logs, far)
    own = next(guided.decode_parts([source.codes], [far], [pitch], [far.vector]))[1]
    assert np.allclose(own, guided.decode(source.codes, far, pitch), atol=1e-5), "a voice does not differ from itself"


def test_guidance_of_recordings_without_a_voice(guided, far):
    short = SOURCE[: audio.RATE // 2]
    assert guided.source([short]).voice is None
    assert np.array_equal(guided.convert(short, far), guided.convert(short, far, guidance=0))
    with pytest.raises(ConfigError, match="no guidance"):
        world_model("mini_wavenet").convert(SOURCE[:3200], "low", guidance=0.5)
    source = guided.source([SOURCE])
    with pytest.raises(ConfigError, match="guidance needs the recording"):
        guided.decode(source.codes, far, source.logs, guidance=0.5)


def added_gains(guided, far, monkeypatch, wave, chunk=20.0):
    """What is added to the gains of each chunk of a conversion, `(chunks, 3, bands)`."""
    found, waveforms = [], guided.decoder.waveforms

    def record(latents, speakers, streams):
        found.append(streams.gains)
        return waveforms(latents, speakers, streams)

    with monkeypatch.context() as patch:
        patch.setattr("vqspeech.models.chunks.CHUNK", chunk)
        patch.setattr(guided.decoder, "waveforms", record)
        guided.convert(wave, far)
    return torch.cat(found)


def test_guidance_is_the_same_in_all_chunks(guided, far, monkeypatch):
    long = np.tile(SOURCE, 6)
    [whole], parts = (added_gains(guided, far, monkeypatch, long, chunk) for chunk in (20.0, 1.0))
    assert whole.abs().max() > 0.1
    assert len(parts) > 3 and all(torch.equal(part, whole) for part in parts)


def test_guidance_of_the_first_half_minute(guided, far):
    codes = np.random.default_rng(0).integers(32, size=40 * audio.RATE // guided.hop)
    pitch = np.full(4000, 5.0, np.float32)
    found = [
        guided._guide([codes[: seconds * audio.RATE // guided.hop]], [far], [pitch], [-far.vector], Sampling())
        for seconds in (29, 30, 31, 40)
    ]
    assert torch.equal(found[1], found[3]) and torch.equal(found[2], found[3])
    assert not torch.allclose(found[0], found[1], atol=1e-6)
