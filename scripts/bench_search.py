"""What a search costs for each child beyond its training: children that take no time, everything stored.

python scripts/bench_search.py [--children 1000] [--executor inline ray] [--space mobilenet] [--controller random]

A whole search: the controller proposes, the child is drawn and priced, looked up, scheduled, its epoch, its end and its
place in the sequence are written to an SQLite file. Printed: milliseconds a child, of all and of parts of the search
(flat, or growing?), from the first end on, so that starting Ray is apart.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench_executor import Nothing

import nas


class Clock:
    """An observer that notes when each child ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def changed(self, loop: Any, trial: Any) -> None:
        """Note the time of an end."""
        if trial.state == "complete":
            self.ends.append(time.perf_counter())


def pace(ends: list[float]) -> str:
    """Milliseconds a child."""
    return f"{1000 * (ends[-1] - ends[0]) / (len(ends) - 1):8.2f}"


def main() -> None:
    """Search with each executor, and print a line."""
    parser = argparse.ArgumentParser(description="What a search costs for each child.")
    parser.add_argument("--children", type=int, default=1000)
    parser.add_argument("--executor", nargs="+", default=["inline", "ray"])
    parser.add_argument("--space", default="mobilenet")
    parser.add_argument("--controller", default="random")
    arguments = parser.parse_args()
    marks = [mark for mark in (0, 100, 500, 1000, 2000, 4000) if mark < arguments.children] + [arguments.children]
    parts = list(pairwise(marks))
    print(f"{arguments.children} children of {arguments.space}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(
        "executor  start s       all  " + "  ".join(f"{low}-{high}".rjust(9) for low, high in parts) + "   ms a child"
    )
    for executor in arguments.executor:
        with tempfile.TemporaryDirectory() as folder:
            clock, begun = Clock(), time.perf_counter()
            nas.search(
                arguments.space,
                evaluator=Nothing(),
                controller=arguments.controller,
                budget=arguments.children,
                baselines="none",
                executor=executor,
                recipe={"epochs": "1"},
                storage=Path(folder) / "nas.db",
                observer=clock,
            )
        cells = "  ".join(pace(clock.ends[low:high]).rjust(9) for low, high in parts)
        print(f"{executor:8}  {clock.ends[0] - begun:7.1f}  {pace(clock.ends)}  {cells}")


if __name__ == "__main__":
    main()
