"""Models that are part of the package: NAME.safetensors, and NAME.md, the model card."""

import os
from pathlib import Path

from vqspeech.errors import CheckpointError
from vqspeech.storage import fetch_file, is_remote

FOLDER = Path(__file__).parent
DEFAULT = "voice"
"""The one that is used where none is named."""
BEST = "best.safetensors"
"""The checkpoint in the folder of an experiment."""


def list_models() -> dict[str, Path]:
    """Return the checkpoints of the shipped models by name, the default one first."""
    found = {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}
    return {name: found[name] for name in sorted(found, key=lambda name: name != DEFAULT)}


def find_checkpoint(model: str | os.PathLike | None = None) -> Path:
    """Return the checkpoint of a model.

    Args:
        model: The name of a shipped model, a file, an experiment folder with best.safetensors, or `org/name` on the
            Hugging Face Hub, with `@revision` where one is wanted, or the URL of a file or folder; None is the default
            model.

    Raises:
        CheckpointError: No model came with this installation.
        StorageError: The URL cannot be read.
    """
    found = list_models()
    if model is None:
        if DEFAULT not in found:
            raise CheckpointError("no model came with this installation; name one with --model, or train one")
        return found[DEFAULT]
    if os.fspath(model) in found:
        return found[os.fspath(model)]
    if is_remote(model):
        url = os.fspath(model)
        return fetch_file(url if url.endswith(".safetensors") else f"{url.rstrip('/')}/{BEST}")
    path = Path(model)
    if not path.exists():
        from vqspeech.models.hub import find_on_hub

        path = find_on_hub(os.fspath(model)) or path
    return path / BEST if path.is_dir() else path
