"""Checkpoints: one safetensors file with the weights and, in its header, what it takes to build the model again.

The header holds format, version, and as JSON the resolved configuration, the speakers and what else is known of the
model. A checkpoint to resume from also holds the optimiser's tensors under `training.`. The header has the SHA-256 of
each tensor and of itself, so that damage is found; tensors that are not finite are neither written nor read. Reading
parses numbers and JSON and executes nothing. Tensors that a model shares with another one may be stored in the file of
that one, in the same folder.
"""

import hashlib
import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vqspeech import deprecation, devices
from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.files import replace_file
from vqspeech.schema import Codes, Length, Options, Positive, Range

FORMAT, VERSION = "vqspeech-checkpoint", 1
SUFFIX = ".safetensors"
UNKNOWN = ("model.pitch",)
"""Tensors in which NaN means unknown."""
Model = TypeVar("Model", bound=nn.Module)
_SCALE = "scale."
"""Prefix of the names of the scales of 8-bit weights."""


@dataclass(frozen=True)
class CodesMetadata:
    """Metadata of the codes that a model was trained on."""

    codes: Codes
    model: str = ""
    sha256: str = ""
    rate_hz: Positive = 1.0
    shape: Annotated[Sequence[Annotated[int, Range(1, 4096)]], Length(3, 3)] = (1, 1, 1)


@dataclass(frozen=True)
class Adaptation:
    """Metadata of a voice that was added to a model."""

    name: str
    like: str = ""
    seconds: Positive = 1.0


@dataclass(frozen=True)
class Metadata:
    """Keys of the metadata that are read anywhere, and their types."""

    config: Mapping[str, Any] = field(default_factory=dict)
    speakers: Sequence[str] = ()
    genders: Mapping[str, Any] = field(default_factory=dict)
    classes: Sequence[str] = ()
    actions: Sequence[str] = ()
    shape: Annotated[Sequence[Annotated[int, Range(1, 65_536)]], Length(3, 3)] = (1, 1, 1)
    units: Annotated[Mapping[str, Any], Options(CodesMetadata, allow_unknown=True)] = field(default_factory=dict)
    codes: Annotated[Mapping[str, Any], Options(CodesMetadata, allow_unknown=True)] = field(default_factory=dict)
    step: Annotated[int, Range(0)] = 0
    best: float = 0.0
    adapted: Sequence[Annotated[Mapping[str, Any], Options(Adaptation, allow_unknown=True)]] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


def write(
    path: str | Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any], share: str | Path | None = None
) -> None:
    """Write tensors and metadata to one file, atomically: a kill leaves the old file.

    Args:
        path: The file.
        tensors: By name.
        about: The metadata, anything that JSON holds.
        share: Another checkpoint in the same folder. Tensors that it holds under the same name, bit by bit, are not
            written again: `read` takes them from there.

    Raises:
        CheckpointError: A tensor is not finite, or the disk is full, and the old file stays; or `share` is in another
            folder.
    """
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    wrong = find_not_finite(kept)
    if wrong:
        raise CheckpointError(f"{path}: {describe_names(wrong)} not finite, and not written; what was there stays")
    hashes = {name: hash_tensor(one) for name, one in kept.items()}
    texts = {"about": json.dumps(about), "sha256": json.dumps(hashes)}
    header = {"format": FORMAT, "version": str(VERSION), **texts, "header_sha256": _header_sha256(texts)}
    if share is not None:
        if Path(share).resolve().parent != Path(path).resolve().parent:
            raise CheckpointError(f"{path}: shares tensors with a file of its own folder only, not with {share}")
        names = [name for name, found in _hashes(share).items() if hashes.get(name) == found]
        kept = {name: tensor for name, tensor in kept.items() if name not in names}
        header["shared"] = json.dumps({"file": Path(share).name, "tensors": names})
    try:
        with replace_file(path) as temporary:
            save_file(kept, temporary, metadata=header)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: cannot be written ({error}); what was there stays; make room for it") from None


