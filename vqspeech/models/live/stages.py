"""The three stages of a live model, with tensors alone as inputs and outputs: states last, in order."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from vqspeech.models.live.decoder import LiveDecoder
from vqspeech.models.live.encoder import LiveEncoder
from vqspeech.models.live.frontend import LiveFrontend
from vqspeech.models.live.tracker import PAST, PitchCarrier, PitchTracker


class EncoderStage(nn.Module):
    """Block → latent, wave, powers and gain."""

    def __init__(self, frontend: LiveFrontend, encoder: LiveEncoder):
        super().__init__()
        self.frontend, self.encoder = frontend, encoder

    def initial_state(self) -> list[Tensor]:
        """Return the states of a stream at its beginning."""
        return [torch.zeros(1, sum(self.frontend.sizes)), torch.zeros(1, *self.encoder.state_shape)]

    def forward(self, block: Tensor, heard: Tensor, seen: Tensor) -> tuple[Tensor, ...]:
        """Take a block `(1, BLOCK)`."""
        features, wave, powers, gains, heard = self.frontend(block, heard)
        latent, seen = self.encoder(features, seen)
        return latent, wave, powers, gains[:, -1:], heard, seen


class PitchStage(nn.Module):
    """Wave and target → log F0 as the voice has it."""

    def __init__(self, tracker: PitchTracker):
        super().__init__()
        self.tracker, self.carrier = tracker, PitchCarrier()

    def initial_state(self) -> list[Tensor]:
        """Return the states of a stream at its beginning."""
        return [torch.zeros(1, PAST), torch.zeros(1, *self.tracker.state_shape), torch.zeros(1, 2)]

    def forward(
        self, wave: Tensor, target: Tensor, past: Tensor, tracked: Tensor, carried: Tensor
    ) -> tuple[Tensor, ...]:
        """Take the wave of a block `(1, BLOCK)`; `target` as in `PitchCarrier`."""
        logs, past, tracked = self.tracker(wave, past, tracked)
        pitch, carried = self.carrier(logs, target, carried)
        return pitch, past, tracked, carried


class DecoderStage(nn.Module):
    """Latent, log F0, voice, powers and gain → sound."""

    def __init__(self, decoder: LiveDecoder):
        super().__init__()
        self.decoder = decoder

    def initial_state(self) -> list[Tensor]:
        """Return the states of a stream at its beginning."""
        return self.decoder.initial_state()

    def forward(
        self, latent: Tensor, pitch: Tensor, voice: Tensor, powers: Tensor, gain: Tensor, *state: Tensor
    ) -> tuple[Tensor, ...]:
        """Return the sound of a block and the next state; arguments as of `LiveDecoder`."""
        sound, after = self.decoder(latent, pitch, voice, powers, gain, [*state])
        return sound, *after


def trace_stage(part: nn.Module, *given: Tensor) -> Any:
    """Return a stage as a graph of torch, which takes two thirds of the time; tracing takes half a second."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of what is taken as fixed, which is fixed
        return torch.jit.freeze(torch.jit.trace(part.eval(), given, check_trace=False))
