"""Configurations of models that translate; their quantisers are those of speech."""

from typing import Any

from vqspeech import conf

TASKS = {"model": "vqspeech.text.training.translation:TranslationTask.check_config"}
"""As `conf.TASKS`."""


def list_experiments() -> list[str]:
    """Return the names of all configurations, sorted."""
    return conf.list_configurations(__name__)


def load_config(name: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """Return the resolved configuration of a name; see `conf.load_config`."""
    return conf.load_config(name, overrides, __name__)
