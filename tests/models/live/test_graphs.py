import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.models.live.small import live_model, speech
from vqspeech import audio
from vqspeech.cli import main
from vqspeech.models.live import BLOCK
from vqspeech.models.live.decoder import LiveDecoder
from vqspeech.models.live.frontend import FRAMES
from vqspeech.models.live.graphs import AFTER, write_graphs
from vqspeech.models.live.tracker import PAST, PitchCarrier
from vqspeech.pitch import pitch_statistics
from vqspeech.voices import Voice

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    write_graphs(live_model(), folder)
    return folder


def run(session, *given: torch.Tensor) -> list[np.ndarray]:
    names = [one.name for one in session.get_inputs()]
    return session.run(None, {name: one.numpy() for name, one in zip(names, given, strict=True)})


def alike(found: list[np.ndarray], wanted: list[torch.Tensor]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == tuple(other.shape)
        assert one == pytest.approx(other.numpy(), abs=1e-3)


@torch.inference_mode()
def test_each_block_is_that_of_torch(folder: Path):
    """Every output and state of every graph, at every block of a second, each of the states that torch has."""
    model = live_model()
    graphs = {name: onnxruntime.InferenceSession(folder / f"{name}.onnx") for name in ("encoder", "pitch", "decoder")}
    for session in graphs.values():
        names = {one.name for one in session.get_inputs()}
        assert {one.name.removeprefix(AFTER) for one in session.get_outputs() if one.name.startswith(AFTER)} <= names
    decoder, carrier = LiveDecoder(model.decoder, model.encoder.delay), PitchCarrier()
    heard, seen = torch.zeros(1, sum(model.frontend.sizes)), torch.zeros(1, *model.encoder.state_shape)
    past, tracked, carried = torch.zeros(1, PAST), torch.zeros(1, *model.tracker.state_shape), torch.zeros(1, 2)
    target, voice, state = torch.tensor([[5.0, 0.2, 0.1, 0.0]]), torch.randn(1, 12), decoder.initial_state()
    for block in torch.from_numpy(speech(0.6)[: 50 * BLOCK]).view(-1, 1, BLOCK):
        features, wave, powers, gains, after = model.frontend(block, heard)
        latent, then = model.encoder(features, seen)
        gain = gains[:, -1:]
        alike(run(graphs["encoder"], block, heard, seen), [latent, wave, powers, gain, after, then])
        heard, seen = after, then
        logs, *tracking = model.tracker(wave, past, tracked)
        pitch, moved = carrier(logs, target, carried)
        alike(run(graphs["pitch"], wave, target, past, tracked, carried), [pitch, *tracking, moved])
        (past, tracked), carried = tracking, moved
        assert pitch.shape == (1, FRAMES)
        sound, going = decoder(latent, pitch, voice, powers, gain, state)
        alike(run(graphs["decoder"], latent, pitch, voice, powers, gain, *state), [sound, *going])
        state = going


@pytest.mark.parametrize("seconds", [1.0, 1.7])
def test_reference_of_any_length(folder: Path, seconds: float):
    sound = torch.from_numpy(speech(seconds)[: round(seconds * 100) * 160])[None]
    with torch.inference_mode():
        wanted = live_model().decoder.reference(sound)
    alike(run(onnxruntime.InferenceSession(folder / "reference.onnx"), sound), [wanted])


def test_the_example_says_what_the_converter_does(folder: Path, tmp_path: Path):
    """It needs neither torch nor this package."""
    model, sound, other = live_model(), speech(), np.tile(speech(1.0, 3), 2)
    for name, wave in (("a", sound), ("b", other)):
        audio.write(tmp_path / f"{name}.wav", wave)
    path = str(folder / "example.py")
    code = "import sys; sys.modules['torch'] = sys.modules['vqspeech'] = None; __file__ = sys.argv[0] = sys.argv.pop(1)"
    code += "; exec(open(__file__).read())"
    subprocess.run([sys.executable, "-c", code, path, "a.wav", "b.wav", "c.wav"], check=True, cwd=tmp_path)
    # The same voice for the converter: as the example finds it, over the whole recording at once.
    other = audio.read_waveform(tmp_path / "b.wav")
    padded = np.pad(other, (0, 1440 + -(len(other) + 1440) % BLOCK))
    state, past = torch.zeros(1, *model.tracker.state_shape), torch.zeros(1, PAST)
    heard, logs = torch.zeros(1, sum(model.frontend.sizes)), []
    with torch.inference_mode():
        vector = model.decoder.reference(torch.from_numpy(padded)[None])[0].numpy()
        for block in torch.from_numpy(padded).view(-1, 1, BLOCK):
            _, wave, _, _, heard = model.frontend(block, heard)
            found, past, state = model.tracker(wave, past, state)
            logs += found[0].tolist()
    voice = Voice("b", vector, pitch_statistics(np.array(logs)), model.voice_hash(), 2.0)
    wanted = model.convert(audio.read_waveform(tmp_path / "a.wav"), voice)
    made = audio.read_waveform(tmp_path / "c.wav")[: len(wanted)]
    assert np.abs(wanted).max() > 0.01 and np.corrcoef(made, wanted)[0, 1] > 0.999


def test_the_verb(tmp_path: Path, capsys):
    live_model().save_pretrained(tmp_path / "live.safetensors")
    assert main(["export", "--model", str(tmp_path / "live.safetensors"), "--onnx", str(tmp_path / "graphs")]) == 0
    assert {path.name for path in (tmp_path / "graphs").iterdir()} == {
        "encoder.onnx", "pitch.onnx", "decoder.onnx", "reference.onnx", "example.py",
    }  # fmt: skip
    assert main(["export", "--model", "world", "--onnx", str(tmp_path / "graphs")]) == 1
    assert "live model" in capsys.readouterr().err
