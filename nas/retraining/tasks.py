"""What is trained: `Task`, one network; `Order`, all networks of a command under one recipe; `Job`, one seed of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from nas.data import Dataset, DataSpec
from nas.recipe import Recipe
from searchspaces import Architecture

Kind = Literal["target", "baseline"]


@dataclass(frozen=True)
class Task:
    """One network to train. `name`: of its folder; `source`: what was asked for, such as `STUDY:TRIAL`.

    `search_accuracy`: the fraction that the search measured on its validation split, None where it did not.
    """

    name: str
    source: str
    kind: Kind
    architecture: Architecture
    search_accuracy: float | None = None


@dataclass(frozen=True, eq=False)
class Order:
    """Everything a command asks for: each task is trained `seeds` times, with the seeds from 0 on.

    `homes`: modules of the user's own, which bring blocks. `workers` processes train one network together.
    """

    tasks: tuple[Task, ...]
    spec: DataSpec
    data: Dataset
    recipe: Recipe
    seeds: int = 1
    output: Path = Path("retrained")
    device: str = "auto"
    workers: int = 1
    sync_bn: bool = False
    homes: tuple[str, ...] = ()

    def job(self, task: Task, seed: int) -> Job:
        """One seed of one task."""
        return Job(
            architecture=task.architecture.to_json(),
            data=self.spec.to_json(),
            recipe=self.recipe.to_json(),
            seed=seed,
            source=task.source,
            search_accuracy=task.search_accuracy,
            folder=str((self.output / task.name / f"seed{seed}").absolute()),
            sync_bn=self.sync_bn,
            homes=list(self.homes),
        )

    def identity(self, task: Task) -> dict[str, Any]:
        """What a run is the same by; seeds may be added to it later."""
        return {
            "architecture": task.architecture.key,
            "data": self.data.key,
            "recipe": self.recipe.to_json(),
            "workers": self.workers,
            "sync_bn": self.sync_bn,
        }


@dataclass(frozen=True)
class Job:
    """One training as JSON values, which travel to another process."""

    architecture: Mapping[str, Any]
    data: Mapping[str, Any]
    recipe: Mapping[str, Any]
    seed: int
    source: str
    search_accuracy: float | None
    folder: str
    sync_bn: bool = False
    homes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)
