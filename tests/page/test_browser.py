"""The page in a browser, from an upload to a heard result: headless Chromium drives a server of its own."""

import base64
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pytest
import soundfile

import vqspeech
from tests.conftest import ROOT, buzz
from vqspeech import audio

pytest.importorskip("gradio", exc_type=ImportError)
httpx: Any = pytest.importorskip("httpx")
webdriver: Any = pytest.importorskip("selenium.webdriver")
BROWSER, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not BROWSER or not DRIVER, reason="needs chromium and chromedriver")

PATIENCE = 150
"""Seconds that anything may take on a busy machine."""
LONGEST = 12
# Everything that the server looks up or connects to goes to its standard error.
SERVER = """
import socket, sys

def noted(function):
    def call(*arguments, **options):
        print("network", *[one for one in arguments if isinstance(one, (str, tuple))], file=sys.stderr, flush=True)
        return function(*arguments, **options)
    return call

socket.socket.connect, socket.getaddrinfo = noted(socket.socket.connect), noted(socket.getaddrinfo)
from vqspeech.cli import main

sys.exit(main(sys.argv[1:]))
"""
Found = TypeVar("Found")


class Server(NamedTuple):
    process: subprocess.Popen
    address: str
    folder: Path
    errors: Path

    @property
    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


def wait(look: Callable[[], Found], what: str) -> Found:
    """Return what `look` finds, once it finds something."""
    end, last = time.monotonic() + PATIENCE, ""
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except Exception as error:  # noqa: BLE001 -- not there yet
            last = str(error)
        time.sleep(0.2)
    raise AssertionError(f"waited for {what} in vain: {last}")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> dict[str, Path]:
    """Sound files: a (stereo, 44.1 kHz, 2 s), voice (10 s), long (15 s), and what is no sound."""
    folder = tmp_path_factory.mktemp("sounds")
    wave = buzz(2 * 44_100 / audio.RATE, 120)
    soundfile.write(folder / "a.flac", np.stack([wave, wave], 1), 44_100)
    for name, seconds, f0 in (("voice", 10, 210), ("long", LONGEST + 3, 120)):
        soundfile.write(folder / f"{name}.wav", buzz(seconds, f0), audio.RATE)
    (folder / "bad <b>.wav").write_bytes(b"this is no sound")
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    folder, errors = tmp_path_factory.mktemp("temporary"), tmp_path_factory.mktemp("log") / "stderr"
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT), "GRADIO_ALLOWED_PATHS": "/etc"}
    command = [sys.executable, "-c", SERVER, "page", "--port", "0", "--longest", str(LONGEST)]
    with open(errors, "w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=folder)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address), errors.read_text()
    yield Server(process, address, folder, errors)
    process.kill()


class Browser:
    """Chromium with the page."""

    def __init__(self, driver: Any, shots: Path):
        self.driver, self.shots = driver, shots

    def open(self, address: str, width: int = 1280, height: int = 1000) -> None:
        # Headless windows are at least 500 pixels wide, pages are not.
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(address)
        wait(lambda: self.find("#convert-button").is_displayed(), "the page")

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def upload(self, name: str, path: Path) -> None:
        wait(lambda: self.find(f"#{name} input[type=file]"), f"the input of {name}").send_keys(str(path))
        shown = "audio" if name != "learn" else ".file-preview"
        wait(lambda: self.find(f"#{name} {shown}"), f"the upload of {path.name}")
        wait(lambda: not self.driver.find_elements("css selector", ".upload-progress, .progress-bar"), "the upload")
        time.sleep(0.5)

    def click(self, selector: str) -> None:
        self.driver.execute_script("arguments[0].click()", wait(lambda: self.find(selector), selector))

    def tab(self, name: str) -> None:
        buttons = self.driver.find_elements("css selector", "button[role=tab]")
        self.driver.execute_script("arguments[0].click()", next(one for one in buttons if name in one.text))

    def choose(self, name: str, text: str) -> None:
        self.find(f"#{name} input").click()
        options = wait(lambda: self.driver.find_elements("css selector", "[role=option]"), "the choices")
        self.driver.execute_script(
            "arguments[0].dispatchEvent(new MouseEvent('mousedown', {bubbles: true}))",
            next(one for one in options if text in one.text),
        )

    def played(self, name: str) -> tuple[bytes, float]:
        """Return the file that a player has, and its length as the browser knows it (s)."""
        source = wait(lambda: self.find(f"#{name} audio").get_attribute("src"), f"the sound of {name}")
        self.driver.set_script_timeout(PATIENCE)
        seconds = self.driver.execute_async_script(
            "const [source, done] = arguments, player = new Audio(source);"
            "player.onloadedmetadata = () => done(player.duration); player.onerror = () => done(-1);",
            source,
        )
        return read(source), seconds

    def download(self, button: str, name: str) -> bytes:
        """Return the file of that name, which the browser saves when a button is clicked."""
        options = {"behavior": "allow", "downloadPath": str(self.shots)}
        self.driver.execute_cdp_cmd("Page.setDownloadBehavior", options)
        self.click(button)
        return wait((self.shots / name).read_bytes, f"the file {name}")

    def produce(self, button: str, picture: str, player: str, seconds: float) -> bytes:
        """Click a button, wait for the picture, and return the WAV file of so many seconds that the player has."""
        self.click(button)
        self.picture(picture)
        data, lasts = self.played(player)
        assert data[:4] == b"RIFF" and lasts == pytest.approx(seconds, abs=0.01)
        return data

    def message(self) -> str:
        text = wait(lambda: self.find(".toast-body.error").text, "a message")
        for cross in self.driver.find_elements("css selector", ".toast-close"):
            self.driver.execute_script("arguments[0].click()", cross)
        wait(lambda: not self.driver.find_elements("css selector", ".toast-body.error"), "no message")
        return text

    def picture(self, name: str) -> tuple[int, int]:
        """Return width and height of a picture (pixels), once it is loaded."""
        size = (
            "const i = document.querySelector(arguments[0]); return i?.complete ? [i.naturalWidth, i.naturalHeight] : 0"
        )
        return wait(lambda: self.driver.execute_script(size, f"#{name} img"), name)

    def shoot(self, name: str) -> None:
        height = self.driver.execute_script("return document.documentElement.scrollHeight")
        width = self.driver.execute_script("return window.innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        options = {"captureBeyondViewport": True, "clip": clip}
        data = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]
        (self.shots / f"{name}.png").write_bytes(base64.b64decode(data))

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window, without the bar that scrolls it."""
        script = "const page = document.documentElement; return page.scrollWidth - page.clientWidth"
        return self.driver.execute_script(script)

    def addresses(self) -> list[str]:
        """Return all addresses that were requested."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory, sounds) -> Iterator[Browser]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for word in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "use-fake-ui-for-media-stream",
                 "use-fake-device-for-media-stream", f"use-file-for-fake-audio-capture={sounds['voice']}"):  # fmt: skip
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    from selenium.webdriver.chrome.service import Service

    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.command_executor.client_config.timeout = PATIENCE
    yield Browser(driver, tmp_path_factory.mktemp("shots"))
    driver.quit()


