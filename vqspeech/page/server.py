"""The server of the page: it listens, answers one request at a time, and leaves no file behind."""

import errno
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vqspeech.errors import DeviceError
from vqspeech.extras import import_extra
from vqspeech.files import temporary_folder
from vqspeech.page.guard import Guard
from vqspeech.page.layout import CSS, make_blocks, make_theme
from vqspeech.page.studio import Studio

LOCAL = "127.0.0.1"
LARGEST = 64_000_000
"""Bytes of the largest file that is taken."""
MAX_BYTES = 50 * LARGEST
"""Bytes of all files of the page from which on no more are taken."""
LOCAL_NAMES = (LOCAL, "localhost", "::1")


def serve(make_studio: Callable[[Path], Studio], host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve the page until the process is interrupted.

    Args:
        make_studio: Makes the studio, given the folder of its files.
        host: Address to listen at.
        port: Port; 0: any free one.
        announce: Is called with the address of the page, once it can be opened.

    Raises:
        DeviceError: The server cannot listen there.
        MissingExtra: gradio is not installed.
    """
    own = Path(tempfile.gettempdir()) / "vqspeech-page"
    with temporary_folder(own) as folder, _listen(host, port) as listener, _own_environment(folder):
        import_extra("gradio", "page")  # it makes a folder when it is imported
        uvicorn = import_extra("uvicorn", "page")
        studio = make_studio(folder)
        app = make_app(studio, host)
        options = {"log_level": "error", "timeout_graceful_shutdown": 1, "ws": "none"}
        server = uvicorn.Server(uvicorn.Config(app, **options))
        shown = f"[{host}]" if ":" in host else host
        announce(f"http://{shown}:{listener.getsockname()[1]}")
        try:
            server.run([listener])
        finally:
            studio.close()  # or its work might write to the folder after it has been removed


def make_app(studio: Studio, host: str = LOCAL) -> Any:
    """Return the page as an ASGI application."""
    gr, fastapi = import_extra("gradio", "page"), import_extra("fastapi", "page")
    blocks = make_blocks(studio)
    inner = gr.mount_gradio_app(
        fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        max_file_size=LARGEST,
        theme=make_theme(),
        css=CSS,
    )
    # Else gradio copies any file of this machine that a request names to where it can be fetched.
    blocks.has_launched = True
    return Guard(inner, studio.folder, MAX_BYTES, LOCAL_NAMES if host in LOCAL_NAMES else None)


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()  # here, or two servers may bind to one port
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        reason = "another program uses the port; choose another --port, or 0 for a free one" if taken else error
        raise DeviceError(f"cannot listen at {host}, port {port}: {reason}") from None
    with listener:
        yield listener


@contextmanager
def _own_environment(folder: Path) -> Iterator[None]:
    """Let gradio keep its files in `folder` and send nothing, whatever its variables say, for the block."""
    before = {key: os.environ.pop(key) for key in list(os.environ) if key.startswith("GRADIO_")}
    own = {"GRADIO_TEMP_DIR": str(folder.resolve()), "GRADIO_ANALYTICS_ENABLED": "False"}
    os.environ.update(own)
    try:
        yield
    finally:
        for key in own:
            del os.environ[key]
        os.environ.update(before)
