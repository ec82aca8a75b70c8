"""Evaluators: from an architecture to a stream of metrics. Training, or a function of the user's own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, SupportsFloat

from nas.data import DataSpec, Dataset, load
from nas.errors import TrainingError
from nas.recipe import Recipe
from searchspaces import Architecture

if TYPE_CHECKING:
    import torch

    from nas.placement import Placed

ACCURACY = "val_accuracy"
AUTO = "auto"


class Evaluator(Protocol):
    """What says how good an architecture is."""

    @property
    def key(self) -> str:
        """Part of the cache key: two evaluators of one key must give the same metrics."""
        ...

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height and width of the images that a child is drawn for."""
        ...

    @property
    def classes(self) -> int:
        """How many classes it tells apart."""
        ...

    def run(self, architecture: Architecture, recipe: Recipe, seed: int) -> Iterator[Mapping[str, float]]:
        """Metrics, one mapping an epoch; `epoch` counts from 1. Raises `TrainingError` for a child that fails."""
        ...


@dataclass(frozen=True)
class TrainingEvaluator:
    """Trains each child on a dataset and measures it on the validation split.

    Holds names only, so that it travels to workers; the dataset is loaded once a process, when first needed.
    `device`: "auto" is the GPU where there is one, else the CPU; or a torch device such as "cpu", "cuda:1".
    `threads`: of the CPU, for one child; None leaves PyTorch's own choice.
    """

    spec: DataSpec
    device: str = AUTO
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise TrainingError(f"threads must be at least 1, or None for PyTorch's own choice; got {self.threads}")

    @property
    def data(self) -> Dataset:
        """The dataset. Raises `DataError`."""
        return _data(json.dumps(self.spec.to_json(), sort_keys=True))

    @property
    def key(self) -> str:
        """The dataset's fingerprint."""
        return self.data.key

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.data.image

    @property
    def classes(self) -> int:
        """How many classes."""
        return len(self.data.classes)

    def run(self, architecture: Architecture, recipe: Recipe, seed: int) -> Iterator[dict[str, float]]:
        """Draw, build and train; the metrics are those of `nas.training.train`."""
        from nas.build import build
        from nas.training import train, train_lightly

        device = find_device(self.device)
        placed = _placed(json.dumps(self.spec.to_json(), sort_keys=True), str(device))
        module = build(architecture.draw(self.image, self.classes), seed)
        with train_lightly(device, self.threads):
            yield from train(module, placed, recipe, seed=seed, device=device)


def find_device(name: str) -> torch.device:
    """The torch device of a name; "auto" is the GPU where there is one. Raises `TrainingError` if there is none such."""
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == AUTO:
        return torch.device("cuda", 0) if gpus else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise TrainingError(f"unknown device {name!r}; use auto, cpu, cuda or cuda:0") from None
    if device.type == "cuda":
        index = device.index or 0
        if index >= gpus:
            raise TrainingError(f"device {name!r} is not there: PyTorch sees {gpus} CUDA devices; use auto or cpu")
        return torch.device("cuda", index)
    return device


@cache
def _data(document: str) -> Dataset:
    return load(DataSpec.from_json(json.loads(document)))


@cache
def _placed(document: str, device: str) -> Placed:
    import torch

    from nas.placement import place

    return place(_data(document), torch.device(device))


@dataclass(frozen=True)
class CallableEvaluator:
    """A function of an architecture, as an evaluator; the recipe and the seed do not concern it.

    The function gives the accuracy as a number, or a mapping of metrics, or an iterator of either, one an epoch.
    `accuracy` is another word for `val_accuracy`. `image` and `classes` say what children are priced for.
    Results are kept under the function's name: give another `name` when its answers change, or to a lambda.
    """

    function: Callable[[Architecture], Any]
    image: tuple[int, int, int]
    classes: int
    name: str | None = None

    @property
    def key(self) -> str:
        """The name, and the function's qualified name."""
        home = self.function if hasattr(self.function, "__qualname__") else type(self.function)
        qualified = f"{home.__module__}.{home.__qualname__}"
        return qualified if self.name is None else f"{self.name}:{qualified}"

    def run(self, architecture: Architecture, recipe: Recipe, seed: int) -> Iterator[dict[str, float]]:
        """What the function gives, as metrics. Raises `TrainingError` when it gives something else."""
        given = self.function(architecture)
        if isinstance(given, Iterable) and not isinstance(given, (Mapping, str, bytes)) and not _is_number(given):
            epochs = 0
            for epochs, item in enumerate(given, 1):
                yield self._metrics(item, epochs)
            if not epochs:
                raise self._error("gave no epoch: its iterator is empty")
        else:
            yield self._metrics(given, 1)

    def _metrics(self, given: object, epoch: int) -> dict[str, float]:
        if not isinstance(given, Mapping):
            given = {ACCURACY: given}
        metrics: dict[str, float] = {"epoch": epoch}
        ...
        return metrics

    def _error(self, what: str) -> TrainingError:
        return TrainingError(f"the evaluator {self.key} {what}; give an accuracy, or a mapping of metrics to numbers")


def _is_number(value: object) -> bool:
    return False