def read(address: str) -> bytes:
    return httpx.get(address, timeout=PATIENCE, trust_env=False).raise_for_status().content


def test_from_an_upload_to_a_conversion(server, browser, sounds):
    browser.open(server.address)
    browser.upload("recording", sounds["a"])
    browser.choose("voice", "p225")
    browser.find("#keep input[type=checkbox]").click()
    data = browser.produce("#convert-button", "spectrograms", "after", 2)
    wave, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate == audio.RATE
    wanted = vqspeech.convert(sounds["a"], speaker="p225", keep_pitch=True)
    assert len(wave) == len(wanted) and np.abs(wave - wanted).max() < 0.02
    before, lasts = browser.played("before")
    assert before[:4] == b"RIFF" and lasts == pytest.approx(2, abs=0.01) and before != data
    assert browser.download("#download", "a.p225.wav") == data
    browser.shoot("convert")
    assert browser.overflow() == 0


def test_a_recorded_voice(server, browser, sounds):
    """The microphone gives voice.wav."""
    browser.open(server.address)
    browser.upload("recording", sounds["a"])
    browser.click("#way label:nth-of-type(2) input")
    wait(lambda: browser.find("#like").is_displayed(), "the recorder")
    browser.click("#like [data-testid=source-select] button:nth-of-type(2)")
    browser.click("#like .record-button")
    time.sleep(4)
    browser.click("#like .stop-button")
    wait(lambda: browser.find("#like audio"), "what was recorded")
    browser.produce("#convert-button", "spectrograms", "after", 2)
    browser.shoot("recorded")


