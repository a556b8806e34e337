"""Decoders: from latent vectors and a speaker to speech.

Each has `loss(latents, speakers, batch)`, the training losses by name, and `waveforms(latents, speakers, lanes)`,
the speech itself; which one a model has is named in its configuration. `told_pitch` says whether the pitch is given it.
"""

from vqspeech.errors import ConfigError
from vqspeech.models.decoders.lanes import Lanes, Sampling
from vqspeech.models.decoders.source_filter import SourceFilter
from vqspeech.models.decoders.wavenet import WaveNet
from vqspeech.models.decoders.world import WorldDecoder
from vqspeech.models.decoders.world_wavenet import WorldWaveNet

Decoder = WaveNet | WorldDecoder | WorldWaveNet | SourceFilter
DECODERS = {"wavenet": WaveNet, "world": WorldDecoder, "world_wavenet": WorldWaveNet, "source_filter": SourceFilter}
"""Decoders by name: the paper's, the fast one, the fast one's frames sounded by a WaveNet, and pulses and noise
through learned filters."""

__all__ = [
    "DECODERS",
    "Decoder",
    "Lanes",
    "Sampling",
    "SourceFilter",
    "WaveNet",
    "WorldDecoder",
    "WorldWaveNet",
    "decoder",
]


def decoder(name: str, latents: int, hop: int, speakers: int, **options) -> Decoder:
    """The decoder of that name for `latents` dimensions every `hop` samples and `speakers` voices.

    Raises `ConfigError` for an unknown name or option.
    """
    if name not in DECODERS:
        raise ConfigError(f"no decoder '{name}'; there are {', '.join(DECODERS)}")
    try:
        return DECODERS[name](latents, hop, speakers, **options)
    except TypeError as error:
        raise ConfigError(f"decoder '{name}': {error}") from None
