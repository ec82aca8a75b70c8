"""The files of the page, kept in memory and packed once: a first visit asks for thirty of them."""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
SMALL = 1024  # bytes that are not worth packing


async def static(request: Request) -> Response:
    """One file of the page. Raises `HTTPException` 404."""
    return serve(request, str(request.path_params["name"]))


async def page(request: Request) -> Response:
    """The page itself, which reads its own address."""
    return serve(request, "index.html")


def serve(request: Request, name: str) -> Response:
    """The file, or 304 to a browser that has it. A changed file is read again."""
    path = STATIC / name
    if name not in _names() or path.suffix not in KINDS:
        raise HTTPException(404)
    plain, packed, tag = _read(path, path.stat().st_mtime_ns)
    headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if len(plain) > SMALL and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type=KINDS[path.suffix], headers={**headers, "content-encoding": "gzip"})
    return Response(plain, media_type=KINDS[path.suffix], headers=headers)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    """The files that there are: a name from outside is only ever compared with these."""
    return frozenset(path.name for path in STATIC.iterdir() if path.is_file())


@lru_cache(maxsize=128)
def _read(path: Path, changed: int) -> tuple[bytes, bytes, str]:
    plain = path.read_bytes()
    return plain, gzip.compress(plain, 6, mtime=0), f'"{hashlib.sha256(plain).hexdigest()[:20]}"'
