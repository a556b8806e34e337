"""Configurations: Hydra groups, and one short file for each experiment at the top."""

from importlib import import_module
from pkgutil import resolve_name
from typing import Any, cast

from vqspeech.deprecation import rename_overrides
from vqspeech.errors import ConfigError


def list_experiments() -> list[str]:
    """Return the names of the configurations of models of speech."""
    return [name for name in list_configurations() if not name.endswith("prior")]


def list_priors() -> list[str]:
    """Return the names of the configurations of priors over codes of speech."""
    return [name for name in list_configurations() if name.endswith("prior")]


def list_configurations(module: str = __name__) -> list[str]:
    """Return the names of all configurations of a module, sorted."""
    from importlib.resources import files

    return sorted(entry.name[:-5] for entry in files(module).iterdir() if entry.name.endswith(".yaml"))


def load_config(name: str, overrides: list[str] | None = None, module: str = __name__) -> dict[str, Any]:
    """Return the resolved configuration of a name.

    Args:
        name: Configuration.
        overrides: Settings such as `decoder.layers=20` or `quantizer=gradient`.
        module: Package of the configuration. Groups that it lacks are taken from this one.

    Raises:
        ConfigError: The configuration, a group or a key is unknown, or a value is invalid.
    """
    from hydra import compose, initialize_config_module
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if name not in list_configurations(module):
        raise ConfigError(f"no configuration '{name}'; choose one of {', '.join(list_configurations(module))}")
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
"""Function that checks a configuration, by the first of these groups that it has."""


def check_config(resolved: dict[str, Any], module: str = __name__) -> dict[str, Any]:
    """Check a configuration of a module by the task that it is for (`schema`), and return it.

    Raises:
        ConfigError: A key is unknown or missing, or a value is invalid.
    """
    tasks = import_module(module).TASKS
    check = next((tasks[group] for group in tasks if group in resolved), None)
    return resolve_name(check)(resolved) if check else resolved
