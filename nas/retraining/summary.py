"""What the seeds of a network come to: mean, deviation, interval, and how far the search's own figure was above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from nas.evaluation.tally import wilson
from nas.retraining.tasks import Task
from searchspaces import price
from searchspaces.summary import summarise


@dataclass(frozen=True)
class Summary:
    """One network after its trainings: the results of its seeds, in order; `failed` says why there are no more."""

    task: Task
    cost: Mapping[str, int]
    results: Sequence[Mapping[str, Any]]
    failed: str | None = None

    @property
    def accuracies(self) -> list[float]:
        """The test accuracy of each seed; empty where there is no test split."""
        return [result["test_accuracy"] for result in self.results if "test_accuracy" in result]

    @property
    def test(self) -> dict[str, Any] | None:
        """Mean, standard deviation (n − 1; None for n = 1), n, and the 95 % interval of the mean; None without a test.

        The deviation is that of the seeds. The interval is that of a share of so many test images (Wilson), which
        all seeds were measured on: it says what another test split of this size could have given.
        """
        values = self.accuracies
        if not values:
            return None
        images = int(self.results[0]["test_images"])
        centre = mean(values)
        return {
            "mean": centre,
            "std": stdev(values) if len(values) > 1 else None,
            "n": len(values),
            "images": images,
            "interval": list(wilson(round(centre * images), images)),
        }

    @property
    def optimism(self) -> float | None:
        """By how much the search's validation accuracy was above the mean test accuracy; negative: below."""
        test = self.test
        if test is None or self.task.search_accuracy is None:
            return None
        return float(self.task.search_accuracy - test["mean"])

    def to_json(self) -> dict[str, Any]:
        """As `nas retrain --json` prints it, and as `result.json` of the network's folder has it."""
        return {
            "name": self.task.name,
            "source": self.task.source,
            "kind": self.task.kind,
            "summary": summarise(self.task.architecture),
            "architecture": self.task.architecture.key,
            "params": self.cost["params"],
            "flops": self.cost["flops"],
            "test_accuracy": self.test,
            "search_val_accuracy": self.task.search_accuracy,
            "optimism": self.optimism,
            "failed": self.failed,
            "seeds": [dict(result) for result in self.results],
        }


def cost_of(task: Task, image: tuple[int, int, int], classes: int) -> dict[str, int]:
    """The price of a task's network. Raises `InvalidArchitecture` where it cannot be drawn for these images."""
    return price(task.architecture.draw(image, classes)).to_json()
