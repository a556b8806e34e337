"""Models that translate: autoregressive, parallel, and parallel with discrete latents."""

from collections.abc import Mapping
from typing import Any

from vqspeech.schema import find_class
from vqspeech.text.models.autoregressive import AutoregressiveTranslator
from vqspeech.text.models.latent import LatentTranslator
from vqspeech.text.models.parallel import ParallelTranslator
from vqspeech.text.models.translator import Decoding, Translator

MODELS: dict[str, type[Translator]] = {
    one.name: one for one in (AutoregressiveTranslator, ParallelTranslator, LatentTranslator)
}
"""Models by name."""

__all__ = [
    "MODELS",
    "AutoregressiveTranslator",
    "Decoding",
    "LatentTranslator",
    "ParallelTranslator",
    "Translator",
    "build_translator",
    "find_translator_class",
]


def build_translator(config: Mapping[str, Any], vocabulary: str) -> Translator:
    """Build the model of a configuration with a vocabulary.

    Raises:
        ConfigError: The configuration describes something else, or names something unknown.
    """
    return find_translator_class(config)(config, vocabulary)


def find_translator_class(config: Any) -> type[Translator]:
    """Return the class of the model that a configuration describes.

    Raises:
        ConfigError: The configuration describes something else.
    """
    return find_class(config, MODELS, "that translates")
