"""How long the controller `pareto` takes for a proposal, by the number of results, and for 64 proposals in a row.

python scripts/bench_proposals.py [--space resnext] [--results 200,2000] [--controller pareto]

Accuracies are made up (nas/benchmark/synthetic.py), prices are exact; one thread. A proposal takes its `ask` and the
`tell` of its result; the median and the maximum of the 20 before each number of results are printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

from nas.benchmark.problems import made_up
from nas.controllers import make
from nas.controllers.problem import Problem
from nas.objectives import Objective

LATEST = 20  # proposals that a time is the median of
BATCH = 64


def main() -> None:
    """Search, and print a line at each number of results."""
    parser = argparse.ArgumentParser(description="Time a controller's proposals.")
    parser.add_argument("--space", default="resnext")
    parser.add_argument("--controller", default="pareto")
    parser.add_argument("--results", default="200,2000")
    arguments = parser.parse_args()
    marks = sorted(map(int, arguments.results.split(",")))
    benchmark = made_up("smooth", arguments.space, 32)
    objectives = [Objective.parse("accuracy"), Objective.parse("flops")]
    problem = Problem(benchmark.space, objectives, (), benchmark.image, benchmark.classes)
    controller = make(arguments.controller, problem, 0)
    seconds: list[float] = []
    print(f"{arguments.controller} on {arguments.space}, {os.cpu_count()} cores, one thread")
    for number in range(1, marks[-1] + 1):
        begun = time.perf_counter()
        proposal = controller.ask()
        asked = time.perf_counter()
        value = benchmark.value(proposal.point)
        told = time.perf_counter()
        controller.tell(proposal.id, value)
        seconds.append(asked - begun + time.perf_counter() - told)
        if number in marks:
            latest = [1000 * second for second in seconds[-LATEST:]]
            begun = time.perf_counter()
            batch = [controller.ask() for _ in range(BATCH)]
            together = time.perf_counter() - begun
            for proposal in batch:
                controller.tell(proposal.id, benchmark.value(proposal.point))
            print(
                f"{number:5} results: {statistics.median(latest):6.1f} ms a proposal (max {max(latest):.0f}), "
                f"{BATCH} at once {together:.2f} s"
            )
    print(f"first {LATEST}: max {1000 * max(seconds[:LATEST]):.0f} ms")


if __name__ == "__main__":
    main()
