"""Checkpoints: one safetensors file with the weights and, in its header, all it takes to build the model again.

The header holds format, version, the resolved configuration and the speakers as JSON; a checkpoint to resume from also
holds the optimiser's tensors under `training.`. Reading one parses numbers and JSON and executes nothing.
"""

import json
import struct
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vqspeech.errors import CheckpointError
from vqspeech.files import replaced

FORMAT, VERSION = "vqspeech-checkpoint", 1
SUFFIX = ".safetensors"


def write(path: str | Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Writes tensors, and `about` (anything JSON holds) into the header, in one piece: a kill leaves the old file."""
    header = {"format": FORMAT, "version": str(VERSION), "about": json.dumps(about)}
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replaced(path) as temporary:
        save_file(kept, temporary, metadata=header)


def read(path: str | Path, prefix: str = "", device: str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors whose names start with `prefix` (without it), and what `write` was told about them.

    Raises `CheckpointError` where the file is missing, truncated, of another version or not ours.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; `vqspeech models` lists those there are")
    try:
        with safe_open(path, "pt", device=device) as file:
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
