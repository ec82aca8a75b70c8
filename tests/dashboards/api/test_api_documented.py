"""docs/dashboard.md names every path, parameter and field that the API has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard_site import Site

from dashboards.filters import QUANTITIES
from dashboards.routes import PATHS

DOCS = (Path(__file__).parents[3] / "docs" / "dashboard.md").read_text(encoding="utf-8")
WORDS = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", DOCS))))
# Fields whose own keys are data: names of axes, metrics, commands, recipe fields, and the document of a network.
OPEN = {
    "counts",
    "names",
    "curves",
    "metrics",
    "values",
    "commands",
    "recipe",
    "architecture",
    "layers",
    "axes",
    "facts",
}
ANSWERS = (
    *("studies", "points", "published", "trials?limit=2", "trials/first/3", "trials/second/6", "progress", "axes"),
    "compare?trial=first:3&trial=first:0",
)


def fields(document: Any) -> Iterator[str]:
    """Every key of a document, but those that are data."""
    if isinstance(document, list):
        for part in document[:3]:
            yield from fields(part)
    elif isinstance(document, dict):
        for name, value in document.items():
            yield name
            if name not in OPEN or (name in ("axes", "values", "curves") and isinstance(value, list)):
                yield from fields(value)


@pytest.mark.parametrize("call", ANSWERS)
def test_every_field_is_documented(site: Site, call: str) -> None:
    found = set(fields(site.get(f"/api/{call}")))
    assert len(found) > 5
    assert found - WORDS - {"waiting", "failed", "running", "complete", "pruned", "infeasible"} == set()


def test_every_path_is_documented() -> None:
    text = DOCS.replace("STUDY/NUMBER", "{study:path}/{number:int}").replace("NAME", "{name:path}")
    for path in (*PATHS, "/api/events"):
        assert path.removesuffix("/drawing.svg") in text, path
    assert "/drawing.svg" in text


def test_every_parameter_is_documented() -> None:
    named = {"study", "dataset", "state", "kind", "axis", "x", "y", "limit", "offset", "sort", "descending", "weights"}
    assert named <= WORDS
    bounds = DOCS[DOCS.index("`QUANTITY_min`") :].split("\n")[0]
    assert all(name in bounds for name in QUANTITIES)
