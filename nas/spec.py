"""`StudySpec`: what a study was asked to do, as stored with it; enough to resume it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import PurePath
from typing import Any

from nas.errors import StudyError


@dataclass(frozen=True)
class StudySpec:
    """The terms of one study.

    `space` and `evaluator` are names: of the catalogue and `training`, or of the user's own objects, which must
    then be given again to resume. `dataset` is a `DataSpec` document, None where nothing is trained; `table` is that
    of a `TabularEvaluator`. `recipe` is a `Recipe` document. `budget` counts trained children.
    """

    space: str
    evaluator: str
    image: tuple[int, int, int]
    classes: int
    controller: str
    objectives: tuple[str, ...]
    constraints: tuple[str, ...]
    recipe: Mapping[str, Any]
    seed: int
    budget: int
    dataset: Mapping[str, Any] | None = None
    data_key: str | None = None  # the fingerprint of the data's content: a study goes on only with the same
    baselines: tuple[str, ...] = ()
    controller_options: Mapping[str, Any] = field(default_factory=dict)
    executor: str = "inline"
    executor_options: Mapping[str, Any] = field(default_factory=dict)
    table: Mapping[str, Any] | None = None
    scheduler: str = "none"
    scheduler_options: Mapping[str, Any] = field(default_factory=dict)
    latency: Mapping[str, Any] | None = None  # the conditions under which latencies are measured, if they are asked for
    max_failures: int = 1  # so often a child may lose its worker and is tried again

    def to_json(self) -> dict[str, Any]:
        """The spec as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> StudySpec:
        """The spec that `to_json` wrote. Raises `StudyError` when it is of another version of nas."""
        known = {entry.name for entry in fields(cls)}
        if set(document) - known:
            raise StudyError(
                f"the study was stored by another version of nas: it has {', '.join(sorted(set(document) - known))}"
            )
        lists = ("image", "objectives", "constraints", "baselines")
        values: dict[str, Any] = {name: tuple(value) if name in lists else value for name, value in document.items()}
        try:
            return cls(**values)
        except TypeError as error:
            raise StudyError(f"the study was stored by another version of nas: {error}") from None


def data_name(spec: Mapping[str, Any]) -> str:
    """What the children of a stored spec are judged by, for a person: a dataset, a table, or a user's evaluator."""
    if spec.get("table"):
        return PurePath(spec["table"]["path"]).stem
    return str((spec["dataset"] or {}).get("name", spec["evaluator"]))
