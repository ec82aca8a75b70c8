"""The paths of the API. What answers them is imported by the first request, so that the server listens at once."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATHS = {  # the longer path of two that begin alike comes first; a study's name may hold a slash
    "/api/studies": "studies",
    "/api/points": "points",
    "/api/published": "published",
    "/api/trials": "trials",
    "/api/trials/{study:path}/{number:int}/drawing.svg": "trial_drawing",
    "/api/trials/{study:path}/{number:int}": "trial",
    "/api/networks/{name:path}/drawing.svg": "network_drawing",
    "/api/networks/{name:path}": "network",
    "/api/progress": "progress",
    "/api/axes": "axes",
    "/api/compare": "compare",
    "/api/export.csv": "export_csv",
    "/api/export.json": "export_json",
}


def api_routes() -> list[Route]:
    """All routes under /api."""
    return [*(Route(path, _later(name)) for path, name in PATHS.items()), Route("/api/events", _events)]


async def _events(request: Request) -> Response:
    """Runs in the event loop, where the others each take a thread."""
    module = await run_in_threadpool(import_module, "dashboards.endpoints")
    answer: Response = await module.events(request)
    return answer


def _later(name: str) -> Any:
    def endpoint(request: Request) -> Response:
        answer: Response = getattr(import_module("dashboards.endpoints"), name)(request)
        return answer

    return endpoint
