"""Live conversion from a microphone to headphones, by `sounddevice` (the extra `live`)."""

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from vqspeech import audio, extras
from vqspeech.errors import DeviceError
from vqspeech.models.live import BLOCK
from vqspeech.progress import report
from vqspeech.stream import Converter

METER = 1.0
"""Seconds from one line of the meter to the next."""
_PATIENCE = 3
"""Lines without any sound after which a device counts as disconnected."""


def import_sounddevice() -> ModuleType:
    """Import the package.

    Raises:
        MissingExtra: It is not installed.
        DeviceError: PortAudio is not installed.
    """
    try:
        return extras.import_extra("sounddevice", "live")
    except OSError as error:
        raise DeviceError(
            f"sound devices cannot be used ({error}); install PortAudio: apt install libportaudio2"
        ) from None


def list_devices() -> list[str]:
    """Return a line for each sound device, its number first.

    Raises:
        DeviceError: There is none.
    """
    found = _ask(import_sounddevice().query_devices)
    if not len(found):
        raise DeviceError("there is no sound device; plug in a microphone and headphones")
    return [
        f"{i:>3}  {one['name']}  ({one['max_input_channels']} in, {one['max_output_channels']} out)"
        for i, one in enumerate(found)
    ]


def choose_rate(input_device: Any = None, output_device: Any = None) -> int:
    """Return the sample rate (Hz) at which devices can be used: 16 kHz, or else that of the microphone.

    Raises:
        DeviceError: There is no such device.
    """
    package = import_sounddevice()
    known = _ask(package.query_devices, input_device, "input")
    _ask(package.query_devices, output_device, "output")
    try:
        package.check_input_settings(input_device, 1, "float32", samplerate=audio.RATE)
        package.check_output_settings(output_device, 1, "float32", samplerate=audio.RATE)
    except package.PortAudioError:
        return round(known["default_samplerate"])
    return audio.RATE


class Meter:
    """Share of the time of a block that its conversion takes, since the meter was last read."""

    def __init__(self) -> None:
        self.shares: list[float] = []
        self.late = 0

    def read(self) -> str:
        """Return a line with the figures, and reset the meter."""
        shares, late, self.shares, self.late = self.shares, self.late, [], 0
        if not shares:
            return "no sound comes in"
        text = f"load {np.mean(shares):.0%}, at most {max(shares):.0%}"
        return text + (f", {late} gaps: close other programs" if late else "")


def run_live(
    converter: Converter,
    input_device: Any = None,
    output_device: Any = None,
    seconds: float | None = None,
    say: Callable[[str], None] = report,
) -> None:
    """Convert the sound of a microphone and play it on headphones until the program is ended, or for some seconds.

    Args:
        converter: The converter.
        input_device: Number or name of the microphone; None: the default.
        output_device: Number or name of the headphones; None: the default.
        seconds: Duration; None: until the program is ended.
        say: Receives each line of the meter.

    Raises:
        DeviceError: A device cannot be opened, or is disconnected.
    """
    package = import_sounddevice()
    meter, wait, faults = Meter(), np.zeros(0, np.float32), []
    size = round(BLOCK * converter.rate / audio.RATE)

    def convert(heard: np.ndarray, spoken: np.ndarray, frames: int, _: Any, status: Any) -> None:
        nonlocal wait
        begun = time.perf_counter()
        try:
            wait = np.concatenate([wait, converter.push(np.nan_to_num(heard[:, 0]))])
        except Exception as error:  # raised again by the loop below: here it would be lost
            faults.append(error)
            raise package.CallbackStop from error
        # What is not ready yet is silence, ahead of what is: the delay is found in the first blocks.
        spoken[:, 0] = np.pad(wait[:frames], (max(0, frames - len(wait)), 0))
        wait = wait[frames:]
        meter.shares.append((time.perf_counter() - begun) * converter.rate / frames)
        meter.late += bool(status)

    devices, kind = (input_device, output_device), {"channels": 1, "dtype": "float32", "latency": "low"}
    stream = _ask(package.Stream, samplerate=converter.rate, blocksize=size, device=devices, callback=convert, **kind)
    with stream:
        latency = sum(stream.latency) if isinstance(stream.latency, tuple) else stream.latency
        own, theirs = 1000 * converter.latency, 1000 * latency
        say(f"latency {own:.0f} ms of the model and {theirs:.0f} ms of the devices; Ctrl-C ends it")
        end, missing = time.monotonic() + (np.inf if seconds is None else seconds), 0
        while time.monotonic() < end:
            time.sleep(min(METER, max(0.0, end - time.monotonic())))
            if faults:
                raise faults[0]
            missing = 0 if meter.shares else missing + 1
            if not stream.active or missing == _PATIENCE:
                raise DeviceError("no more sound arrives, a sound device was disconnected; plug it in and start again")
            say(meter.read())


def _ask(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    package = import_sounddevice()
    try:
        return function(*args, **options)
    except (package.PortAudioError, ValueError) as error:
        raise DeviceError(f"sound device: {error}; `vqspeech live --list-devices` shows those there are") from None
