"""What may be asked of the server of the page."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from vqspeech.page.guard import Guard, measure_folder


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body of the request."""
    message = await receive() if scope["method"] == "POST" else {"body": b"passed"}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": message["body"]})


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "a.wav").write_bytes(b"x" * 1000)
    (tmp_path / "cache" / "link").symlink_to("/etc/passwd")
    return Guard(echo, tmp_path / "cache", 5000, ("127.0.0.1", "localhost"))


def ask(
    guard: Guard, path: str, body: bytes | None = None, host: str = "127.0.0.1:7860", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Return status, body and headers of the answer to a GET, or a POST of a body that comes in two parts."""
    sent: list[Any] = []
    parts = [] if body is None else [(body[:5], True), (body[5:], False)]
    incoming = [{"type": "http.request", "body": part, "more_body": more} for part, more in parts]

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    given = [(key.encode(), value.encode()) for key, value in {"host": host, **headers}.items()]
    scope = {"type": "http", "path": path, "headers": given, "method": "GET" if body is None else "POST"}
    asyncio.run(guard(scope, receive, send))
    found = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], sent[1]["body"], found


@pytest.mark.parametrize("path", ["/", "/config", "/assets/index.js", "/gradio_api/queue/data", "/gradio_api/upload"])
def test_what_the_page_needs_passes(guard, path):
    status, body, headers = ask(guard, path)
    assert (status, body, headers["x-own"]) == (200, b"passed", "1")
    assert "default-src 'self'" in headers["content-security-policy"] and headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/monitoring", "/gradio_api/runs", "/gradio_api/proxy=http://a.b/", "/gradio_api/vibe-edit", "/docs", "/config/x",
     "/gradio_api/run/convert", "/gradio_api/call/convert", "/gradio_api/deep_link", "/gradio_api/file/etc/passwd"],
)  # fmt: skip
def test_the_rest_is_refused(guard, path):
    assert ask(guard, path)[0] == 404


def test_files_of_one_folder_are_served(guard, tmp_path):
    assert ask(guard, f"/gradio_api/file={tmp_path}/cache/a.wav")[0] == 200
    for path in ("/etc/passwd", f"{tmp_path}/cache/../secret", f"{tmp_path}/cached", f"{tmp_path}/cache/link",
                 "http://a.b/c", "../../etc/passwd", "", str(tmp_path / "cache")):  # fmt: skip
        assert ask(guard, f"/gradio_api/file={path}")[0] == 403, path


def test_nothing_is_fetched_for_a_request(guard):
    for path in ("http://169.254.169.254/x", "https://a.b/c.wav", "ftp://a.b/c"):
        body = json.dumps({"data": [None, [{"path": path, "meta": {"_type": "gradio.FileData"}}]]}).encode()
        assert ask(guard, "/gradio_api/queue/join", body)[:2] == (
            403, b"this server fetches nothing from elsewhere; upload the file",
        )  # fmt: skip
    body = json.dumps({"data": [{"path": "/cache/a.wav", "url": "http://127.0.0.1/a.wav"}], "x": "http://a.b"}).encode()
    assert ask(guard, "/gradio_api/queue/join", body)[:2] == (200, body)
    assert ask(guard, "/gradio_api/queue/join", b"no JSON")[:2] == (200, b"no JSON")


def test_other_sites_are_refused(guard):
    assert ask(guard, "/", host="localhost:7860")[0] == 200
    assert ask(guard, "/", host="evil.example:7860")[0] == 403
    assert ask(guard, "/", host="")[0] == 403
    assert ask(guard, "/", origin="http://127.0.0.1:7860")[0] == 200
    assert ask(guard, "/gradio_api/upload", b"data..", origin="https://evil.example")[0] == 403
    assert ask(guard, "/gradio_api/upload", b"data..", origin="null")[0] == 403
    open_guard = Guard(echo, guard.folder, 5000)
    assert ask(open_guard, "/", host="speech.example")[0] == 200


def test_uploads_end_where_the_room_does(guard, tmp_path):
    assert measure_folder(tmp_path / "cache") == 1000 + len("/etc/passwd")
    assert ask(guard, "/gradio_api/upload", b"data..")[0] == 200
    (tmp_path / "cache" / "b.wav").write_bytes(b"x" * 4000)
    assert ask(guard, "/gradio_api/upload", b"data..")[0] == 507
    assert ask(guard, "/")[0] == 200
