"""The live model as ONNX graphs, for programs without torch.

    encoder.onnx    block → latent, wave, powers, gain
    pitch.onnx      wave, target → pitch
    decoder.onnx    latent, pitch, voice, powers, gain → sound
    reference.onnx  waveform → voice, of a recording of whole 10 ms
    example.py      a program that runs them

The first three take a block of 20 ms. Every other input is a state, zeros at first; the output that is called after_
and the name of the state is what it is for the next block. `Stream` says what goes from one to the other.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from vqspeech import extras
from vqspeech.files import replaced, write_text
from vqspeech.models.live import BLOCK
from vqspeech.models.live.decoder import LiveDecoder
from vqspeech.models.live.frontend import FRAMES
from vqspeech.models.live.model import Live
from vqspeech.models.live.tracker import PAST, PitchCarrier
from vqspeech.models.reference import HOP

AFTER = "after_"
"""What the name of a state has before it where it comes out."""
EXAMPLE = "example.py"
OPSET = 17


class _Encoder(nn.Module):
    def __init__(self, model: Live):
        super().__init__()
        self.frontend, self.encoder = model.frontend, model.encoder

    def forward(self, block: Tensor, heard: Tensor, seen: Tensor) -> tuple[Tensor, ...]:
        features, wave, powers, gains, heard = self.frontend(block, heard)
        latent, seen = self.encoder(features, seen)
        return latent, wave, powers, gains[:, -1:], heard, seen


class _Pitch(nn.Module):
    def __init__(self, model: Live):
        super().__init__()
        self.tracker, self.carrier = model.tracker, PitchCarrier()

    def forward(
        self, wave: Tensor, target: Tensor, past: Tensor, tracked: Tensor, carried: Tensor
    ) -> tuple[Tensor, ...]:
        logs, past, tracked = self.tracker(wave, past, tracked)
        pitch, carried = self.carrier(logs, target, carried)
        return pitch, past, tracked, carried


class _Decoder(nn.Module):
    def __init__(self, decoder: LiveDecoder):
        super().__init__()
        self.decoder = decoder

    def forward(
        self, latent: Tensor, pitch: Tensor, voice: Tensor, powers: Tensor, gain: Tensor, *state: Tensor
    ) -> tuple[Tensor, ...]:
        sound, after = self.decoder(latent, pitch, voice, powers, gain, [*state])
        return sound, *after


def write_graphs(model: Live, folder: Path) -> list[Path]:
    """Write the graphs of a live model, and a program that runs them, into a folder; return their paths.

    Raises `MissingExtra` without the extra `onnx`."""
    extras.module("onnx", "onnx")
    voice = model.decoder.reference.output.out_features
    latent = torch.zeros(1, model.encoder.latents, 1)
    seen, tracked = torch.zeros(1, *model.encoder.state_shape), torch.zeros(1, *model.tracker.state_shape)
    decoder = LiveDecoder(model.decoder, model.encoder.delay)
    block, frames, one = torch.zeros(1, BLOCK), torch.zeros(1, FRAMES), torch.ones(1, 1)
    graphs = {
        "encoder": (
            _Encoder(model), {"block": block}, {"heard": torch.zeros(1, sum(model.frontend.sizes)), "seen": seen},
            ("latent", "wave", "powers", "gain"),
        ),
        "pitch": (
            _Pitch(model), {"wave": block, "target": torch.zeros(1, 4)},
            {"past": torch.zeros(1, PAST), "tracked": tracked, "carried": torch.zeros(1, 2)}, ("pitch",),
        ),
        "decoder": (
            _Decoder(decoder),
            {"latent": latent, "pitch": frames, "voice": torch.zeros(1, voice), "powers": frames, "gain": one},
            {f"{name}_before": part for name, part in zip(decoder.states, decoder.initial(), strict=True)}, ("sound",),
        ),
    }  # fmt: skip
    paths = []
    for name, (module, given, states, found) in graphs.items():
        outputs = [*found, *(AFTER + state for state in states)]
        paths.append(_write(module, {**given, **states}, outputs, folder / f"{name}.onnx"))
    waveform = {"waveform": torch.randn(1, 100 * HOP)}
    paths.append(_write(model.decoder.reference, waveform, ["voice"], folder / "reference.onnx", "waveform"))
    example = folder / EXAMPLE
    write_text(example, Path(__file__).with_name(EXAMPLE).read_text(encoding="utf-8"))
    return [*paths, example]


def _write(
    module: nn.Module, given: dict[str, Tensor], outputs: Sequence[str], path: Path, free: str | None = None
) -> Path:
    """Write the graph of a module with inputs and outputs of these names; the length of the input `free` is free."""
    with replaced(path) as temporary, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of what a trace takes as fixed, which is fixed
        torch.onnx.export(
            module.eval(),
            tuple(given.values()),
            str(temporary),
            input_names=[*given],
            output_names=[*outputs],
            opset_version=OPSET,
            dynamic_axes={free: {1: "time"}} if free else None,
            dynamo=False,
        )
    return path
