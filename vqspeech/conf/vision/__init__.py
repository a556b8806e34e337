"""Configurations of models of images, with the codebooks of those of speech."""

from typing import Any

from vqspeech import conf


def experiments() -> list[str]:
    """Names of the experiments with models of images."""
    return [name for name in conf.names(__name__) if not name.endswith("prior")]


def priors() -> list[str]:
    """Names of those with priors over the codes of such a model."""
    return [name for name in conf.names(__name__) if name.endswith("prior") and name not in videos()]


def videos() -> list[str]:
    """Names of those with priors over the codes of video."""
    return [name for name in conf.names(__name__) if name.endswith("video_prior")]


def config(name: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """As `conf.config`."""
    return conf.config(name, overrides, __name__)
