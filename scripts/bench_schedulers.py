"""What stopping bad children early saves, and what it costs: the same searches under each scheduler.

python scripts/bench_schedulers.py [--space resnext] [--dataset digits] [--budget 30] [--seeds 2] [--epochs 9]

For each scheduler, over the seeds: epochs trained, seconds, the best accuracy, and the hypervolume of the front of
accuracy and log FLOPs (from 90 % of the way down to the worst complete child, to the dearest) as a share of that of
the front of all runs together. Controller `pareto`, executor inline, results kept in memory.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time

import nas
from nas.objectives import Objective
from nas.pareto import hypervolume
from nas.schedulers import SCHEDULERS

OBJECTIVES = [Objective.parse("accuracy"), Objective.parse("flops")]


def main() -> None:
    """Search with each scheduler, then print a row for each."""
    parser = argparse.ArgumentParser(description="Searches with and without a scheduler.")
    parser.add_argument("--space", default="resnext")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--budget", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=9)
    arguments = parser.parse_args()
    runs: dict[str, list[tuple[int, float, list[tuple[float, float]]]]] = {}
    for seed in range(arguments.seeds):
        for scheduler in SCHEDULERS:
            begun = time.perf_counter()
            study = nas.search(
                arguments.space,
                dataset=arguments.dataset,
                budget=arguments.budget,
                recipe={"epochs": str(arguments.epochs)},
                scheduler=scheduler,
                baselines="none",
                seed=seed,
            )
            seconds = time.perf_counter() - begun
            rows = [
                (trial.val_accuracy or 0.0, math.log10(trial.flops or 1))
                for trial in study.trials
                if trial.state == "complete"
            ]
            runs.setdefault(scheduler, []).append((study.epochs[0], seconds, rows))
    every = [row for group in runs.values() for _, _, rows in group for row in rows]
    maximise = [True, False]
    reference = [0.9 * min(row[0] for row in every), max(row[1] for row in every)]
    whole = hypervolume(every, maximise, reference)
    print(f"{arguments.space} on {arguments.dataset}: {arguments.budget} children, {arguments.seeds} seeds")
    print("scheduler    epochs  seconds  complete  best accuracy  hypervolume")
    for scheduler, group in runs.items():
        epochs, seconds = (statistics.mean(run[place] for run in group) for place in (0, 1))
        complete = statistics.mean(len(rows) for _, _, rows in group)
        best = statistics.mean(max(row[0] for row in rows) for _, _, rows in group)
        volume = statistics.mean(hypervolume(rows, maximise, reference) / whole for _, _, rows in group)
        print(f"{scheduler:10} {epochs:8.0f} {seconds:8.0f} {complete:9.1f} {100 * best:12.2f} % {volume:12.3f}")


if __name__ == "__main__":
    main()
