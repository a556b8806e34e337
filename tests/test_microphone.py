"""A fake sounddevice: a microphone that hears a sound, and what headphones get."""

import types
from typing import Any

import numpy as np
import pytest

from tests.models.live.small import live_model, speech
from vqspeech import audio, microphone
from vqspeech.cli import main
from vqspeech.errors import DeviceError
from vqspeech.models.live import BLOCK
from vqspeech.stream import Converter


class PortAudioError(Exception):
    pass


class CallbackStop(Exception):
    pass


class Device:
    """What PortAudio knows: two devices; the microphone hears `sound`, and goes after that where it is to `vanish`."""

    def __init__(self, sound: np.ndarray, vanish: bool = False, rates=(16_000, 48_000)):
        self.sound, self.vanish, self.rates, self.heard = sound, vanish, rates, []
        self.stream: Any = None
        self.devices: list[dict[str, Any]] = [
            {"name": "Mic", "max_input_channels": 1, "max_output_channels": 0, "default_samplerate": 48_000.0},
            {"name": "Phones", "max_input_channels": 0, "max_output_channels": 2, "default_samplerate": 48_000.0},
        ]

    def package(self) -> types.SimpleNamespace:
        device = self

        class Stream:
            def __init__(self, samplerate, blocksize, device, channels, dtype, latency, callback):
                assert (channels, dtype) == (1, "float32")
                self.size, self.callback, self.latency = blocksize, callback, (0.01, 0.02)
                self.active, self.done = False, False

            def __enter__(self):
                self.active = True
                return self

            def __exit__(self, *_):
                self.active = False

            def play(self):
                """Everything that is there is played while the program sleeps for the first time."""
                if self.done:
                    self.active = not device.vanish and self.active
                    return
                self.done = True
                for start in range(0, len(device.sound) - self.size + 1, self.size):
                    spoken = np.full((self.size, 1), np.nan, np.float32)
                    try:
                        self.callback(device.sound[start : start + self.size, None], spoken, self.size, None, "")
                    except CallbackStop:
                        self.active = False
                        return
                    device.heard.append(spoken[:, 0])

        def query(given=None, kind=None):
            if given not in (None, 0, 1, "Mic", "Phones"):
                raise ValueError(f"No input device matching {given!r}")
            return device.devices[kind == "output"] if kind else device.devices

        def check(given, channels, dtype, samplerate):
            if samplerate not in device.rates:
                raise PortAudioError("Invalid sample rate")

        def opened(**options):
            device.stream = Stream(**options)
            return device.stream

        return types.SimpleNamespace(
            Stream=opened, query_devices=query, check_input_settings=check, check_output_settings=check,
            PortAudioError=PortAudioError, CallbackStop=CallbackStop,
        )  # fmt: skip


@pytest.fixture
def plug(monkeypatch):
    def plugged(device: Device) -> Device:
        monkeypatch.setitem(__import__("sys").modules, "sounddevice", device.package())
        monkeypatch.setattr(microphone, "METER", 0.01)
        monkeypatch.setattr(microphone.time, "sleep", lambda _: device.stream.play())
        return device

    return plugged


def test_what_the_microphone_hears_is_heard_in_the_voice(plug):
    model, sound = live_model(), speech()
    device, said = plug(Device(sound)), []
    microphone.run_live(Converter("a", model), seconds=0.05, say=said.append)
    heard, wanted = np.concatenate(device.heard), model.convert(sound, "a")
    late = model.latency - BLOCK  # the block that is gathered is the device's own delay
    assert not heard[:late].any()
    found = heard[late:]
    assert found == pytest.approx(wanted[: len(found)], abs=1e-5)
    assert "90 ms of the model and 30 ms of the devices" in said[0] and "load" in said[1]


def test_a_device_that_vanishes_is_an_error(plug):
    plug(Device(speech()[:3200], vanish=True))
    with pytest.raises(DeviceError, match="disconnected"):
        microphone.run_live(Converter("a", live_model()), say=lambda _: None)


def test_a_microphone_that_falls_silent_has_gone(plug):
    plug(Device(speech()[:3200]))
    with pytest.raises(DeviceError, match="disconnected"):
        microphone.run_live(Converter("a", live_model()), say=lambda _: None)


def test_a_fault_while_converting_is_not_swallowed(plug, monkeypatch):
    plug(Device(speech()))
    converter = Converter("a", live_model())
    monkeypatch.setattr(converter.stream, "push", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        microphone.run_live(converter, say=lambda _: None)


def test_rate_is_what_the_devices_can(plug):
    plug(Device(speech()))
    assert microphone.choose_rate() == audio.RATE
    plug(Device(speech(), rates=(48_000,)))
    assert microphone.choose_rate() == 48_000
    with pytest.raises(DeviceError, match="list-devices"):
        microphone.choose_rate("none")


def test_devices_are_listed(plug, capsys):
    device = plug(Device(speech()))
    assert main(["live", "--list-devices"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "0  Mic  (1 in, 0 out)" in lines[0]
    device.devices.clear()
    assert main(["live", "--list-devices"]) == 1
    assert "plug in" in capsys.readouterr().err


def test_the_verb(plug, tmp_path, capsys):
    model = live_model()
    model.save_pretrained(tmp_path / "live.safetensors")
    device = plug(Device(speech()))
    assert main(["live", "--model", str(tmp_path / "live.safetensors"), "--speaker", "b", "--seconds", "60"]) == 1
    assert "disconnected" in capsys.readouterr().err and np.concatenate(device.heard).any()
    assert main(["live", "--model", str(tmp_path / "live.safetensors")]) == 1
    assert "--like" in capsys.readouterr().err
