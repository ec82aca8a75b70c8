"""The endpoints of the API: the parameters that each takes, and the document that answers it.

Every function but `events` runs in a thread of its own. What it refuses is a `NasError`; `app.py` knows the statuses.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from itertools import chain

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dashboards.answers import Json
from dashboards.archive import Archive
from dashboards.filters import NAMES, Filter, Parameters, read_filter

MOST = 1_000_000
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
_making = threading.Lock()


def archive_for(app: Starlette) -> Archive:
    """The archive of an application, made when first needed."""
    with _making:
        if not hasattr(app.state, "archive"):
            app.state.archive = Archive(app.state.url)
    archive: Archive = app.state.archive
    return archive


def studies(request: Request) -> Response:
    """Every study with its tallies."""
    from dashboards.overview import studies as document

    _given(request)
    return Json(document(archive_for(request.app)))


def points(request: Request) -> Response:
    """Trials as points, and fronts."""
    from dashboards.points import LIMIT
    from dashboards.points import points as document

    given = _given(request, *NAMES, "x", "y", "limit", "after")
    limit = given.whole("limit", LIMIT, 1, MOST)
    x, y = given.one("x", "flops"), given.one("y", "accuracy")
    return Json(document(archive_for(request.app), read_filter(given), x, y, limit, given.one("after")))


def published(request: Request) -> Response:
    """Published ImageNet classifiers."""
    from dashboards.published import COSTS
    from dashboards.published import published as document
    from searchspaces.published import RELEASES

    given = _given(request, "x", "weights")
    return Json(document(given.choice("x", COSTS, "flops"), given.choice("weights", RELEASES, "v1")))


def trials(request: Request) -> Response:
    """One page of the table."""
    from dashboards.trial_rows import MOST as MOST_ROWS
    from dashboards.trial_rows import page

    given = _given(request, *NAMES, "sort", "descending", "limit", "offset")
    limit, offset = given.whole("limit", 100, 1, MOST_ROWS), given.whole("offset", 0, 0, 10**12)
    sort, descending = given.one("sort", "number"), given.flag("descending")
    return Json(page(archive_for(request.app), read_filter(given), sort, descending, limit, offset))


def trial(request: Request) -> Response:
    """Everything about one trial."""
    from dashboards.trial_page import trial_page

    _given(request)
    commands = request.app.state.commands
    return Json(trial_page(archive_for(request.app), *_trial(request), commands))


def trial_drawing(request: Request) -> Response:
    """A trial's architecture as a picture."""
    from dashboards.pictures import trial_drawing as draw

    _given(request)
    return _svg(draw(archive_for(request.app), *_trial(request)))


def network(request: Request) -> Response:
    """A hand-designed network."""
    from dashboards.pictures import network as document

    _given(request)
    return Json(document(request.path_params["name"]))


def network_drawing(request: Request) -> Response:
    """A hand-designed network as a picture."""
    from dashboards.pictures import network_drawing as draw

    _given(request)
    return _svg(draw(request.path_params["name"]))


def progress(request: Request) -> Response:
    """How far each study has come."""
    from dashboards.progress import progress as document

    given = _given(request, *NAMES, "x", "y")
    x, y = given.one("x", "flops"), given.one("y", "accuracy")
    return Json(document(archive_for(request.app), read_filter(given), x, y))


def axes(request: Request) -> Response:
    """The choices of the trials, and what they matter."""
    from dashboards.axes import LIMIT
    from dashboards.axes import axes as document

    given = _given(request, *NAMES, "y", "limit")
    limit = given.whole("limit", LIMIT, 1, MOST)
    return Json(document(archive_for(request.app), read_filter(given), given.one("y", "accuracy"), limit))


def compare(request: Request) -> Response:
    """What differs between two to six trials."""
    from dashboards.compare import compare as document
    from dashboards.compare import parse

    given = _given(request, "trial")
    return Json(document(archive_for(request.app), parse(given.all("trial"))))


def export_csv(request: Request) -> Response:
    """All trials that pass the filter, as CSV."""
    from dashboards.trial_rows import export_csv as pieces

    return _download(request, pieces, "text/csv; charset=utf-8", "trials.csv")


def export_json(request: Request) -> Response:
    """All trials that pass the filter, as JSON."""
    from dashboards.trial_rows import export_json as pieces

    return _download(request, pieces, "application/json", "trials.json")


async def events(request: Request) -> Response:
    """What changes, while it changes."""
    from dashboards.events import Hub

    _given(request)
    if request.method == "HEAD":
        return Response(media_type="text/event-stream")
    state = request.app.state
    if not hasattr(state, "hub"):
        state.hub = Hub(archive_for(request.app), lambda: bool(state.stopping()))
    return StreamingResponse(state.hub.listen(), media_type="text/event-stream", headers={"cache-control": "no-store"})


def _given(request: Request, *names: str) -> Parameters:
    return Parameters.of(request.query_params.multi_items(), names)


def _trial(request: Request) -> tuple[str, int]:
    name = request.path_params["study"]
    # A browser resolves a path segment "." or "..", however it is encoded, so that the page writes "~." and "~..".
    return name[1:] if re.fullmatch(r"~+\.\.?", name) else name, request.path_params["number"]


def _svg(text: str) -> Response:
    return Response(
        text.encode("utf-8", "replace"), media_type="image/svg+xml", headers={"content-security-policy": SVG_POLICY}
    )


def _download(request: Request, pieces: Callable[[Archive, Filter], Iterator[str]], kind: str, name: str) -> Response:
    """A file made piece by piece. The first piece is made here, so that a bad parameter is still an error."""
    given = _given(request, *NAMES)
    stream = pieces(archive_for(request.app), read_filter(given))
    first = next(stream)
    body = (piece.encode("utf-8", "replace") for piece in chain([first], stream))
    return StreamingResponse(body, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})
