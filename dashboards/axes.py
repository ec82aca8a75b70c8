"""`/api/axes`: the choices of the trials, what each axis matters, slices along it, and error distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dashboards.archive import Archive, names_of
from dashboards.columns import CHILD
from dashboards.filters import Filter
from dashboards.packing import number, pack
from dashboards.selection import Rows, axes_of, check_quantity, maximised, select
from nas.importance import METHOD, importance

LIMIT = 20_000  # trials of which the choices are sent
POINTS = 500  # of one distribution
QUANTILES = {"q10": 0.1, "q25": 0.25, "median": 0.5, "q75": 0.75, "q90": 0.9}

Floats = npt.NDArray[np.float64]
Choices = npt.NDArray[np.int16]


def axes(archive: Archive, wanted: Filter, y: str, limit: int = LIMIT) -> dict[str, Any]:
    """The document. Axes of one name in several spaces are one axis, with the labels of all.

    Importance, slices and distributions are of all trials that pass; of their choices at most `limit` are sent: the
    best tenth of that by `y`, and others spread evenly. Raises `BadParameter`.
    """
    studies = archive.chosen(wanted)
    check_quantity(archive, studies, "y", y)
    found = list(select(archive, wanted))
    more = maximised(studies, y, True)
    labels, choices = _together(archive, found)
    values = np.concatenate([np.empty(0), *(rows.quantity(y) for rows in found)])
    kept = np.flatnonzero(
        np.isfinite(values) & (choices >= 0).any(axis=1)
    )  # a baseline outside the space has no choice
    choices, values = choices[kept], values[kept]
    shown = _sample(values, more, limit)
    of_study = np.concatenate([np.empty(0, int), *(np.full(len(rows.trials), i) for i, rows in enumerate(found))])
    numbers = np.concatenate([np.empty(0, int), *(rows.trials["number"] for rows in found)])
    return {
        "y": pack(values[shown], "f4"),
        "rows": {"study": pack(of_study[kept][shown], "u2"), "number": pack(numbers[kept][shown], "i4")},
        "studies": names_of([rows.study for rows in found]),
        "maximise": more,
        "total": len(values),
        "shown": len(shown),
        "axes": [
            {
                "name": name,
                "labels": list(words),
                "counts": np.bincount(choices[:, axis][choices[:, axis] >= 0], minlength=len(words)).tolist(),
                "values": pack(choices[shown, axis], "i2"),
                "importance": importance(choices[:, axis], values),
                "slices": slices(choices[:, axis], values, words),
            }
            for axis, (name, words) in enumerate(labels.items())
        ],
        "importance_method": METHOD,
        "edf": distributions(found, y),
    }


def slices(choices: Choices, values: Floats, labels: list[str]) -> list[dict[str, Any]]:
    """How the values spread under each choice, and where the axis does not apply (label None) if that occurs."""
    found = []
    for choice, label in [*enumerate(labels), (-1, None)]:
        here = values[choices == choice]
        if len(here) or label is not None:
            spread = np.quantile(here, list(QUANTILES.values())) if len(here) else [np.nan] * len(QUANTILES)
            mean = number(here.mean()) if len(here) else None
            quantiles = {name: number(value) for name, value in zip(QUANTILES, spread, strict=True)}
            found.append({"label": label, "n": len(here), "mean": mean, **quantiles})
    return found


def distributions(found: list[Rows], y: str) -> list[dict[str, Any]]:
    """The empirical distribution of the children's errors, for each study, then for each space and dataset.

    The error is 1 - accuracy; of another quantity it is the quantity itself. (Radosavovic et al. 2019, section 3.)
    """
    by_study: dict[str, Floats] = {}
    by_space: dict[tuple[str, str], list[Floats]] = {}
    for rows in found:
        values = rows.quantity(y)[rows.trials["kind"] == CHILD]
        values = values[np.isfinite(values)]
        by_study[rows.study.name] = values
        by_space.setdefault((str(rows.study.spec.get("space")), rows.study.dataset), []).append(values)
    several = len({dataset for _, dataset in by_space}) > 1
    titles = {key: f"{key[0]} on {key[1]}" if several else key[0] for key in by_space}
    lines = [{"study": name, **_distribution(values, y)} for name, values in by_study.items() if len(values)]
    for key, parts in by_space.items():
        values = np.concatenate(parts)
        if len(values):
            lines.append({"space": titles[key], **_distribution(values, y)})
    return lines


def _distribution(values: Floats, y: str) -> dict[str, Any]:
    errors = np.sort(1 - values if y == "accuracy" else values)
    places = np.unique(np.linspace(0, len(errors) - 1, min(POINTS, len(errors))).round().astype(int))
    return {"n": len(errors), "error": pack(errors[places], "f4"), "share": pack((places + 1) / len(errors), "f4")}


def _together(archive: Archive, found: list[Rows]) -> tuple[dict[str, list[str]], Choices]:
    """The labels of each axis over all studies, and one row of choices a trial in those labels."""
    labels: dict[str, list[str]] = {}
    spaces = [axes_of(archive, rows.study) for rows in found]
    for space in spaces:
        for name, words in zip(space.names, space.labels, strict=True):
            known = labels.setdefault(name, [])
            known += [word for word in words if word not in known]
    parts = [np.empty((0, len(labels)), dtype=np.int16)]
    order = list(labels)
    for rows, space in zip(found, spaces, strict=True):
        own = rows.columns.choices(space.names, rows.trials)
        part = np.full((len(rows.trials), len(labels)), -1, dtype=np.int16)
        for axis, (name, words) in enumerate(zip(space.names, space.labels, strict=True)):
            to = np.array([*(labels[name].index(word) for word in words), -1], dtype=np.int16)
            inside = np.where((own[:, axis] >= 0) & (own[:, axis] < len(words)), own[:, axis], len(words))
            part[:, order.index(name)] = to[inside]
        parts.append(part)
    return labels, np.concatenate(parts)


def _sample(values: Floats, more_is_better: bool, limit: int) -> npt.NDArray[np.int64]:
    if len(values) <= limit:
        return np.arange(len(values))
    order = np.argsort(-values if more_is_better else values, kind="stable")
    best = order[: max(1, limit // 10)]
    rest = np.sort(order[len(best) :])
    spread = rest[np.linspace(0, len(rest) - 1, limit - len(best)).astype(int)] if limit > len(best) else rest[:0]
    return np.sort(np.concatenate([best, spread]))
