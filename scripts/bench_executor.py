"""What an executor costs: start-up, and the time per child when a child itself takes none.

    python scripts/bench_executor.py --children 200 1000 --slots 2 --runs 3

The evaluator yields one epoch at once, so all that is measured is the executor and, for Ray, Tune below it. The cost
of the last quarter of the children beside that of the first shows whether it grows with the length of a search.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import time
from collections.abc import Iterator
from typing import Any

from nas.executors import Failure, Job, make


class Nothing:
    """An evaluator that does nothing."""

    key = "nothing"
    image = (1, 8, 8)
    classes = 10

    def run(self, architecture: Any, recipe: Any, seed: int) -> Iterator[dict[str, float]]:
        """One epoch in no time."""
        yield {"val_accuracy": 0.5}


def as_json(job: Job) -> tuple[Any, Any]:
    """No architecture is drawn."""
    return job.architecture, job.recipe


class Clock:
    """A driver that notes when each child ends."""

    def __init__(self, children: int) -> None:
        self.children = children
        self.asked = 0
        self.ends: list[float] = []

    @property
    def done(self) -> bool:
        """Whether all have ended."""
        return len(self.ends) == self.children

    def next(self) -> Job | None:
        """The next child; its document is as long as a real one."""
        if self.asked == self.children:
            return None
        self.asked += 1
        return Job(self.asked, {"stages": [{"depth": 3, "width": 64, "kernel": 3}] * 40}, {}, 0, 1)

    def started(self, id: int, worker: str) -> None:
        """Nothing to note."""

    def epoch(self, id: int, metrics: dict[str, float]) -> bool:
        """Go on."""
        return True

    def finished(self, id: int) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())

    def failed(self, id: int, failure: Failure) -> None:
        """A benchmark without children measures nothing."""
        raise SystemExit(f"child {id} failed: {failure.reason}")


def pace(ends: list[float]) -> float:
    """Milliseconds per child."""
    return (ends[-1] - ends[0]) / (len(ends) - 1) * 1000


def measure(name: str, children: int, options: dict[str, Any]) -> tuple[float, float, float, float, float]:
    """Seconds to the first end, milliseconds per child (all, first, last quarter), seconds from last end to return."""
    clock = Clock(children)
    executor = make(name, Nothing(), decode=as_json, **options)
    start = time.perf_counter()
    executor.run(clock)
    stop, quarter = time.perf_counter(), children // 4
    ends = clock.ends
    return ends[0] - start, pace(ends), pace(ends[:quarter]), pace(ends[-quarter:]), stop - ends[-1]


def main() -> None:
    """Print one line for each executor and number of children."""
    parser = argparse.ArgumentParser(description="What an executor costs per child.")
    parser.add_argument("--children", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}")
    print("executor  children  runs  start s     ms per child   first 1/4  last 1/4  end s  driver MB")
    for name, options in (("inline", {}), ("ray", {"num_cpus": arguments.slots})):
        for children in arguments.children:
            rows = list(zip(*(measure(name, children, options) for _ in range(arguments.runs)), strict=True))
            mean = [statistics.mean(row) for row in rows]
            spread = [statistics.stdev(row) if len(row) > 1 else 0.0 for row in rows]
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{name:8}  {children:8}  {arguments.runs:4}  {mean[0]:4.1f} ± {spread[0]:3.1f}  "
                f"{mean[1]:6.3f} ± {spread[1]:5.3f}  {mean[2]:9.3f}  {mean[3]:8.3f}  {mean[4]:5.2f}  {memory:9.0f}"
            )


if __name__ == "__main__":
    main()
