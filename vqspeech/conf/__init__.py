"""Configurations: Hydra groups, and one short file for each experiment at the top."""

from importlib import import_module
from pkgutil import resolve_name
from typing import Any, cast

from vqspeech.deprecation import rename_overrides
from vqspeech.errors import ConfigError


def list_experiments() -> list[str]:
    """Names of the experiments with models of speech that come with the toolkit."""
    return [name for name in list_configurations() if not name.endswith("prior")]


def list_priors() -> list[str]:
    """Names of those with priors over the codes of such a model."""
    return [name for name in list_configurations() if name.endswith("prior")]


def list_configurations(module: str = __name__) -> list[str]:
    """Names of all configurations of a module, sorted."""
    from importlib.resources import files

    return sorted(entry.name[:-5] for entry in files(module).iterdir() if entry.name.endswith(".yaml"))


def load_config(name: str, overrides: list[str] | None = None, module: str = __name__) -> dict[str, Any]:
    """The resolved configuration of an experiment, with overrides such as `decoder.layers=20` or `quantizer=gradient`.

    Groups that a `module` below this one lacks are taken from here. Raises `ConfigError` for an unknown experiment,
    group or key, or a value that it may not have.
    """
    from hydra import compose, initialize_config_module
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if name not in list_configurations(module):
        raise ConfigError(f"no configuration '{name}'; there are {', '.join(list_configurations(module))}")
    overrides = rename_overrides(overrides or [])
    shared = [f"hydra.searchpath=[pkg://{__name__}]"] if module != __name__ else []
    try:
        with initialize_config_module(module, version_base="1.3"):
            composed = compose(name, [*shared, *overrides])
            resolved = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, ValueError, TypeError, AssertionError) as error:
        raise ConfigError(f"configuration '{name}': {' '.join(str(error).split())}") from None
    return check_config(cast(dict[str, Any], resolved), module)


TASKS = {
    "prior": "vqspeech.training.prior:PriorTask.check_config",
    "decoder": "vqspeech.training.speech:SpeechTask.check_config",
    "frontend": "vqspeech.training.clustering:check_config",
}
"""What checks a whole configuration, by the first of these groups that it has."""


def check_config(resolved: dict[str, Any], module: str = __name__) -> dict[str, Any]:
    """Return a configuration of a module after what learns from it has checked it, see `schema`. Raise `ConfigError`
    where something in it is unknown, missing, or cannot be."""
    tasks = import_module(module).TASKS
    check = next((tasks[group] for group in tasks if group in resolved), None)
    return resolve_name(check)(resolved) if check else resolved
