"""Evaluators: from an architecture to a stream of metrics. Training, or a function of the user's own."""

from __future__ import annotations

import ctypes
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, Protocol, SupportsFloat

from nas.data import Dataset, DataSpec, load
from nas.errors import TrainingError, shown
from nas.recipe import Recipe
from searchspaces import Architecture

if TYPE_CHECKING:
    import torch

    from nas.training.placement import Placed

ACCURACY = "val_accuracy"
AUTO = "auto"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names and numbers of glibc's malloc.h
# Pixels up to which a child gets one thread: its layers take less time than threads take to wait for each other, and
# on a busy machine a second thread made such a child four to sixty times slower.
ONE_THREAD = 16


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
    `threads`: of the CPU, for one child; None is one for images up to 16 pixels, PyTorch's own choice for larger.
    Metrics on a CPU depend, by rounding, on the number of threads.
    """

    spec: DataSpec
    device: str = AUTO
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise TrainingError(f"threads must be at least 1, or None to choose by the images; got {self.threads}")

    @property
    def data(self) -> Dataset:
        """The dataset. Raises `DataError`."""
        return _data(self._document)

    @property
    def _document(self) -> str:
        return json.dumps(self.spec.to_json(), sort_keys=True)

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

    @property
    def cores(self) -> int:
        """How many CPU cores a child computes with in this process."""
        import torch

        return self._threads or torch.get_num_threads()

    @property
    def gpus(self) -> int:
        """How many GPUs."""
        return int(find_device(self.device).type == "cuda")

    @property
    def _threads(self) -> int | None:
        return 1 if self.threads is None and max(self.image[1:]) <= ONE_THREAD else self.threads

    def run(self, architecture: Architecture, recipe: Recipe, seed: int) -> Iterator[dict[str, float]]:
        """Draw, build and train; the metrics are those of `nas.training.train.train`."""
        from nas.build import build
        from nas.training.growth import check
        from nas.training.train import train

        device = find_device(self.device)
        with cpu_threads(self._threads):
            if device.type == "cpu":
                keep_freed_memory()
            placed = _placed(self._document, str(device))
            check(architecture, recipe, self.image, self.classes)
            graph = architecture.draw(self.image, self.classes, auxiliary=recipe.auxiliary > 0)
            module = build(graph, seed)
            yield from train(module, placed, recipe, seed=seed, device=device)


def find_device(name: str) -> torch.device:
    """The torch device of a name; "auto" is the GPU where there is one. Raises `TrainingError`."""
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


@contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """PyTorch's CPU threads in here; as they were after."""
    import torch

    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count is not None:
            torch.set_num_threads(before)


@cache
def keep_freed_memory() -> bool:
    """Let the C library keep what PyTorch frees in this process; whether it could be told so (glibc only).

    By default every tensor of a megabyte is mapped and unmapped by the kernel anew. To fill such pages took a
    quarter of a small child's training time on a CPU. The price is that a process stays at its largest size.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    try:
        return bool(library.mallopt(M_MMAP_THRESHOLD, 2**25) and library.mallopt(M_TRIM_THRESHOLD, 2**30))
    except AttributeError:  # another C library
        return False


@cache
def _data(document: str) -> Dataset:
    return load(DataSpec.from_json(json.loads(document)))


@lru_cache(maxsize=1)  # a GPU need not hold two datasets
def _placed(document: str, device: str) -> Placed:
    import torch

    from nas.training.placement import place

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
        function: Any = self.function
        while isinstance(function, partial):
            function = function.func
        home = function if hasattr(function, "__qualname__") else type(function)
        qualified = f"{home.__module__}.{home.__qualname__}"
        return qualified if self.name is None else f"{self.name}:{qualified}"

    def run(self, architecture: Architecture, recipe: Recipe, seed: int) -> Iterator[dict[str, float]]:
        """What the function gives, as metrics. Raises `TrainingError` when it gives something else."""
        given = self.function(architecture)
        if isinstance(given, Mapping) or not isinstance(given, Iterator):
            yield self._metrics(given, 1)
            return
        epoch = 0
        for epoch, item in enumerate(given, 1):
            yield self._metrics(item, epoch)
        if not epoch:
            raise self._wrong("an iterator without any epoch")

    def _metrics(self, given: object, epoch: int) -> dict[str, float]:
        """One epoch's metrics, as Python's own numbers."""
        numbers = dict(given) if isinstance(given, Mapping) else {ACCURACY: given}
        numbers.pop("epoch", None)  # counted here
        metrics: dict[str, float] = {"epoch": epoch}
        for name, value in numbers.items():
            number = _number(value)
            if not isinstance(name, str) or number is None or not math.isfinite(number):
                raise self._wrong(shown(given))
            if name == "accuracy" and ACCURACY in numbers:
                raise self._wrong(f"both accuracy and {ACCURACY}, which are one metric,")
            metrics[ACCURACY if name == "accuracy" else name] = number
        if len(metrics) == 1:
            raise self._wrong(shown(given))
        accuracy = metrics.get(ACCURACY, 0.0)
        if not 0 <= accuracy <= 1:
            raise TrainingError(
                f"the evaluator {self.key} gave accuracy {accuracy:g}, which must be a fraction in [0, 1]; "
                "give another quantity as a mapping, such as {'score': 7.5}, and search for the objective score:max"
            )
        return metrics

    def _wrong(self, given: str) -> TrainingError:
        return TrainingError(
            f"the evaluator {self.key} gave {given} where it must give an accuracy, or a mapping of names to "
            "finite numbers, or an iterator of these, one an epoch"
        )


def _number(value: object) -> float | None:
    """A number of any library as Python's own; None for what is none, an array of one number included."""
    if isinstance(value, (bool, str, bytes)) or not isinstance(value, SupportsFloat):
        return None
    if getattr(value, "shape", ()):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
