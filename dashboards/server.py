"""The server: a socket, the application, and uvicorn between them."""

from __future__ import annotations

import ctypes
import socket
import sys
import threading
from contextlib import suppress
from urllib.parse import quote

from dashboards.errors import BadParameter
from dashboards.guard import Access

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
_HEAD_START = 0.05  # seconds that the first page has before the imports begin


def serve(url: str, access: Access, port: int, commands: tuple[str, ...] = ()) -> None:
    """Serve the dashboard of a database until Ctrl-C; port 0 takes a free one. The address is printed on stdout.

    Raises `BadParameter` for an address that cannot be listened on, or that others can reach without a token, and
    `StoreError` for a database that cannot be read.
    """
    if not access.local and not access.token:
        raise BadParameter(f"--host {access.host}: others can reach this address; give a --token of your own as well")
    _one_heap()
    listening = _listen(access.host, port)
    import uvicorn

    from dashboards.app import make_app

    app = make_app(url, access, commands)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
    app.state.stopping = lambda: server.should_exit
    print(_address(access, listening.getsockname()[1]), flush=True)
    trouble: list[Exception] = []

    def warm() -> None:
        """Import what the first answer needs, and say at once when the database cannot be read."""
        from dashboards.endpoints import archive_for

        try:
            archive = archive_for(app)
            if archive.found is None:
                print(f"nas: no database {archive.label!r} yet; a search makes it", file=sys.stderr, flush=True)
        except Exception as error:
            trouble.append(error)
            server.should_exit = True

    threading.Timer(_HEAD_START, warm).start()
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    if trouble:
        raise trouble[0]


def _one_heap() -> None:
    """Let all threads share one heap, where the C library is glibc.

    Else each thread that has answered once keeps the memory of its largest answer, which adds up to a third more.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise BadParameter(f"cannot listen on {host} port {port}: {said}; choose another --port") from None
    listening.listen(128)
    return listening


def _address(access: Access, port: int) -> str:
    host = f"[{access.host}]" if ":" in access.host else access.host
    token = f"/?token={quote(access.token, safe='')}" if access.token else ""
    return f"dashboard: http://{host}:{port}{token}  (Ctrl-C stops it)"
