"""The hand-designed network of a space that is nearest to a trial, and how it differs, axis by axis."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from dashboards.studies import StudyView
from nas.store import TrialRecord
from searchspaces import Architecture, NotInSpace, Space
from searchspaces.axes import Axis

Choices = Mapping[str, int]


def point_of(study: StudyView, trial: TrialRecord, architecture: Architecture | None) -> Choices | None:
    """The choices of a trial: as stored, or, of a baseline that the space holds, as its architecture says."""
    if trial.point is not None:
        return dict(trial.point)
    if study.space is None or architecture is None:
        return None
    try:
        return study.space.encode(architecture)
    except NotInSpace:
        return None


def labels_of(study: StudyView, point: Choices | None) -> list[dict[str, Any]]:
    """Every axis of the space with what the trial chose on it; `label` is None where it does not apply."""
    if point is None:
        return []
    if study.space is None:
        return [{"name": name, "label": f"choice {choice}", "active": True} for name, choice in point.items()]
    return [
        {"name": axis.name, "label": label(axis, point.get(axis.name)), "active": axis.name in point}
        for axis in study.space.axes
    ]


def label(axis: Axis, choice: int | None) -> str | None:
    """What a choice is called; None where the axis does not apply."""
    if choice is None:
        return None
    return str(axis.labels[choice]) if 0 <= choice < len(axis) else f"choice {choice}"


def nearest(study: StudyView, point: Choices | None) -> dict[str, Any] | None:
    """The network that differs in the fewest axes, the first of equals; an axis that only one has is a difference.

    None where the space has no network, or the trial no point in it.
    """
    if point is None or study.space is None:
        return None
    axes = study.space.axes
    found: tuple[str, list[Axis], Choices] | None = None
    for name, theirs in _networks(study.space):
        differ = [axis for axis in axes if point.get(axis.name) != theirs.get(axis.name)]
        if found is None or len(differ) < len(found[1]):
            found = name, differ, theirs
    if found is None:
        return None
    name, differ, theirs = found
    return {
        "name": name,
        "distance": len(differ),
        "differences": [
            {
                "axis": axis.name,
                "trial": label(axis, point.get(axis.name)),
                "network": label(axis, theirs.get(axis.name)),
            }
            for axis in differ
        ],
    }


@lru_cache(maxsize=16)
def _networks(space: Space) -> tuple[tuple[str, Choices], ...]:
    found = []
    for name, network in space.networks.items():
        try:
            found.append((name, space.encode(network)))
        except NotInSpace:
            continue
    return tuple(found)
