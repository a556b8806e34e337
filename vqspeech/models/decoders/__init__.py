"""Decoders: from latent vectors and a speaker to speech.

Both have `loss(latents, speakers, batch)`, the training losses by name, and `waveforms(latents, speakers, lanes)`,
the speech itself; which one a model has is named in its configuration.
"""

from vqspeech.errors import ConfigError
from vqspeech.models.decoders.lanes import Lanes, Sampling
from vqspeech.models.decoders.wavenet import WaveNet
from vqspeech.models.decoders.world import WorldDecoder

DECODERS = {"wavenet": WaveNet, "world": WorldDecoder}
"""Decoders by name: the paper's, and the fast one."""

__all__ = ["DECODERS", "Lanes", "Sampling", "WaveNet", "WorldDecoder", "decoder"]


def decoder(name: str, latents: int, hop: int, speakers: int, **options) -> WaveNet | WorldDecoder:
    """The decoder of that name for `latents` dimensions every `hop` samples and `speakers` voices.

    Raises `ConfigError` for an unknown name or option.
    """
    if name not in DECODERS:
        raise ConfigError(f"no decoder '{name}'; there are {', '.join(DECODERS)}")
    try:
        return DECODERS[name](latents, hop, speakers, **options)
    except TypeError as error:
        raise ConfigError(f"decoder '{name}': {error}") from None