def test_units(server, browser, sounds):
    browser.open(server.address)
    browser.tab("Units")
    browser.upload("units-recording", sounds["a"])
    browser.click("#units-button")
    browser.picture("codes")
    links = wait(lambda: browser.driver.find_elements("css selector", "#units-files a[download]"), "the files")
    files = {link.get_attribute("download"): read(link.get_attribute("href")).decode() for link in links}
    assert set(files) == {"a.units.txt", "a.units.txt.json", "a.TextGrid"}
    assert files["a.units.txt"].split()[1:] == [str(code) for code in vqspeech.units(sounds["a"])]
    assert json.loads(files["a.units.txt.json"])["rate_hz"] == 25 and "IntervalTier" in files["a.TextGrid"]
    assert "2.0 s: 50 codes" in browser.find("#units-summary").text
    browser.shoot("units")


def test_samples(server, browser, sounds):
    browser.open(server.address)
    browser.tab("Sample")
    browser.upload("learn", sounds["voice"])
    browser.produce("#sample-button", "sample-picture", "speech", 5)
    browser.shoot("sample")


def test_errors_are_words(server, browser, sounds):
    browser.open(server.address)
    browser.click("#convert-button")
    assert "give a recording: drop a sound file" in browser.message()
    for name, text in (("long", "long.wav: is longer than 12 s"), ("bad <b>", "bad")):
        browser.open(server.address)
        browser.upload("recording", sounds[name])
        browser.click("#convert-button")
        wait(lambda: browser.find(".toast-body.error"), "a message")
        browser.shoot(f"error {name[:4]}")
        message = browser.message()
        assert text in message and str(server.folder) not in message and "Traceback" not in message


def test_a_phone(server, browser, sounds):
    browser.open(server.address, 390, 844)
    assert browser.overflow() == 0
    browser.upload("recording", sounds["a"])
    browser.produce("#convert-button", "spectrograms", "after", 2)
    assert browser.overflow() == 0
    browser.shoot("phone convert")
    for name, shot in (("Units", "phone units"), ("Sample", "phone sample")):
        browser.tab(name)
        assert browser.overflow() == 0
        browser.shoot(shot)


def test_no_path_of_the_server_is_reachable(server):
    models = ROOT / "vqspeech" / "pretrained" / "voice.safetensors"
    with httpx.Client(base_url=server.address, timeout=PATIENCE, trust_env=False) as client:
        for path in ("/etc/passwd", str(models), "../../../../etc/passwd", "http://example.com/", str(server.errors)):
            for form in ("/gradio_api/file=", "/file=", "/gradio_api/file/"):
                assert client.get(f"{form}{path}").status_code in (403, 404), (form, path)
        config = client.get("/config").json()
        assert all(one["api_visibility"] == "private" for one in config["dependencies"])
        encode = next(one["id"] for one in config["dependencies"] if len(one["inputs"]) == 2)
        for path in ("/etc/passwd", str(models), "http://example.com/a.wav"):
            before, given = server.files, {"path": path, "meta": {"_type": "gradio.FileData"}}
            body = {"data": [given, "units"], "fn_index": encode, "session_hash": "x1"}
            if client.post("/gradio_api/queue/join", json=body).status_code == 200:
                with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "x1"}) as events:
                    lines = (line.removeprefix("data: ") for line in events.iter_lines() if line)
                    answer = next(one for one in map(json.loads, lines) if one["msg"] == "process_completed")
                assert not answer["success"]
            assert server.files == before, "the file was copied to where it is served"


def test_nothing_comes_from_elsewhere(server, browser):
    browser.open(server.address)
    asked = [one for one in browser.addresses() if not one.startswith(("data:", "blob:", "chrome"))]
    assert len(asked) > 20 and {"/".join(one.split("/")[:3]) for one in asked} == {server.address}
    lines = [line for line in server.errors.read_text().splitlines() if line.startswith("network")]
    assert not [line for line in lines if "127.0.0.1" not in line and "localhost" not in line]


def test_nothing_is_left(server):
    """Uploads and results are gone when the page ends, by Ctrl-C and without a traceback."""
    assert server.files
    before = server.errors.read_text()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 0
    assert not [*server.folder.rglob("*")]
    assert "Traceback" not in server.errors.read_text().removeprefix(before)
