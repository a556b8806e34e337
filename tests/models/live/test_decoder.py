import numpy as np
import pytest
import torch

from tests.models.live.small import live_model
from vqspeech import loudness
from vqspeech.models.live import BLOCK
from vqspeech.models.live.decoder import BEHIND, LiveDecoder
from vqspeech.models.live.frontend import FRAMES, HOP

BLOCKS, DELAY = 30, 2


def spoken(formant: float = 1.0, blocks: int = BLOCKS, power: float = 1.0, gain: float = 1.0, seed: int = 0):
    """What a stream says of random latents and a melody: the stream's samples, the latents and the melody."""
    model = live_model()
    decoder = LiveDecoder(model.decoder, DELAY)
    decoder.stretch(formant)
    torch.manual_seed(seed)
    latents = torch.randn(1, 12, blocks)
    pitch = torch.log(torch.tensor(140.0)) + 0.2 * torch.randn(1, blocks * FRAMES + 8).cumsum(1) / 5
    pitch[:, 12:18] = 0
    pitch[:, 30:31] = 0
    state, parts = decoder.initial_state(), []
    voice = model.decoder.speaker.weight[:1].detach()
    with torch.inference_mode():
        for k in range(blocks + DELAY + 2):
            j = k - DELAY
            latent = latents[:, :, j : j + 1] if 0 <= j < blocks else torch.full((1, 12, 1), 9.0 * (j < 0))
            now = pitch[:, 2 * j - 1 : 2 * j + 1] if j > 0 else torch.cat([torch.full((1, 1), 6.0), pitch[:, :1]], 1)
            sound, state = decoder(latent, now, voice, torch.full((1, FRAMES), power), torch.tensor([[gain]]), state)
            parts.append(sound)
    sound = torch.cat(parts, 1)[:, DELAY * BLOCK + BEHIND :]
    return sound[:, : blocks * BLOCK], latents, pitch[:, : blocks * FRAMES], voice, model


@pytest.mark.parametrize("formant", [1.0, 1.2])
def test_a_stream_is_what_the_decoder_makes_of_the_whole(formant: float):
    """Latents and pitch from before the beginning play no part; the oracle is the decoder as it is trained."""
    sound, latents, pitch, voice, model = spoken(formant)
    with torch.inference_mode():
        whole = model.decoder(latents, pitch, voice, formant=formant)
    inner = slice(HOP, -2 * BLOCK)  # the gate opens; what comes behind the last latent is not the same
    assert whole.std() > 1e-3
    assert torch.allclose(sound[:, inner], whole[:, inner], atol=1e-4 * float(whole.abs().max()))


def test_a_latent_is_heard_from_its_window_on():
    """Latency is no more than said, nor less: a change of one latent changes nothing sooner."""
    model = live_model()
    latents = torch.zeros(1, 12, 12)
    pitch = torch.full((1, 24), 5.0)
    voice = model.decoder.speaker.weight[:1]
    with torch.inference_mode():
        before = model.decoder(latents, pitch, voice)
        latents[:, :, 6] = 3
        apart = (model.decoder(latents, pitch, voice) - before).abs()[0]
    assert apart[: 6 * BLOCK - BEHIND].max() == 0 and apart[6 * BLOCK - BEHIND :][:HOP].max() > 0


def test_level_is_that_of_the_source():
    loud, soft = spoken(gain=2.0)[0], spoken(gain=20.0)[0]
    assert torch.allclose(loud[:, BLOCK:], soft[:, BLOCK:] * 10, atol=1e-5)


def test_pauses_have_no_more_power_than_the_source():
    power = 1e-7
    sound = spoken(power=power)[0][0, BLOCK:]
    assert power < loudness.db_to_power(loudness.LEVEL - loudness.RANGE)
    frames = sound[: len(sound) // HOP * HOP].view(-1, HOP).square().mean(1)
    assert np.sqrt(frames.max() / power) < 2
    assert frames.min() > 0
