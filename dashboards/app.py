"""The application: its paths, its errors as JSON, and the files of the page."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache

from anyio.to_thread import current_default_thread_limiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboards.answers import Json
from dashboards.files import page, static
from dashboards.guard import Access, Guard
from dashboards.routes import api_routes
from nas.errors import NasError, StoreError

THREADS = 6  # that answer at once: a search beside the server needs the cores more
PAGES = ("/", "/time", "/axes", "/table", "/compare", "/trial/{study:path}/{number}")


def make_app(url: str, access: Access | None = None, commands: tuple[str, ...] = ()) -> Starlette:
    """The application over a database that need not be there yet; `commands` of nas that the page may name."""
    routes = [
        *(Route(path, page) for path in PAGES),
        Route("/plotly.js", _plotly),
        Route("/static/{name}", static),
        *api_routes(),
    ]
    app = Starlette(
        routes=routes,
        lifespan=_life,
        middleware=[Middleware(Guard, access=access or Access()), Middleware(GZipMiddleware, 1024, 1)],
        exception_handlers={HTTPException: _http_error, NasError: _known_error, Exception: _unknown_error},
    )
    app.state.url, app.state.commands, app.state.stopping = url, commands, lambda: False
    return app


@asynccontextmanager
async def _life(app: Starlette) -> AsyncIterator[None]:
    """Bounds the threads while the server runs, and closes the database after it."""
    current_default_thread_limiter().total_tokens = THREADS
    yield
    if hasattr(app.state, "archive"):
        app.state.archive.close()


def _plotly(request: Request) -> Response:
    packed, tag = plotly_gz()
    headers = {"etag": tag, "cache-control": "max-age=3600", "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type="text/javascript", headers={**headers, "content-encoding": "gzip"})
    return Response(gzip.decompress(packed), media_type="text/javascript", headers=headers)


@lru_cache(maxsize=1)
def plotly_gz() -> tuple[bytes, str]:
    """Plotly.js as the installed Python package has it, packed once, and its tag."""
    from plotly.offline import get_plotlyjs

    packed = gzip.compress(get_plotlyjs().encode(), 6, mtime=0)
    return packed, f'"{hashlib.sha256(packed).hexdigest()[:20]}"'


def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    said = f"nothing is at {request.url.path}; see docs/dashboard.md" if status == 404 else str(error)
    return Json({"error": said}, status)


def _known_error(request: Request, error: Exception) -> Response:
    from dashboards.errors import BadParameter, NotThere

    for kind, status in ((BadParameter, 400), (NotThere, 404), (StoreError, 503)):
        if isinstance(error, kind):
            return Json({"error": str(error)}, status)
    return Json({"error": str(error)}, 400)


def _unknown_error(request: Request, error: Exception) -> Response:
    return Json({"error": f"the dashboard failed: {type(error).__name__}; the terminal has the rest"}, 500)
