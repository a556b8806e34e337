"""Devices on the command line."""

import torch

from vqspeech.errors import ConfigError


def device(name: str | None) -> torch.device:
    """The device of that name; of none, the accelerator where there is one. Raises `ConfigError` where it is not
    there."""
    if name is None:
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"--device {name}: {str(error).splitlines()[0]}; leave it out, or name another") from None
    return torch.device(name)
