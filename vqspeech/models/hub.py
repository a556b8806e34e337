"""Models on the Hugging Face Hub: found by `org/name`, cached, and pushed with a card that states licences.

A repository has `model.safetensors`, a checkpoint of ours, and `README.md`, the card. Endpoint, cache, token and
offline mode are those of `huggingface_hub` (`HF_ENDPOINT`, `HF_HOME`, `HF_TOKEN`, `HF_HUB_OFFLINE`).
"""

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqspeech import __version__
from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.extras import import_extra
from vqspeech.files import temporary_folder, write_text

if TYPE_CHECKING:
    from vqspeech.models.pretrained import Pretrained

FILE = "model.safetensors"
"""The checkpoint in a repository."""
_NAME = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def find_on_hub(name: str) -> Path | None:
    """Return the checkpoint of `org/name`, or of `org/name@revision`, downloaded unless it is in the cache.

    Args:
        name: The repository, with a branch, tag or commit where one is wanted. A commit pins the weights.

    Returns:
        None where `name` is no such name.

    Raises:
        CheckpointError: There is no such model, or it cannot be reached.
        MissingExtra: huggingface_hub is not installed.
    """
    parts = _NAME.fullmatch(name)
    if parts is None or name.startswith(".") or name.endswith(".safetensors"):
        return None
    hub = import_extra("huggingface_hub", "hub")
    errors = import_extra("huggingface_hub.errors", "hub")
    try:
        return Path(hub.hf_hub_download(parts["repository"], FILE, revision=parts["revision"]))
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as error:
        raise CheckpointError(
            f"{name}: neither a file here nor a model with {FILE} on the Hub ({_first_line(error)}); check the name"
        ) from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{name}: no such file here, not in the cache, and the Hub cannot be reached ({_first_line(error)}); "
            "check the connection, or copy the file"
        ) from None


def push(
    model: "Pretrained", repository: str, licence: str, data: str, about: Mapping[str, Any], revision: str | None
) -> str:
    """Write a model and its card to a repository, which is made where there is none, and return the commit.

    Arguments are those of `Pretrained.push_to_hub`.
    """
    if not _NAME.fullmatch(repository) or "@" in repository:
        raise ConfigError(f"{repository!r}: name a repository as ORG/NAME")
    if not licence.strip() or not data.strip():
        raise ConfigError("a card states the licence of the weights and that of the data; give licence= and data=")
    hub = import_extra("huggingface_hub", "hub")
    errors = import_extra("huggingface_hub.errors", "hub")
    api = hub.HfApi()
    with temporary_folder(Path(tempfile.gettempdir()) / "vqspeech-hub") as folder:
        model.save_pretrained(folder / FILE, **about)
        write_text(folder / "README.md", format_hub_card(model, repository, licence, data))
        try:
            api.create_repo(repository, exist_ok=True)
            if revision:
                api.create_branch(repository, branch=revision, exist_ok=True)
            done = api.upload_folder(
                repo_id=repository, folder_path=folder, revision=revision, commit_message=f"vqspeech {__version__}"
            )
        except (errors.HfHubHTTPError, OSError) as error:
            raise CheckpointError(
                f"{repository}: cannot be written to ({_first_line(error)}); `hf auth login`, or check the name"
            ) from None
    return done.oid


def format_hub_card(model: "Pretrained", repository: str, licence: str, data: str) -> str:
    """Return the card of a model on the Hub: its metadata, licences of weights and data, use, and configuration."""
    hub = import_extra("huggingface_hub", "hub")
    about = hub.ModelCardData(license=licence, library_name="vqspeech", tags=["speech", "voice-conversion", "vq-vae"])
    options = "\n".join(f"{key}: {json.dumps(value)}" for key, value in model.config.items())
    kind = type(model).__name__
    return (
        f"---\n{about.to_yaml()}\n---\n\n# {repository.partition('/')[2]}\n\n## Licences\n\nWeights: {licence}.\n\n"
        f"Training data: {data.strip()}\n\n## Use\n\n```python\nfrom {type(model).__module__} import {kind}\n\n"
        f'model = {kind}.from_pretrained("{repository}")\n```\n\nSHA-256 of its weights: {model.fingerprint()}\n\n'
        f"## Configuration\n\n```\n{options}\n```\n"
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
