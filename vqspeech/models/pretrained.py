"""What all models share that are saved and loaded: metadata, checkpoints, device, fingerprint."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from vqspeech.errors import CheckpointError
from vqspeech.models import checkpoint
from vqspeech.pretrained import find_checkpoint
from vqspeech.schema import Kinds, Options

Kind = TypeVar("Kind", bound="Pretrained")


class Pretrained(nn.Module):
    """Base of the models that are saved to and loaded from checkpoints.

    A model is made by `cls(config, *fields)`, where `fields` names the parameters after the configuration; they are
    attributes of the same names. Configuration and fields are the metadata of its checkpoint.
    """

    config: dict[str, Any]
    groups: Mapping[str, Options | Kinds] = {}
    """The groups of its configuration."""
    fields: ClassVar[Sequence[str]] = ()
    """Keys of the metadata besides `config`."""
    loaded: ClassVar[tuple[str, ...]] = ("",)
    """Prefixes of the names of the tensors that are loaded from a checkpoint."""
    hashed: ClassVar[Sequence[str]] = ("",)
    """Submodules whose weights the fingerprint depends on; "" is the whole model."""
    expected: ClassVar[str] = "no model of this kind"
    """End of the error message for a checkpoint of another kind."""

    @property
    def metadata(self) -> dict[str, Any]:
        """What is needed to build the model, besides the weights, as JSON values."""
        found = {name: getattr(self, name) for name in self.fields}
        return {"config": self.config} | {k: list(v) if isinstance(v, tuple) else v for k, v in found.items()}

    @property
    def saved_metadata(self) -> dict[str, Any]:
        """What a checkpoint says of the model: `metadata`, and what may change without making it another model."""
        return self.metadata

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(chain(self.parameters(), self.buffers())).device

    def fingerprint(self) -> str:
        """Return the SHA-256 of the weights of the submodules `hashed`."""
        return hash_weights(self.get_submodule(name).state_dict() for name in self.hashed)

    @classmethod
    def recognises(cls, metadata: Mapping[str, Any]) -> bool:
        """Return whether the metadata of a checkpoint describe a model of this kind."""
        return {"config", *cls.fields} <= metadata.keys()

    @classmethod
    def from_metadata(cls: type[Kind], metadata: Mapping[str, Any]) -> Kind:
        """Return the model that the metadata of a checkpoint describe, its weights as they are initialised.

        Raises:
            ConfigError: The configuration names something unknown or does not fit.
        """
        return cls(metadata["config"], *(metadata[name] for name in cls.fields))

    @classmethod
    def from_pretrained(cls: type[Kind], path: str | Path, device: str | torch.device = "cpu") -> Kind:
        """Return the model of a checkpoint or of an experiment folder, in evaluation mode.

        Raises:
            CheckpointError: The file cannot be read, is damaged or of another kind of model.
            ConfigError: There is no such device.
        """
        file = checkpoint.find_best(find_checkpoint(path))
        tensors, metadata = checkpoint.read(file, "model.", device)
        if not cls.recognises(metadata):
            raise CheckpointError(f"{file}: is {cls.expected}")
        kept = {name: tensor for name, tensor in tensors.items() if name.startswith(cls.loaded)}
        return checkpoint.restore_model(file, kept, lambda: cls.from_metadata(metadata), device)

    def save_pretrained(
        self,
        path: str | Path,
        dtype: torch.dtype = torch.float32,
        share: str | Path | None = None,
        part: str = "",
        **metadata: Any,
    ) -> None:
        """Write weights and metadata to a checkpoint.

        Args:
            path: The file.
            dtype: What parameters are stored as; they are float32 again once loaded. As float16 they take half the
                room, as int8 a quarter. The fingerprint changes with them.
            share: Another checkpoint in the same folder: tensors that it holds, too, are not written again.
            part: The submodule that alone is stored as `dtype`, such as "decoder", the rest as float16; empty: all.
            **metadata: What else the checkpoint says of the model.

        Raises:
            CheckpointError: A weight is not finite, or too large for `dtype`.
        """
        tensors = checkpoint.collect_weights(self)
        rounded: dict[str, Tensor] = {}
        for name, parameter in self.named_parameters():
            inside = not part or name.startswith(f"{part}.")
            rounded |= checkpoint.round_weights({f"model.{name}": parameter}, dtype if inside else torch.float16)
        if dtype != torch.float32 and checkpoint.find_not_finite(rounded) and not checkpoint.find_not_finite(tensors):
            raise CheckpointError(f"{path}: a weight is too large for {dtype}; keep the checkpoint as it is")
        checkpoint.write(path, tensors | rounded, self.saved_metadata | metadata, share)

    def push_to_hub(
        self, repository: str, *, licence: str, data: str, revision: str | None = None, **metadata: Any
    ) -> str:
        """Write the model, with a card, to a repository of the Hugging Face Hub, and return the commit.

        Args:
            repository: `org/name`; it is made where there is none.
            licence: Of the weights, by the Hub's name of it, such as "cc-by-4.0".
            data: What the model learned from, and the licence of that, in a sentence.
            revision: Branch to write to; None: the main one.
            **metadata: What else the checkpoint says of the model.

        Raises:
            ConfigError: A licence is missing, or the repository is not `org/name`.
            CheckpointError: The repository cannot be written to.
            MissingExtra: huggingface_hub is not installed.
        """
        from vqspeech.models.hub import push

        return push(self, repository, licence, data, metadata, revision)


def hash_weights(states: Iterable[Mapping[str, Tensor]], start: bytes = b"") -> str:
    """Return the SHA-256 of `start`, and of names and values of the tensors of state dicts, each sorted by name."""
    digest = hashlib.sha256(start)
    for state in states:
        for name, tensor in sorted(state.items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
