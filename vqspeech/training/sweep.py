"""Trainings of every combination of settings, by Hydra's multirun and its launchers."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from vqspeech.conf import load_config
from vqspeech.deprecation import rename_overrides
from vqspeech.errors import ConfigError, VqspeechError
from vqspeech.extras import import_extra

LAUNCHERS = {
    "joblib": "hydra_plugins.hydra_joblib_launcher",
    "submitit_local": "hydra_plugins.hydra_submitit_launcher",
    "submitit_slurm": "hydra_plugins.hydra_submitit_launcher",
}
"""Plugins of Hydra by launcher: processes of this machine, and jobs of a SLURM cluster (or a local stand-in)."""


def run_sweep(
    name: str,
    overrides: Sequence[str],
    train: str | Path,
    dev: str | Path,
    out: str | Path,
    launcher: str = "joblib",
    restart: bool = False,
) -> list[Path]:
    """Train a configuration once for every combination of settings.

    Interrupted trainings are resumed, finished ones are left as they are.

    Args:
        name: The configuration.
        overrides: Settings, such as `quantizer.codes=128,512`, and those of the launcher, such as
            `hydra.launcher.n_jobs=4` or `hydra.launcher.partition=gpu`.
        train: The dump to learn from.
        dev: The held-out dump.
        out: Folder of the experiments.
        launcher: One of `LAUNCHERS`.
        restart: Train all of them from the start.

    Returns:
        The folders of the experiments, named for the settings that vary.

    Raises:
        ConfigError: A setting is unknown, or none varies.
        MissingExtra: The plugin is not installed.
        VqspeechError: A training failed.
    """
    import hydra

    if launcher not in LAUNCHERS:
        raise ConfigError(f"no launcher '{launcher}'; there are {', '.join(LAUNCHERS)}")
    import_extra(LAUNCHERS[launcher], "sweep")
    overrides = rename_overrides(overrides)
    settings = [one for one in overrides if not one.startswith("hydra.")]
    combinations, fixed = _combinations(settings)
    for combination in combinations:
        load_config(name, combination)  # an unknown key ends the sweep before it starts
    out, paths = Path(out).resolve(), (str(Path(train).resolve()), str(Path(dev).resolve()))

    def job(resolved: Any) -> None:
        from hydra.core.hydra_config import HydraConfig
        from omegaconf import OmegaConf

        from vqspeech.data.dump import read_shards
        from vqspeech.training import trainer
        from vqspeech.training.speech import SpeechTask

        options = cast(dict[str, Any], OmegaConf.to_container(resolved, resolve=True))
        folder = HydraConfig.get().runtime.output_dir
        trainer.train(lambda: SpeechTask(options, *map(read_shards, paths)), folder, restart)

    given = sys.argv
    sys.argv = [
        given[0], "--multirun", f"hydra/launcher={launcher}", f"hydra.sweep.dir={out}",
        "hydra.sweep.subdir=${hydra.job.override_dirname}", *overrides,
        f"hydra.job.config.override_dirname.exclude_keys=[{','.join(fixed)}]",
    ]  # fmt: skip
    try:
        with _keep_root_logger():
            hydra.main("pkg://vqspeech.conf", name, version_base="1.3")(job)()
    except SystemExit as ended:
        raise VqspeechError(f"a training of the sweep failed, see above; the others are in {out}") from ended
    finally:
        sys.argv = given
    return sorted(path.parent for path in out.glob("*/best.safetensors"))


@contextmanager
def _keep_root_logger() -> Iterator[None]:
    """Restore handlers and level of the root logger after the block: Hydra replaces them with those of each job."""
    root = logging.getLogger()
    level, handlers = root.level, [*root.handlers]
    try:
        yield
    finally:
        for handler in [one for one in root.handlers if one not in handlers]:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)


def _combinations(overrides: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """Return the overrides of each training, and the keys that do not vary."""
    from itertools import product

    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides([*overrides])
    except HydraException as error:
        raise ConfigError(" ".join(str(error).split())) from None
    if not any(one.is_sweep_override() for one in parsed):
        raise ConfigError("nothing to sweep over; give at least one setting several values, as quantizer.codes=128,512")
    choices = [
        [f"{one.get_key_element()}={value}" for value in one.sweep_string_iterator()]
        if one.is_sweep_override()
        else [text]
        for one, text in zip(parsed, overrides, strict=True)
    ]
    return [[*one] for one in product(*choices)], [one.key_or_group for one in parsed if not one.is_sweep_override()]
