"""The JSON contracts of docs/json.md: the field names that a program may rely on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.errors import NasError
from searchspaces import Architecture, price

PAGE = Path(__file__).parents[2] / "docs" / "json.md"
TRIAL = [
    "trial",
    "kind",
    "name",
    "state",
    "reason",
    "architecture",
    "summary",
    "params",
    "flops",
    "activations",
    "memory",
    "values",
    "metrics",
    "epochs",
    "reused",
    "failures",
    "traceback",
    "worker",
    "started",
    "finished",
]


def documented(line_start: str) -> list[str]:
    """The names in backquotes on a line of the page, and its continuation lines."""
    text = PAGE.read_text(encoding="utf-8")
    start = text.index(line_start) + len(line_start)
    end = re.search(r"\n\s*- |\n\n", text[start:])
    return re.findall(r"`([a-z_\d]+)`", text[start : start + (end.start() if end else len(text))])


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    def evaluate(architecture: Architecture) -> float:
        flops = price(architecture.draw((1, 8, 8), 10)).flops
        if flops % 3 == 0:
            raise NasError("on purpose")
        return 1 - 1e5 / flops

    study = nas.search("resnext", evaluator=evaluate, image=(1, 8, 8), budget=8, baselines="auto", controller="random")
    return study.to_json()


def test_search(document: dict[str, Any]) -> None:
    assert list(document) == documented("`nas show STUDY`:")
    assert list(document["study"]) == list(documented("- `study`:"))
    for trial in (*document["trials"], *document["front"]):
        assert list(trial) == TRIAL
        assert (trial["values"] is not None) == (trial["state"] == "complete")
    assert {"complete", "failed"} <= {trial["state"] for trial in document["trials"]}
    for baseline in document["baselines"]:
        assert list(baseline) == ["name", "dominated_by"]


def test_the_page_names_every_field_of_a_trial() -> None:
    table = PAGE.read_text(encoding="utf-8").split("## A trial")[1].split("## Commands")[0]
    named = [name for row in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(TRIAL)
