"""Decoders: from latent vectors and a speaker to speech.

Each has `loss(latents, speakers, batch)`, the training losses by name, and `waveforms(latents, speakers, streams)`, the
speech; the configuration names the decoder. `uses_pitch` is whether it is conditioned on log F0, `uses_voicing` whether
unvoiced frames are 0 in it, `uses_formant` whether it can stretch spectral envelopes.
"""

from vqspeech.models.decoders.source_filter import SourceFilter
from vqspeech.models.decoders.streams import Sampling, Streams
from vqspeech.models.decoders.wavenet import WaveNet
from vqspeech.models.decoders.world import WorldDecoder
from vqspeech.models.decoders.world_wavenet import WorldWaveNet
from vqspeech.schema import Kinds

Decoder = WaveNet | WorldDecoder | WorldWaveNet | SourceFilter
DECODERS = {"wavenet": WaveNet, "world": WorldDecoder, "world_wavenet": WorldWaveNet, "source_filter": SourceFilter}
"""Decoders by name: the paper's, the fast one, a WaveNet behind the frames of the fast one, and source-filter."""
DECODER = Kinds("decoder", DECODERS, given=("latents", "hop", "speakers"))
"""The group of a configuration; decoders are made for `latents` dimensions every `hop` samples, `speakers` voices."""

__all__ = [
    "DECODER",
    "DECODERS",
    "Decoder",
    "Sampling",
    "SourceFilter",
    "Streams",
    "WaveNet",
    "WorldDecoder",
    "WorldWaveNet",
]
