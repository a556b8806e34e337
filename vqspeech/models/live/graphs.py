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
from typing import Any

import torch
from torch import Tensor, nn

from vqspeech import extras
from vqspeech.files import replace_file, write_text
from vqspeech.models.live import BLOCK
from vqspeech.models.live.decoder import LiveDecoder
from vqspeech.models.live.frontend import FRAMES
from vqspeech.models.live.model import Live
from vqspeech.models.live.stages import DecoderStage, EncoderStage, PitchStage
from vqspeech.models.reference import HOP

AFTER = "after_"
"""What the name of a state has before it where it comes out."""
EXAMPLE = "example.py"
OPSET = 17


def write_graphs(model: Live, folder: Path) -> list[Path]:
    """Write the graphs of a live model, and a program that runs them, into a folder; return their paths.

    Raises:
        MissingExtra: The extra `onnx` is not installed.
    """
    extras.import_extra("onnx", "onnx")
    voice = torch.zeros(1, model.decoder.reference.output.out_features)
    decoder = LiveDecoder(model.decoder, model.encoder.delay)
    block, frames = torch.zeros(1, BLOCK), torch.zeros(1, FRAMES)
    latent, gain = torch.zeros(1, model.encoder.latents, 1), torch.ones(1, 1)
    given = {"latent": latent, "pitch": frames, "voice": voice, "powers": frames, "gain": gain}
    states = [f"{name}_before" for name in decoder.states]
    graphs: dict[str, tuple[Any, dict[str, Tensor], Sequence[str], Sequence[str]]] = {
        "encoder": (
            EncoderStage(model.frontend, model.encoder), {"block": block}, ("latent", "wave", "powers", "gain"),
            ("heard", "seen"),
        ),
        "pitch": (
            PitchStage(model.tracker), {"wave": block, "target": torch.zeros(1, 4)}, ("pitch",),
            ("past", "tracked", "carried"),
        ),
        "decoder": (DecoderStage(decoder), given, ("sound",), states),
    }  # fmt: skip
    paths = []
    for name, (part, given, found, states) in graphs.items():
        inputs = given | dict(zip(states, part.initial_state(), strict=True))
        paths.append(_write(part, inputs, [*found, *(AFTER + state for state in states)], folder / f"{name}.onnx"))
    waveform = {"waveform": torch.randn(1, 100 * HOP)}
    paths.append(_write(model.decoder.reference, waveform, ["voice"], folder / "reference.onnx", "waveform"))
    example = folder / EXAMPLE
    write_text(example, Path(__file__).with_name(EXAMPLE).read_text(encoding="utf-8"))
    return [*paths, example]


def _write(
    module: nn.Module, given: dict[str, Tensor], outputs: Sequence[str], path: Path, free: str | None = None
) -> Path:
    """Write the graph of a module with named inputs and outputs; the length of the input `free` is variable."""
    with replace_file(path) as temporary, warnings.catch_warnings(), torch.no_grad():
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
