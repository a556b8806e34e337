"""Configurations of models of images and video; their quantisers are those of speech."""

from typing import Any

from vqspeech import conf

TASKS = {
    "video": "vqspeech.vision.training.video:VideoTask.check_config",
    "top": "vqspeech.vision.training.top:TopTask.check_config",
    "prior": "vqspeech.vision.training.prior:ImagePriorTask.check_config",
    "model": "vqspeech.vision.training.reconstruction:ImageTask.check_config",
}
"""As `conf.TASKS`."""


def list_configurations() -> list[str]:
    """Return the names of all configurations, sorted."""
    return conf.list_configurations(__name__)


def list_experiments() -> list[str]:
    """Return the names of the configurations of models of images."""
    return [name for name in list_configurations() if not _is_prior(name)]


def list_priors() -> list[str]:
    """Return the names of the configurations of priors over codes of images."""
    return [name for name in list_configurations() if _is_prior(name) and name not in list_video_priors()]


def list_video_priors() -> list[str]:
    """Return the names of the configurations of priors over codes of video."""
    return [name for name in list_configurations() if name.endswith("video_prior")]


def _is_prior(name: str) -> bool:
    return name.removesuffix("_ema").endswith("prior")


def load_config(name: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """Return the resolved configuration of a name; see `conf.load_config`."""
    return conf.load_config(name, overrides, __name__)
