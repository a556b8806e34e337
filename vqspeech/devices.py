"""Devices that tensors are stored on, and how the C library hands out memory to large tensors."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import TYPE_CHECKING

from vqspeech.errors import ConfigError

if TYPE_CHECKING:  # the commands that only handle data need no torch
    import torch

_KERNELS = 64
"""Kernels that are kept where each recording has a length of its own."""
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h


def resolve_device(name: str | int | torch.device | None) -> torch.device:
    """Return a device by its name; for None the accelerator, or the CPU where there is none.

    Raises:
        ConfigError: There is no such device; the message lists those there are.
    """
    import torch

    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if name is None:
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(name)
        if device.type == "meta":
            raise ValueError("it holds no numbers")
        torch.zeros(1, device=device)
        return device
    except (RuntimeError, AssertionError, ValueError, TypeError, NotImplementedError) as error:
        there = [f"{accelerator.type}:{i}" for i in range(torch.accelerator.device_count())] if accelerator else []
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigError(f"no device {name!r} ({reason}); there is {', '.join(['cpu', *there])}") from None


def supports_bfloat16(device: torch.device) -> bool:
    """Return whether a device has instructions for products of bfloat16 numbers."""
    import torch

    if device.type != "cpu":
        return device.type == "cuda"
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "arm_bf16", "bf16"))


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for the next tensor.

    glibc gives every block above 32 MB back to the kernel when it is freed, so that each training step maps its
    activations again. With several threads the page faults queue for one lock: measured on two cores, a step of a small
    WaveNet took ten times as long.

    Returns:
        Whether this could be arranged (glibc on Linux).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, -1) and mallopt(_TOP_PAD, 1 << 26))


def limit_kernel_cache() -> None:
    """Let oneDNN keep few kernels, in this process and those that it starts, unless the user has set how many.

    It compiles kernels for every shape of a tensor, and keeps 1024. Recordings differ in length, so that most are never
    used again: after 170 lengths of recordings they took 150 MB, and the time was the same with all and with one. A
    training, whose shapes recur, wants them all. The results are the same. oneDNN asks once, before its first kernel.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(_KERNELS))
