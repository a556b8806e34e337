"""Checkpoints: one safetensors file with the weights and, in its header, all it takes to build the model again.

The header holds format, version, the resolved configuration and the speakers as JSON; a checkpoint to resume from also
holds the optimiser's tensors under `training.`. Reading one parses numbers and JSON and executes nothing.
"""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vqspeech import devices
from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.files import replaced

FORMAT, VERSION = "vqspeech-checkpoint", 1
SUFFIX = ".safetensors"
Model = TypeVar("Model", bound=nn.Module)


def write(path: str | Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Writes tensors, and `about` (anything JSON holds) into the header, in one piece: a kill leaves the old file."""
    header = {"format": FORMAT, "version": str(VERSION), "about": json.dumps(about)}
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replaced(path) as temporary:
        save_file(kept, temporary, metadata=header)


def read(
    path: str | Path, prefix: str = "", device: str | torch.device = "cpu"
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors whose names start with `prefix` (without it), and what `write` was told about them.

    Raises `CheckpointError` where the file is missing, truncated, of another version or not ours, `ConfigError` where
    there is no such device.
    """
    where = str(devices.device(device))
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; `vqspeech models` lists those there are")
    try:
        with safe_open(path, "pt", device=where) as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise CheckpointError(f"{path}: not a checkpoint of vqspeech; name the best{SUFFIX} of an experiment")
            if header.get("version") != str(VERSION):
                raise CheckpointError(
                    f"{path}: a checkpoint of version {header.get('version')}, this is a toolkit for {VERSION}; "
                    "install the release it was made with, or train again"
                )
            about = json.loads(header["about"])
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118, it is no dict
            return {name.removeprefix(prefix): file.get_tensor(name) for name in names}, about
    except (SafetensorError, OSError, ValueError, KeyError, struct.error) as error:
        raise CheckpointError(
            f"{path}: truncated or not a safetensors file ({error}); copy it again, or use an older one"
        ) from None


def best(path: str | Path) -> Path:
    """The checkpoint at `path`: the file itself, or the best one of an experiment folder."""
    path = Path(path)
    return path / f"best{SUFFIX}" if path.is_dir() else path


def restored(
    path: str | Path, tensors: dict[str, Tensor], made: Callable[[], Model], device: str | torch.device
) -> Model:
    """The model that `made` builds, with the weights `tensors` that were read from `path`, ready for use.

    Raises `CheckpointError` where weights and configuration do not fit together.
    """
    try:
        model = made().to(device)
        model.load_state_dict(tensors)
    except (ConfigError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path}: weights and configuration do not fit together ({error})") from None
    return model.eval()


def weights(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a model as its checkpoints name them."""
    return {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
