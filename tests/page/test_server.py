"""The verb, and where its server listens; the page as gradio has it."""

import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.models.live.small import live_model
from vqspeech import pretrained
from vqspeech.cli import main
from vqspeech.errors import FAILED, AudioError, DeviceError
from vqspeech.page import server
from vqspeech.page.studio import Studio


def test_without_gradio(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["page"]) == FAILED
    assert "gradio is not installed; get it with: pip install 'vqspeech[page]'" in capsys.readouterr().err


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(DeviceError, match=f"port {port}: another program uses the port"),
            server._listen("127.0.0.1", port),
        ):
            pass
    with server._listen("127.0.0.1", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1" and listener.getsockname()[1]


def test_an_address_that_is_not_of_this_machine():
    with pytest.raises(DeviceError, match=r"cannot listen at 203\.0\.113\.1"), server._listen("203.0.113.1", 0):
        pass


def test_variables_of_gradio_are_not_obeyed(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_SHARE", "True")
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/elsewhere")
    with server._own_environment(tmp_path):
        assert {key: value for key, value in os.environ.items() if key.startswith("GRADIO")} == {
            "GRADIO_TEMP_DIR": str(tmp_path),
            "GRADIO_ANALYTICS_ENABLED": "False",
        }
    assert os.environ["GRADIO_SHARE"] == "True" and os.environ["GRADIO_TEMP_DIR"] == "/elsewhere"


@pytest.mark.parametrize(
    ("error", "shown", "told"),
    [
        (AudioError("<img src=x> is no sound"), "&lt;img src=x&gt; is no sound", ""),
        (ZeroDivisionError("1/0"), "ZeroDivisionError: 1/0 at ", "in fail"),
    ],
)
def test_errors_are_words_without_markup(error, shown, told, tmp_path, messages, monkeypatch):
    gr = pytest.importorskip("gradio")
    from vqspeech.page.layout import make_blocks

    def fail(*_: object) -> None:
        raise error

    studio = Studio(tmp_path, pretrained.find_checkpoint("voice"), "voice", 5)
    monkeypatch.setattr(studio, "encode", fail)
    with server._own_environment(tmp_path):
        encode = next(one.fn for one in make_blocks(studio).fns.values() if one.name == "encode")
    with pytest.raises(gr.Error) as raised:
        encode(None, "units")
    assert shown in raised.value.message and "<" not in raised.value.message
    said = messages()
    assert told in said and bool(said) == bool(told)


@pytest.fixture
def parts(tmp_path) -> Callable[[Path, str], dict[str, Any]]:
    """Return a function that returns what the page of a model has, by its id."""
    pytest.importorskip("gradio")
    from vqspeech.page.layout import make_blocks

    def make(model: Path, name: str) -> dict[str, Any]:
        (tmp_path / "up").mkdir(exist_ok=True)
        with server._own_environment(tmp_path / "up"):
            config = make_blocks(Studio(tmp_path / "up", model, name, 5)).get_config_file()
        return {one["props"]["elem_id"]: one["props"] for one in config["components"] if one["props"].get("elem_id")}

    return make


def test_files_are_deleted_in_time(tmp_path, monkeypatch):
    """An upload is there for `LIFETIME` seconds."""
    pytest.importorskip("gradio")
    from starlette.testclient import TestClient

    from vqspeech.page import layout

    monkeypatch.setattr(layout, "LIFETIME", 2)
    monkeypatch.setattr(layout, "CLEANING_INTERVAL", 1)
    with server._own_environment(tmp_path):
        app = server.make_app(Studio(tmp_path, pretrained.find_checkpoint("voice"), "voice", 5))
        with TestClient(app, base_url="http://127.0.0.1") as client:
            (uploaded,) = client.post("/gradio_api/upload", files={"files": ("a.wav", b"x" * 100)}).json()
            assert Path(uploaded).read_bytes() == b"x" * 100 and tmp_path in Path(uploaded).parents
            end = time.monotonic() + 60
            while Path(uploaded).exists() and time.monotonic() < end:
                time.sleep(0.2)
            assert not Path(uploaded).exists()


def test_large_files_are_refused(tmp_path, monkeypatch):
    pytest.importorskip("gradio")
    from starlette.testclient import TestClient

    monkeypatch.setattr(server, "LARGEST", 1000)
    with server._own_environment(tmp_path):
        app = server.make_app(Studio(tmp_path, pretrained.find_checkpoint("voice"), "voice", 5))
        with TestClient(app, base_url="http://127.0.0.1") as client:
            assert client.post("/gradio_api/upload", files={"files": ("a.wav", b"x" * 900)}).status_code == 200
            assert client.post("/gradio_api/upload", files={"files": ("a.wav", b"x" * 1100)}).status_code == 413


def test_what_a_model_cannot_do_is_not_shown(parts, tmp_path):
    voice = parts(pretrained.find_checkpoint("voice"), "voice")
    assert [name for name, _ in voice["way"]["choices"]] == ["by name", "from a recording"] and voice["way"]["visible"]
    assert voice["pitch"]["visible"] and voice["formant"]["visible"] and "sample-button" in voice
    assert ("p225 (f, 172 Hz)", "p225") in map(tuple, voice["voice"]["choices"])
    world = parts(pretrained.find_checkpoint("world"), "world")
    assert not world["way"]["visible"] and not world["like"]["visible"] and world["voice"]["visible"]
    assert [name for name, _ in voice["coder"]["choices"]] == list(pretrained.list_models())
    live_model().save_pretrained(tmp_path / "live.safetensors")
    assert "sample-button" not in parts(tmp_path / "live.safetensors", "live")