def read(
    path: str | Path, prefix: str = "", device: str | torch.device = "cpu"
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and metadata.

    Args:
        path: The file.
        prefix: Only tensors whose names start with it are read, and returned without it.
        device: Where the tensors are to be.

    Raises:
        CheckpointError: The file is missing, truncated, damaged, of another version or another format.
        ConfigError: There is no such device.
    """
    where = devices.resolve_device(device)
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; `vqspeech models` lists those there are")
    try:
        with safe_open(path, "pt", device="cpu") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise CheckpointError(f"{path}: not a checkpoint of vqspeech; name the best{SUFFIX} of an experiment")
            if header.get("version") != str(VERSION):
                raise CheckpointError(
                    f"{path}: a checkpoint of version {header.get('version')}, this is a toolkit for {VERSION}; "
                    "install the release it was made with, or train again"
                )
            about = json.loads(header["about"])
            elsewhere = _Shared.of(path, header)
            there = {*file.keys(), *elsewhere.names}
            names = [name for name in sorted(there) if name.startswith(prefix)]
            scales = [_SCALE + name for name in names if _SCALE + name in there]
            wanted = [*names, *scales]
            tensors = {name: file.get_tensor(name) for name in wanted if name not in elsewhere.names}
            tensors |= elsewhere.read([name for name in wanted if name in elsewhere.names])
            damage = _damage(header, about, tensors)
            for scale in scales:
                name, factors = scale.removeprefix(_SCALE), tensors.pop(scale)
                tensors[name] = tensors[name].float() * factors.view(-1, *[1] * (tensors[name].ndim - 1))
    except (SafetensorError, OSError, ValueError, KeyError, struct.error) as error:
        raise CheckpointError(
            f"{path}: truncated or not a safetensors file ({error}); copy it again, or use an older one"
        ) from None
    if damage:
        raise CheckpointError(f"{path}: damaged, {damage}; copy it again, or use an older one")
    about = deprecation.rename_keys(about, warn=False)
    if isinstance(about.get("config"), dict):
        about["config"] = deprecation.rename_keys(about["config"], warn=False)
    return {name.removeprefix(prefix): tensor.to(where) for name, tensor in tensors.items()}, about


@dataclass(frozen=True)
class _Shared:
    """Tensors of a checkpoint `path` that lie in another `file`."""

    path: Path
    file: Path
    names: frozenset[str]

    @classmethod
    def of(cls, path: Path, header: Mapping[str, str]) -> "_Shared":
        """Return what the header of a checkpoint says of shared tensors. Raise `ValueError` where that is invalid."""
        if "shared" not in header:
            return cls(path, path, frozenset())
        found = json.loads(header["shared"])
        name, tensors = (found.get(key) for key in ("file", "tensors")) if isinstance(found, dict) else (None, None)
        if not isinstance(name, str) or name != Path(name).name or not isinstance(tensors, list):
            raise ValueError("it shares tensors with what is no file beside it")
        return cls(path, path.with_name(name), frozenset(map(str, tensors)))

    def read(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return the tensors of these names. Raise `CheckpointError` where their file is missing or another one."""
        if not names:
            return {}
        if not self.file.is_file():
            raise CheckpointError(
                f"{self.path}: a part of it lies in {self.file.name}, which is not beside it; copy both"
            )
        with safe_open(self.file, "pt", device="cpu") as file:
            if not set(names) <= set(file.keys()):
                raise CheckpointError(f"{self.path}: {self.file} is not what it shares tensors with; copy both again")
            return {name: file.get_tensor(name) for name in names}


def _hashes(path: str | Path) -> dict[str, str]:
    """Return the hashes of the tensors in a checkpoint by name. Raise `CheckpointError` where it cannot be read."""
    read(path, "none.")
    with safe_open(path, "pt", device="cpu") as file:
        return {name: hash_tensor(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118, it is no dict


def round_weights(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Return weights in fewer bits, as `write` takes them; `read` gives them back as float32 or `dtype`.

    In `torch.int8`, each row of a matrix, or output channel of a convolution, is whole multiples of a 127th of its
    largest weight, which is kept beside it; vectors are float16.
    """
    if dtype != torch.int8:
        return {name: tensor.to(dtype) for name, tensor in tensors.items()}
    found = {}
    for name, tensor in tensors.items():
        if tensor.ndim < 2:
            found[name] = tensor.half()
            continue
        largest = tensor.detach().flatten(1).abs().amax(1).clamp(min=1e-12)
        scale = (largest / 127).view(-1, *[1] * (tensor.ndim - 1))
        found[name] = (tensor.detach() / scale).round().to(torch.int8)
        found[_SCALE + name] = scale.flatten()
    return found


def find_best(path: str | Path) -> Path:
    """Return the checkpoint at `path`: the file itself, or the best one of an experiment folder."""
    path = Path(path)
    return path / f"best{SUFFIX}" if path.is_dir() else path


def restore_model(
    path: str | Path, tensors: dict[str, Tensor], make: Callable[[], Model], device: str | torch.device
) -> Model:
    """Return a model with the weights of a checkpoint, in evaluation mode.

    Args:
        path: The checkpoint, for the message of an error.
        tensors: Its weights.
        make: Builds the model.
        device: Where the model is to be.

    Raises:
        CheckpointError: Weights and configuration do not fit together.
    """
    try:
        with _Budget(sum(tensor.numel() for tensor in tensors.values())):
            model = make()
        model.to(device).load_state_dict(tensors)
    except (ConfigError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise CheckpointError(f"{path}: weights and configuration do not fit together ({error})") from None
    return model.eval()


class _Budget(TorchFunctionMode):
    """Raise `ConfigError` before a model is allocated that is far larger than its file.

    It is not a mode of torch's dispatcher: with that, torch loads its compiler, which takes two seconds and 200 MB.
    """

    def __init__(self, held: int):
        super().__init__()
        self.left = 4 * held + (1 << 24)

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        size = args[0] if args and isinstance(args[0], (list, tuple)) else args
        if size and all(isinstance(one, int) for one in size):
            self.left -= math.prod(size)
        if self.left < 0:
            raise ConfigError("the configuration is of a far larger model")
        return func(*args, **(kwargs or {}))


def collect_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a model under their names in a checkpoint."""
    return {f"model.{name}": tensor for name, tensor in model.state_dict().items()}


def find_not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of tensors with a number that is not finite; those in `UNKNOWN` may hold NaN."""

    def finite(name: str, tensor: Tensor) -> bool:
        return bool((tensor.isfinite() | tensor.isnan() if name in UNKNOWN else tensor.isfinite()).all())

    return [name for name, one in tensors.items() if one.is_floating_point() and not finite(name, one)]


def describe_names(names: list[str]) -> str:
    """Return the names of tensors in words, the first of many."""
    return f"{names[0]} is" if len(names) == 1 else f"{names[0]} and {len(names) - 1} other tensors are"


def hash_tensor(tensor: Tensor) -> str:
    """Return the SHA-256 of the type, shape and bytes of a tensor on the CPU."""
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
    digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


_ABOUT = Options(Metadata, allow_unknown=True)


def _damage(header: Mapping[str, str], about: Any, tensors: Mapping[str, Tensor]) -> str:
    """Return what differs from what was written, in words; empty where nothing does. Older files have no hashes."""
    if not isinstance(about, dict):
        return "its header describes nothing"
    try:
        _ABOUT.check("header", about)
    except ConfigError as error:
        return str(error)
    if "sha256" in header or "header_sha256" in header:
        if header.get("header_sha256") != _header_sha256({key: header.get(key, "") for key in ("about", "sha256")}):
            return "its header is not as it was written"
        hashes = json.loads(header["sha256"])
        damaged = [name for name, tensor in tensors.items() if hash_tensor(tensor) != hashes.get(name)]
        if damaged:
            return f"{describe_names(damaged)} not as written"
    wrong = find_not_finite(tensors)
    return f"{describe_names(wrong)} not finite" if wrong else ""


def _header_sha256(texts: Mapping[str, str]) -> str:
    return hashlib.sha256("\n".join(texts[key] for key in ("about", "sha256")).encode()).hexdigest()
