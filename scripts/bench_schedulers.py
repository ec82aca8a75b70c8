"""What stopping bad children early saves, and what it costs: the same searches under each scheduler.

python scripts/bench_schedulers.py [--space resnext] [--dataset digits] [--budget 30] [--seeds 2] [--epochs 9]
    [--scheduler asha …] [--fidelity first_images=0.25 …]

For each scheduler, over the seeds: epochs trained, multiply-adds of training, seconds, the best accuracy, and the
hypervolume of the front of accuracy and log FLOPs (from 90 % of the way down to the worst complete child, to the
dearest) as a share of that of the front of all runs together. Each `--fidelity`, a recipe setting, is tried with
`asha` as well; `--more` gives `asha` that many times the budget. Controller `pareto`, executor inline.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from dataclasses import dataclass

import nas
from nas.objectives import Objective
from nas.pareto import hypervolume
from nas.schedulers import SCHEDULERS

OBJECTIVES = [Objective.parse("accuracy"), Objective.parse("flops")]


@dataclass(frozen=True)
class Run:
    """One search: what it cost, and its complete children as (accuracy, log FLOPs)."""

    epochs: int
    flops: float
    seconds: float
    rows: list[tuple[float, float]]

    @property
    def best(self) -> float:
        """The best accuracy."""
        return max(row[0] for row in self.rows)


@dataclass(frozen=True)
class Variant:
    """A scheduler, a recipe setting and a budget."""

    scheduler: str
    setting: str = ""
    times: int = 1

    def __str__(self) -> str:
        more = f" ×{self.times} children" if self.times > 1 else ""
        return f"{self.scheduler}{more}{' ' + self.setting if self.setting else ''}"


def search(variant: Variant, arguments: argparse.Namespace, seed: int) -> Run:
    """One search."""
    begun = time.perf_counter()
    settings = dict([variant.setting.split("=")]) if variant.setting else {}
    study = nas.search(
        arguments.space,
        dataset=arguments.dataset,
        budget=arguments.budget * variant.times,
        recipe={"epochs": str(arguments.epochs), **settings},
        scheduler=variant.scheduler,
        baselines="none",
        seed=seed,
    )
    seconds = time.perf_counter() - begun
    complete = [trial for trial in study.trials if trial.state == "complete"]
    rows = [(trial.val_accuracy or 0.0, math.log10(trial.flops or 1)) for trial in complete]
    spent = study.record.spent or {}
    return Run(spent["epochs"], spent["training_flops"], seconds, rows)


def main() -> None:
    """Search with each scheduler, then print a row for each."""
    parser = argparse.ArgumentParser(description="Searches with and without a scheduler.")
    parser.add_argument("--space", default="resnext")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--budget", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--scheduler", action="append")
    parser.add_argument("--fidelity", action="append", default=[])
    parser.add_argument("--more", type=int, default=1)
    arguments = parser.parse_args()
    variants = [Variant(name) for name in arguments.scheduler or SCHEDULERS]
    variants += [Variant("asha", setting) for setting in arguments.fidelity]
    variants += [Variant("asha", times=arguments.more)] * (arguments.more > 1)
    runs: dict[Variant, list[Run]] = {}
    for seed in range(arguments.seeds):
        for variant in variants:
            runs.setdefault(variant, []).append(search(variant, arguments, seed))
    every = [row for group in runs.values() for run in group for row in run.rows]
    maximise = [True, False]
    reference = [0.9 * min(row[0] for row in every), max(row[1] for row in every)]
    whole = hypervolume(every, maximise, reference)
    print(
        f"{arguments.space} on {arguments.dataset}: {arguments.budget} children, {arguments.epochs} epochs, "
        f"{arguments.seeds} seeds; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'scheduler':26} epochs  GFLOPs  seconds  complete  best accuracy  hypervolume")
    for variant, group in runs.items():
        epochs, flops, seconds, complete, best = (
            statistics.mean(values)
            for values in zip(*((r.epochs, r.flops / 1e9, r.seconds, len(r.rows), r.best) for r in group), strict=True)
        )
        volumes = [hypervolume(run.rows, maximise, reference) / whole for run in group]
        spread = f" ± {statistics.stdev(volumes):.3f}" if len(volumes) > 1 else ""
        print(
            f"{variant!s:26} {epochs:6.0f} {flops:7.0f} {seconds:8.0f} {complete:9.1f} {100 * best:12.2f} % "
            f"{statistics.mean(volumes):8.3f}{spread}"
        )


if __name__ == "__main__":
    main()
