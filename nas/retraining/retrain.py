"""`retrain`: every network of an order, seed after seed; what is trained already is not trained again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from nas.errors import CheckpointError, RetrainingError, TrainingError
from nas.retraining.folder import RESULT, claimed, read_result, write_json
from nas.retraining.summary import Summary, cost_of
from nas.retraining.tasks import Job, Order, Task
from searchspaces.errors import SearchSpaceError

RunJob: TypeAlias = Callable[[Job, Callable[[Mapping[str, float]], None]], None]


class Observer(Protocol):
    """What is told of a retraining as it goes."""

    def begun(self, task: Task, seed: int) -> None:
        """A seed of a task begins, or goes on."""

    def epoch(self, metrics: Mapping[str, float]) -> None:
        """An epoch of it has ended."""

    def ended(self, task: Task, seed: int, result: Mapping[str, Any]) -> None:
        """It has been tested; also told of a seed that an earlier run trained."""

    def failed(self, task: Task, seed: int, reason: str) -> None:
        """It cannot be trained; the task's other seeds are left out."""


class Silent:
    """An observer that says nothing."""

    def begun(self, task: Task, seed: int) -> None:
        """Nothing."""

    def epoch(self, metrics: Mapping[str, float]) -> None:
        """Nothing."""

    def ended(self, task: Task, seed: int, result: Mapping[str, Any]) -> None:
        """Nothing."""

    def failed(self, task: Task, seed: int, reason: str) -> None:
        """Nothing."""


def retrain(order: Order, observer: Observer | None = None) -> list[Summary]:
    """Train all tasks of an order, from where an earlier run of it stopped; a network that fails stops itself only.

    Raises `NasError` with one clear line for what is wrong with all of them: a folder that holds another run or
    cannot be written, a device that is not there; `SearchSpaceError` for a network that is too deep for the images.
    """
    from nas.evaluators import find_device

    data = order.data
    costs = {task.name: _checked_cost(order, task) for task in order.tasks}
    if order.sync_bn and order.workers < 2:
        raise RetrainingError("sync_bn is for several workers; give --num-workers, or leave it out")
    if order.workers < 2:
        find_device(order.device)
    else:
        from nas.retraining.distributed import check

        check(order.workers, order.device, order.sync_bn)
    about = {"dataset": {key: value for key, value in order.spec.to_json().items() if key != "root"}}
    summaries = []
    with _runner(order) as run_job:
        for task in order.tasks:
            folder = order.output / task.name
            with claimed(folder, order.identity(task), {"source": task.source, **about, "image": list(data.image)}):
                summary = _train(order, task, costs[task.name], run_job, observer or Silent())
                write_json(folder / RESULT, summary.to_json())
            summaries.append(summary)
    return summaries


def _checked_cost(order: Order, task: Task) -> dict[str, int]:
    try:
        return cost_of(task, order.data.image, len(order.data.classes))
    except SearchSpaceError as error:
        size = "×".join(map(str, order.data.image))
        raise RetrainingError(f"{task.source} cannot take images of {size}: {error}") from None


def _train(order: Order, task: Task, cost: Mapping[str, int], run_job: RunJob, observer: Observer) -> Summary:
    results: list[Mapping[str, Any]] = []
    for seed in range(order.seeds):
        job = order.job(task, seed)
        result = read_result(Path(job.folder))
        if result is None:
            observer.begun(task, seed)
            try:
                run_job(job, observer.epoch)
            except TrainingError as error:
                observer.failed(task, seed, str(error))
                return Summary(task, cost, results, f"seed {seed}: {error}")
            result = read_result(Path(job.folder))
            if result is None:
                raise CheckpointError(f"{job.folder}: the training ended and left no {RESULT} here")
        results.append(result)
        observer.ended(task, seed, result)
    return Summary(task, cost, results)


@contextmanager
def _runner(order: Order) -> Iterator[RunJob]:
    """What trains a job: this process, or workers that are there while in here."""
    from nas.evaluators import ONE_THREAD, cpu_threads, find_device, keep_freed_memory
    from nas.retraining.run import run

    small = max(order.data.image[1:]) <= ONE_THREAD
    if order.workers > 1:
        from nas.retraining.distributed import on_workers

        threads = 1 if small else max(1, (os.cpu_count() or 1) // order.workers)
        with on_workers(order.workers, order.device, threads) as run_job:
            yield run_job
        return
    device = find_device(order.device)
    if device.type == "cpu":
        keep_freed_memory()
    with cpu_threads(1 if small else None):
        yield lambda job, report: run(job, device, data=order.data, report=report)
