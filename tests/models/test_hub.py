"""Models of the Hub: pushed to and taken from an endpoint on 127.0.0.1, from the cache when it is gone."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from tests.conftest import ROOT
from vqspeech import VQVAE
from vqspeech.errors import ConfigError
from vqspeech.models.hub import find_on_hub, format_hub_card

pytest.importorskip("huggingface_hub")
COMMIT = "c" * 40


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub as a push and a download need."""

    files: dict[str, bytes] = {}

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "/preupload/" in self.path:
            found = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            return self.answer(json.dumps({"files": found}).encode())
        if "/commit/" in self.path:
            for line in body.splitlines():
                one = json.loads(line)
                if one["key"] == "file":
                    self.files[one["value"]["path"]] = base64.b64decode(one["value"]["content"])
            url = f"http://127.0.0.1/org/small/commit/{COMMIT}"
            return self.answer(json.dumps({"commitUrl": url, "commitOid": COMMIT}).encode())
        return self.answer(json.dumps({"url": "http://127.0.0.1/org/small", "id": "org/small"}).encode())

    def do_GET(self):
        path = unquote(self.path.split("?")[0])
        name = path.rpartition("/")[2]
        if path.startswith("/org/small/resolve/") and name in self.files and path.split("/")[4] in ("main", COMMIT):
            etag = hashlib.sha256(self.files[name]).hexdigest()
            return self.answer(self.files[name], ETag=f'"{etag}"', X_Repo_Commit=COMMIT)
        if path == "/api/models/org/small" or path.startswith("/api/models/org/small/revision/"):
            return self.answer(json.dumps({"id": "org/small", "sha": COMMIT, "siblings": []}).encode())
        code = "RevisionNotFound" if path.startswith("/org/small") else "RepoNotFound"
        return self.answer(b"{}", 404, X_Error_Code=code)

    do_HEAD = do_GET  # noqa: N815 -- the name that http.server looks for

    def log_message(self, *_):
        pass


PUSH = """
from vqspeech import VQVAE
model = VQVAE.from_pretrained({path!r})
print(model.push_to_hub("org/small", licence="cc-by-4.0", data="Two buzzes, CC0.", step=7))
"""
TAKE = """
from vqspeech import VQVAE
from vqspeech.errors import CheckpointError
try:
    print(VQVAE.from_pretrained({name!r}).fingerprint())
except CheckpointError as error:
    print(error)
"""


def run(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=120,
        env={**os.environ, "HF_TOKEN": "hf_test", "HF_HUB_DISABLE_TELEMETRY": "1", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_model_goes_to_the_hub_and_comes_back(tmp_path):
    from tests.models.test_vqvae import model as small_model

    path, model = tmp_path / "a.safetensors", small_model()
    model.save_pretrained(path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "home")}
    try:
        assert run(PUSH.format(path=str(path)), **place) == COMMIT
        card = Hub.files["README.md"].decode()
        assert "license: cc-by-4.0" in card and "Two buzzes, CC0." in card and card.startswith("---\n")
        for name in ("org/small", f"org/small@{COMMIT}"):
            assert run(TAKE.format(name=name), **place) == model.fingerprint()
        assert "neither a file here nor a model" in run(TAKE.format(name="org/other"), **place)
        assert "neither a file here nor a model" in run(TAKE.format(name="org/small@v9"), **place)
    finally:
        server.shutdown()
        server.server_close()
    assert run(TAKE.format(name="org/small"), HF_HUB_OFFLINE="1", **place) == model.fingerprint(), "from the cache"
    text = run(TAKE.format(name="org/small"), **place | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty")})
    assert "the Hub cannot be reached" in text


def test_what_is_no_name_is_a_path(tmp_path):
    assert find_on_hub("exp/small/best.safetensors") is None and find_on_hub("best.safetensors") is None
    assert find_on_hub("a/b/c") is None and find_on_hub("./exp") is None


def test_a_card_needs_licences():
    model = VQVAE.from_pretrained("world")
    for options in ({"licence": "", "data": "LibriSpeech"}, {"licence": "mit", "data": " "}):
        with pytest.raises(ConfigError, match="licence of the weights"):
            model.push_to_hub("org/x", **options)
    with pytest.raises(ConfigError, match="ORG/NAME"):
        model.push_to_hub("x", licence="mit", data="none")
    assert model.fingerprint() in format_hub_card(model, "org/x", "mit", "none")
