"""A study as the dashboard sees it: its record, read leniently, for a database may be of another version of nas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dashboards.groups import labels
from nas.errors import ObjectiveError
from nas.objectives import Objective
from nas.store import StudyRecord
from searchspaces import SearchSpaceError, Space, find_space


@dataclass(frozen=True)
class StudyView:
    """One study. `dataset` names what its children are judged by: figures under two names are never compared."""

    record: StudyRecord
    dataset: str
    objectives: tuple[Objective, ...]

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def spec(self) -> Mapping[str, Any]:
        """What it was asked to do, as stored."""
        return self.record.spec

    @property
    def image(self) -> tuple[int, int, int] | None:
        """Channels, height and width of what its networks see."""
        found = self.spec.get("image")
        if not isinstance(found, (list, tuple)) or len(found) != 3 or not all(type(part) is int for part in found):
            return None
        return found[0], found[1], found[2]

    @property
    def space(self) -> Space | None:
        """Its search space; None where it cannot be loaded here."""
        return None if self.image is None else _space(str(self.spec.get("space", "")), min(self.image[1:]))

    @property
    def budget(self) -> int | None:
        """How many trained children it may have."""
        found = self.spec.get("budget")
        return found if isinstance(found, int) else None

    @property
    def epochs(self) -> int | None:
        """Epochs for which a child trains; None where nothing is trained."""
        recipe = self.spec.get("recipe")
        found = recipe.get("epochs") if isinstance(recipe, Mapping) else None
        return found if isinstance(found, int) and self.spec.get("dataset") else None

    @property
    def scheduler(self) -> str:
        """What stops its children early; "none" where nothing does, also in studies older than schedulers."""
        return str(self.spec.get("scheduler") or "none")

    @property
    def recipe_key(self) -> str:
        """Equal for studies that train alike; the same for all that train nothing."""
        return json.dumps(self.spec.get("recipe"), sort_keys=True, default=str) if self.spec.get("dataset") else ""

    @property
    def constraints(self) -> list[str]:
        """Its constraints, as written."""
        return _texts(self.spec.get("constraints"))


def views(records: Iterable[StudyRecord]) -> list[StudyView]:
    """The studies of these records, in their order."""
    found = list(records)
    named = labels(record.spec for record in found)
    return [StudyView(record, label, _objectives(record.spec)) for record, label in zip(found, named, strict=True)]


def _objectives(spec: Mapping[str, Any]) -> tuple[Objective, ...]:
    try:
        return tuple(Objective.parse(text) for text in _texts(spec.get("objectives")))
    except ObjectiveError:
        return ()


def _texts(found: Any) -> list[str]:
    return [str(part) for part in found] if isinstance(found, (list, tuple)) else []


@lru_cache(maxsize=64)
def _space(name: str, side: int) -> Space | None:
    try:
        return find_space(name, side)
    except SearchSpaceError:
        return None
