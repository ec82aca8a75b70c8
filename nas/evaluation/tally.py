"""What is counted: top-1, top-5, the loss and the confusion matrix; what follows of each class; how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

NORMAL_95 = 1.959964  # the standard normal distribution has 95 % within so many deviations
TOP = 5


@dataclass
class Tally:
    """Counts over the images that came so far; `confusion[t, p]`: images of class t that were taken for p."""

    classes: int
    images: int = 0
    found: int = 0
    among_top: int = 0
    loss: float = 0.0  # summed
    confusion: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.confusion = np.zeros((self.classes, self.classes), np.int64)

    def add(self, probabilities: Tensor, labels: Tensor) -> None:
        """Count images (N, classes) with their classes (N,)."""
        import torch

        truth = probabilities.gather(1, labels[:, None])
        predicted = probabilities.argmax(1)
        self.images += len(labels)
        self.found += int((predicted == labels).sum())
        if self.has_top:
            best = probabilities.topk(TOP, dim=1).indices
            self.among_top += int((best == labels[:, None]).any(1).sum())
        self.loss -= float(truth.double().clamp_min(torch.finfo(torch.float32).tiny).log().sum())
        cells = (labels * self.classes + predicted).cpu().numpy()
        self.confusion += np.bincount(cells, minlength=self.classes**2).reshape(self.confusion.shape)

    @property
    def has_top(self) -> bool:
        """Whether top-5 says anything: with five classes or fewer it is always 1."""
        return self.classes > TOP

    def to_json(self) -> dict[str, Any]:
        """`top1`, its interval, `top5` (null for five classes or fewer), as fractions, and the mean `loss`."""
        return {
            "top1": self.found / self.images,
            "top1_interval": list(wilson(self.found, self.images)),
            "top5": self.among_top / self.images if self.has_top else None,
            "loss": self.loss / self.images,
        }


@dataclass(frozen=True)
class ClassResult:
    """One class: its images, how many were found, and the class that the others were most often taken for."""

    name: str
    images: int
    found: int
    taken_for: str | None
    taken: int

    @property
    def accuracy(self) -> float | None:
        """The share of its images that was found; None where it has none."""
        return self.found / self.images if self.images else None

    def to_json(self) -> dict[str, Any]:
        """The fields, and the accuracy with its interval."""
        return {
            "class": self.name,
            "images": self.images,
            "found": self.found,
            "accuracy": self.accuracy,
            "interval": list(wilson(self.found, self.images)) if self.images else None,
            "taken_for": self.taken_for,
            "taken": self.taken,
        }


def by_class(confusion: NDArray[np.int64], names: Sequence[str]) -> list[ClassResult]:
    """Each class, the worst first and those without images last."""
    results = []
    for label, name in enumerate(names):
        row = confusion[label].copy()
        images, found = int(row.sum()), int(row[label])
        row[label] = 0
        other = int(row.argmax())
        taken = int(row[other])
        results.append(ClassResult(name, images, found, names[other] if taken else None, taken))
    return sorted(results, key=lambda each: (2.0 if each.accuracy is None else each.accuracy, -each.images))


def wilson(found: int, images: int) -> tuple[float, float]:
    """The 95 % interval of a share of independent images (Wilson 1927, "Probable Inference", formula 5)."""
    share, z = found / images, NORMAL_95**2 / images
    centre = share + z / 2
    spread = sqrt(z * share * (1 - share) + z * z / 4)
    return max(0.0, (centre - spread) / (1 + z)), min(1.0, (centre + spread) / (1 + z))
