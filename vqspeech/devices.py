"""The devices that tensors live on."""

import torch

from vqspeech.errors import ConfigError


def device(name: str | int | torch.device | None) -> torch.device:
    """The device of that name; of None, the accelerator where there is one. Raises `ConfigError`, with those there are,
    where it is not there."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if name is None:
        return accelerator or torch.device("cpu")
    try:
        found = torch.device(name)
        if found.type == "meta":
            raise ValueError("it holds no numbers")
        torch.zeros(1, device=found)
        return found
    except (RuntimeError, AssertionError, ValueError, TypeError, NotImplementedError) as error:
        there = [f"{accelerator.type}:{i}" for i in range(torch.accelerator.device_count())] if accelerator else []
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigError(f"no device {name!r} ({reason}); there is {', '.join(['cpu', *there])}") from None


def multiplies_bfloat16(where: torch.device) -> bool:
    """Return whether a device has instructions for products of bfloat16 numbers."""
    if where.type != "cpu":
        return where.type == "cuda"
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "arm_bf16", "bf16"))
