import numpy as np
import pytest
import torch

from tests.conftest import buzz
from tests.models.recorded import voice_model, vowels
from tests.models.test_vqvae import model
from vqspeech.errors import SpeakerError
from vqspeech.models.decoders import WorldDecoder, WorldWaveNet
from vqspeech.models.voice import add_recorded_voices, add_voice


@torch.no_grad()
def told(of, voice):
    """What the decoder makes of codes in a voice: WORLD frames, or what a WaveNet's layers are told."""
    vectors, samples = of.quantizer.lookup(torch.arange(30)[None]), torch.tensor([30 * of.hop])
    speakers = torch.tensor([of.speaker(voice)])
    if isinstance(of.decoder, WorldDecoder):
        return of.decoder(vectors, speakers, samples).numpy()
    if isinstance(of.decoder, WorldWaveNet):
        vectors = of.decoder.frames.frames(vectors, speakers, samples, torch.full((1, 30), 5.0))
    return of.decoder.conditioning(vectors, speakers).numpy()


def width(config):
    """The option of a decoder that says how many numbers a speaker vector has."""
    return config.get("frames", config)["condition" if config["name"] == "wavenet" else "voice"]


@pytest.mark.parametrize("name", ["librispeech_world", "mini_wavenet", "librispeech_wavenet"])
def test_a_voice_more(name):
    made = model(name)
    wider = add_voice(made, "new", like="low")
    wider.pitch[-1] = made.pitch[1]
    assert wider.speakers == ["high", "low", "new"] and made.speakers == ["high", "low"]
    assert wider.fingerprint() == made.fingerprint()
    assert width(wider.config["decoder"]) == width(made.config["decoder"]) + 1

    multiplied = {
        name
        for name, value in made.decoder.named_parameters()
        if "speaker" not in name and value.ndim > 1 and value.shape[1] < wider.decoder.get_parameter(name).shape[1]
    }
    weights = {id(weight) for weight in wider.decoder.voice_weights}
    assert multiplied and weights == {id(wider.decoder.get_parameter(name)) for name in multiplied}

    np.testing.assert_allclose(told(wider, "new"), told(made, "low"), atol=1e-5)
    with torch.no_grad():  # whatever is learned for the new voice
        for weight in wider.decoder.voice_weights:
            weight[:, -1] += torch.randn_like(weight[:, -1])
        wider.decoder.speaker.weight[-1, :-1] += 1
    for voice in ("high", "low"):
        np.testing.assert_allclose(told(wider, voice), told(made, voice), atol=1e-5)
    assert np.abs(told(wider, "new") - told(made, "low")).max() > 0.1, "the new voice is another"
    sound = wider.convert(buzz(0.2, 150), "new")
    assert sound.shape == (3200,) and np.isfinite(sound).all()


def test_twice_and_round_a_file(tmp_path):
    made = model()
    twice = add_voice(add_voice(made, "a", "high"), "b", "a")
    twice.save_pretrained(tmp_path / "x.safetensors")
    again = type(made).from_pretrained(tmp_path / "x.safetensors")
    assert again.speakers == ["high", "low", "a", "b"]
    assert again.decoder.speaker.weight[:, -2:].tolist() == [[0, 0], [0, 0], [1, 0], [1, 1]]
    assert torch.isnan(again.pitch[2:]).all() and not torch.isnan(again.pitch[:2]).any()
    with pytest.raises(SpeakerError, match="no voice 'c'"):
        add_voice(made, "d", "c")


def test_a_voice_more_beside_those_of_recordings():
    """What is learned for it is its own: named voices and those of recordings stay as they are."""
    made, source = voice_model(), vowels(110, 1.0)
    voice = made.make_voice([vowels(200, 2.0)])
    before = [made.convert(source, one) for one in ("low", voice)]
    wider = add_voice(add_voice(made, "a", "low"), "b", None)
    assert wider.config["decoder"]["adapted"] == 2 and wider.voice_hash() == made.voice_hash()
    assert wider.decoder.speaker.weight[:, -2:].tolist() == [[0, 0], [0, 0], [1, 0], [0, 1]]
    with torch.no_grad():
        for weight in wider.decoder.voice_weights:
            weight[:, -2:] += torch.randn_like(weight[:, -2:])
    wider.pitch[2:] = made.pitch[1]
    for one, sound in zip(("low", voice), before, strict=True):
        np.testing.assert_allclose(wider.convert(source, one), sound, atol=1e-4)
    assert np.abs(wider.convert(source, "a") - before[0]).max() > 0.01


def test_voices_of_recordings_by_name(tmp_path):
    made, source = voice_model(), vowels(110, 1.0)
    voice = made.make_voice([vowels(200, 2.0)], "anna")
    named = add_recorded_voices(made, [voice], {"anna": "f"})
    assert named.speakers == ["high", "low", "anna"] and named.genders == {"anna": "f"}
    # Pitch by name is float32: phases of high harmonics differ in their last bits.
    np.testing.assert_allclose(named.convert(source, "anna"), made.convert(source, voice), atol=1e-2)
    assert np.array_equal(named.convert(source, "low"), made.convert(source, "low"))
    wider = add_voice(named, "b", "anna")
    more = add_recorded_voices(wider, [made.make_voice([vowels(150, 2.0)], "c")])
    assert more.speakers == ["high", "low", "anna", "b", "c"]
    np.testing.assert_allclose(more.convert(source, "anna"), named.convert(source, "anna"), atol=1e-4)
    with pytest.raises(SpeakerError, match="two voices of the name 'anna'"):
        add_recorded_voices(named, [voice])
    with pytest.raises(SpeakerError, match="another model"):
        add_recorded_voices(voice_model(seed=3), [voice])
