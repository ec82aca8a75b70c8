"""`/api/compare`: two to six trials, and only what differs between them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dashboards.archive import Archive
from dashboards.errors import BadParameter
from dashboards.trial_page import MOST, trial_page

FEWEST, GREATEST = 2, 6
COSTS = ("flops", "params", "activations", "memory")


def parse(texts: Sequence[str]) -> list[tuple[str, int]]:
    """Trials written STUDY:NUMBER, without repetition. Raises `BadParameter`."""
    found: list[tuple[str, int]] = []
    for text in texts:
        study, colon, number = text.rpartition(":")
        if not colon or not (number.isascii() and number.isdigit()) or len(number) > len(str(MOST)):
            raise BadParameter(f"trial={text!r}; write STUDY:NUMBER, as in trial=resnext-digits-1:3")
        if (study, int(number)) not in found:
            found.append((study, int(number)))
    if not FEWEST <= len(found) <= GREATEST:
        raise BadParameter(f"{len(found)} different trials given; {FEWEST} to {GREATEST} can be compared")
    return found


def compare(archive: Archive, wanted: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """The document: the trials, the rows in which they differ, by group, and their learning curves.

    Raises `NotThere` for a trial that does not exist.
    """
    pages = [trial_page(archive, study, number, ()) for study, number in wanted]
    groups = {
        "search": [
            _pick(page, ("study", "dataset", "kind", "name", "state", "reason", "seed", "worker")) for page in pages
        ],
        "cost": [_pick(page, COSTS) for page in pages],
        "measured": [{"accuracy": page["accuracy"], "epochs": page["epochs"], **_metrics(page)} for page in pages],
        "axes": [{axis["name"]: axis["label"] for axis in page["axes"]} for page in pages],
        "recipe": [page["recipe"] for page in pages],
        "layers": [stages(page["layers"]) for page in pages],
    }
    return {
        "trials": [
            _pick(page, ("study", "number", "name", "kind", "state", "summary", "accuracy", *COSTS)) for page in pages
        ],
        "rows": [
            {"group": group, "name": name, "values": values}
            for group, columns in groups.items()
            for name, values in differences(columns)
        ],
        "curves": [page["curve"] for page in pages],
    }


def differences(columns: Sequence[Mapping[str, Any]]) -> Iterable[tuple[str, list[Any]]]:
    """The names under which the columns do not all hold the same, with each column's value (None: it has none)."""
    for name in dict.fromkeys(name for column in columns for name in column):
        values = [column.get(name) for column in columns]
        if any(json.dumps(value) != json.dumps(values[0]) for value in values):
            yield name, values


def stages(layers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Each stage of a layer table in words: its output, layers, parameters and FLOPs."""
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for layer in layers:
        parts.setdefault(str(layer["name"]).split(".", 1)[0], []).append(layer)
    return {
        name: (
            f"{'×'.join(map(str, rows[-1]['output']))}, {len(rows)} layers, "
            f"{sum(row['params'] for row in rows):,} parameters, {sum(row['flops'] for row in rows):,} FLOPs"
        )
        for name, rows in parts.items()
    }


def _metrics(page: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in page["metrics"].items() if name not in ("epoch", "val_accuracy")}


def _pick(page: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: page[name] for name in names}
