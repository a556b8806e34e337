"""The optimiser: rates, precision, which weights decay, state in checkpoints, moments of codes that were replaced."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.models.quantize import Codebook

_PREFIX = "training."


def learning_rate(step: int, options: Mapping[str, Any], seconds: float = 0.0) -> float:
    """Return the learning rate of a step.

    It rises linearly to `lr` over `warmup` steps, then falls along half a cosine to `lr_end` at the last step, or at
    the end of `minutes` if that is sooner.

    Args:
        step: Steps taken.
        options: Options of the training.
        seconds: Time since the start of the training (s).
    """
    if step < options["warmup"]:
        return options["lr"] * (step + 1) / options["warmup"]
    done = (step - options["warmup"]) / max(1, options["steps"] - options["warmup"])
    if options.get("minutes"):
        done = max(done, seconds / (60 * options["minutes"]))
    return options["lr_end"] + (options["lr"] - options["lr_end"]) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def resolve_precision(name: str = "auto") -> str:
    """Return the mixed precision of a setting of `training.precision`: "bf16", or "no" for float32.

    Args:
        name: auto, fp32 or bf16; auto is bf16 where the processor multiplies it fast.

    Raises:
        ConfigError: There is no such setting.
    """
    if name == "auto":
        if torch.cuda.is_available():
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            fast = torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001 -- torch has no public one
        name = "bf16" if fast else "fp32"
    if name not in ("bf16", "fp32"):
        raise ConfigError(f"training.precision={name}; it is auto, bf16 or fp32")
    return "bf16" if name == "bf16" else "no"


def group_parameters(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the trainable parameters as two groups of an optimiser: those with weight decay, and those without.

    The weights of linear maps and convolutions decay; biases, norms, embeddings, codebooks and position embeddings do
    not.
    """
    apart = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, (nn.Embedding, Codebook))
        for parameter in module.parameters(recurse=False)
    }
    learned = [(name, one) for name, one in model.named_parameters() if one.requires_grad]
    decayed = [one for name, one in learned if one.ndim > 1 and name.endswith("weight") and id(one) not in apart]
    chosen = {id(one) for one in decayed}
    kept = [one for _, one in learned if id(one) not in chosen]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]


def export_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the state of an optimiser under the names of checkpoints, `training.PARAMETER.FIELD`."""
    names = _names(model, optimizer)
    return {
        f"{_PREFIX}{names[index]}.{field}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for field, value in state.items()
    }


def load_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Set an optimiser to the state in the tensors of a checkpoint.

    Checkpoints of 0.1.0 have the number of a parameter, among the trainable ones, in place of its name.

    Raises:
        CheckpointError: The state is of other parameters.
    """
    names = _names(model, optimizer)
    numbered = [name for name, one in model.named_parameters() if one.requires_grad]
    shapes = {name: one.shape for name, one in model.named_parameters()}
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(_PREFIX):
            name, field = key.removeprefix(_PREFIX).rsplit(".", 1)
            if name.isdecimal() and int(name) < len(numbered):
                name = numbered[int(name)]
            if name not in names or (field != "step" and tensor.shape != shapes[name]):
                raise CheckpointError(f"the optimiser's state of '{name}' is not of this model")
            state.setdefault(names.index(name), {})[field] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


@torch.no_grad()
def reset_moved_codes(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Set gradient and moments to 0 of code vectors that were replaced since the last step.

    They belong to the positions the codes had before, and would move them away again. Call it before a step.
    """
    for book in model.modules():
        if isinstance(book, Codebook) and book.moved is not None:
            rows, book.moved = book.moved, None
            if isinstance(book.weight, nn.Parameter):
                moments = optimizer.state.get(book.weight, {}).values()
                for tensor in [book.weight.grad, *moments]:
                    if tensor is not None and tensor.shape == book.weight.shape:
                        tensor[rows] = 0


def _names(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[str]:
    """Return the names of the parameters in the order of the optimiser."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups: Iterable[dict[str, Any]] = optimizer.param_groups
    return [names[id(parameter)] for group in groups for parameter in group["params"]]
