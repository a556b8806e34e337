"""What may be asked of the server of the page: the routes that the page uses, from the page itself.

gradio's server can do more: fetch URLs for its visitors, keep runs, edit its own source. None of that is reachable.
"""

import json
import os
import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

API = "/gradio_api"
_ROUTES = re.compile(
    r"/(?:config|theme\.css|favicon\.ico|manifest\.json|robots\.txt|(?:assets|static|svelte)/.+"
    r"|gradio_api/(?:info|startup-events|upload|upload_progress|cancel|reset|heartbeat/\w+|queue/(?:join|data)))?/?"
)
_FILE = f"{API}/file="
_JOIN = f"{API}/queue/join"
_UPLOAD = f"{API}/upload"
_HEADERS = {
    # The page loads nothing from elsewhere, whatever gradio, a file name or a message puts into it.
    "content-security-policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; frame-ancestors 'self'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """An ASGI application that passes on what the page asks for, and refuses the rest.

    Args:
        app: The application.
        folder: The only folder of which files are served.
        max_bytes: Bytes in that folder from which on no upload is taken.
        hosts: Names that the server may be called by; None: any. Where it listens to this machine alone, a page of
            another site that pretends to be this machine (DNS rebinding) has another name.
    """

    def __init__(self, app: App, folder: Path, max_bytes: float, hosts: Collection[str] | None = None):
        self.app, self.folder, self.max_bytes, self.hosts = app, folder.resolve(), max_bytes, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            status, reason = self._refuse(scope)
            if not status and scope["path"].rstrip("/") == _JOIN:
                body = await _read_body(receive)
                if _names_url(body):
                    status, reason = 403, "this server fetches nothing from elsewhere; upload the file"
                receive = _replay(body, receive)
            if status:
                await _answer(send, status, reason)
            else:
                await self.app(scope, receive, _add_headers(send))

    def _refuse(self, scope: Scope) -> tuple[int, str]:
        """Return the status and reason of a refusal; 0 where the request may pass."""
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.hosts is not None and urlsplit(f"//{host}").hostname not in self.hosts:
            return 403, "this server is called by another name"
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, "requests of other pages are refused"
        path = scope["path"]
        if path.startswith(_FILE):
            place = Path(os.path.realpath(path.removeprefix(_FILE)))
            return (0, "") if self.folder in place.parents else (403, "there is no such file")
        if not _ROUTES.fullmatch(path):
            return 404, "there is no such page"
        if path.rstrip("/") == _UPLOAD and measure_folder(self.folder) > self.max_bytes:
            return 507, "the server has no room for more recordings now; try again later"
        return 0, ""


def measure_folder(folder: Path) -> int:
    """Return the bytes of the files in a folder and below."""
    sizes = 0
    for above, _, names in os.walk(folder):
        for name in names:
            try:
                sizes += os.lstat(os.path.join(above, name)).st_size
            except FileNotFoundError:  # deleted meanwhile
                continue
    return sizes


def _names_url(body: bytes) -> bool:
    """Return whether a file in the JSON of a request is one that the server would have to fetch."""
    try:
        found = [json.loads(body)]
    except ValueError:
        return False
    while found:
        value = found.pop()
        if isinstance(value, dict):
            if re.match(r"\w+://", str(value.get("path", ""))):
                return True
            found += value.values()
        elif isinstance(value, list):
            found += value
    return False


async def _read_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body that was read already, then what comes after it."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> MutableMapping[str, Any]:
        return pending.pop() if pending else await receive()

    return replay


def _add_headers(send: Send) -> Send:
    async def send_with_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            added = [(key.encode(), value.encode()) for key, value in _HEADERS.items()]
            message["headers"] = [*message.get("headers", ()), *added]
        await send(message)

    return send_with_headers


async def _answer(send: Send, status: int, reason: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})
