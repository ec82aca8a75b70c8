"""Schedulers played back on children that were trained to their end: what each would have stopped, saved and lost.

nas search --controller random --budget 60 --recipe epochs=9 --baselines none --name curves --storage curves.db
python scripts/play_schedulers.py curves.db curves [--children 12 --children 60] [--scheduler asha+reduction=4 …]

Draws so many of the study's complete children at random, in random order, two in training at a time, and asks the
scheduler after each epoch. Printed over the draws: the share of the epochs and of the multiply-adds that is trained,
children complete, the hypervolume of their front of accuracy and log FLOPs as a share of that of all that were drawn
(from 90 % of the worst accuracy, to the dearest), and how far their best is below the best, in points. Nothing is
trained, so a hundred draws take seconds; that a controller would propose something else is left out.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import nas
from nas.objectives import Objective
from nas.pareto import hypervolume
from nas.schedulers import SCHEDULERS, Scheduler, make
from nas.store import open_store

OBJECTIVES = [Objective.parse("accuracy"), Objective.parse("flops")]
MAXIMISE = [True, False]
AT_ONCE = 2  # children in training


@dataclass(frozen=True)
class Child:
    """Accuracies by epoch, and multiply-adds."""

    curve: tuple[float, ...]
    flops: int

    @property
    def row(self) -> tuple[float, float]:
        """What the front is made of."""
        return self.curve[-1], math.log10(max(1, self.flops))


@dataclass(frozen=True)
class Played:
    """What one draw came to: shares of epochs and multiply-adds, complete children, hypervolume, loss in points."""

    epochs: float
    flops: float
    complete: int
    volume: float
    loss: float


def children_of(storage: str, study: str) -> list[Child]:
    """The complete children of a study that no scheduler stopped."""
    with open_store(storage, create=False) as store:
        trials = [trial for trial in nas.open_study(study, store).trials if trial.kind == "child"]
        found = [trial for trial in trials if trial.state == "complete" and trial.reused_from is None]
        return [
            Child(tuple(epoch.val_accuracy or 0.0 for epoch in store.epochs(trial.id)), trial.flops or 0)
            for trial in found
        ]


def play(scheduler: Scheduler, drawn: Sequence[Child]) -> Played:
    """Train these children under a scheduler, in their order."""
    length = len(drawn[0].curve)
    waiting, training, complete = list(enumerate(drawn)), list[tuple[int, Child, int]](), list[Child]()
    epochs, flops = 0, 0
    while waiting or training:
        while waiting and len(training) < AT_ONCE:
            training.append((*waiting.pop(0), 0))
        going = []
        for id, child, done in training:
            epochs, flops, done = epochs + 1, flops + child.flops, done + 1
            if done == length:
                complete.append(child)
            elif not scheduler.report(id, done, [child.curve[done - 1], float(child.flops)]):
                going.append((id, child, done))
        training = going
    rows = [child.row for child in drawn]
    reference = [0.9 * min(row[0] for row in rows), max(row[1] for row in rows) + 1e-9]
    kept = [child.row for child in complete]
    best, found = max(row[0] for row in rows), max((row[0] for row in kept), default=0.0)
    return Played(
        epochs / (len(drawn) * length),
        flops / sum(length * child.flops for child in drawn),
        len(complete),
        hypervolume(kept, MAXIMISE, reference) / hypervolume(rows, MAXIMISE, reference) if kept else 0.0,
        100 * (best - found),
    )


def scheduler_of(text: str, epochs: int) -> Scheduler:
    """A fresh one from its words, as in `asha+reduction=4`."""
    name, *options = text.split("+")
    return make(name, OBJECTIVES, epochs, **{key: int(value) for key, value in (pair.split("=") for pair in options)})


def main() -> None:
    """Play every scheduler on the same draws, and print a row for each."""
    parser = argparse.ArgumentParser(description="Schedulers on stored learning curves.")
    parser.add_argument("storage")
    parser.add_argument("study")
    parser.add_argument("--children", type=int, action="append")
    parser.add_argument("--scheduler", action="append")
    parser.add_argument("--draws", type=int, default=100)
    arguments = parser.parse_args()
    known = children_of(arguments.storage, arguments.study)
    longest = max(len(child.curve) for child in known)
    known = [child for child in known if len(child.curve) == longest]
    print(f"{len(known)} children of {longest} epochs; {arguments.draws} draws")
    print("children  scheduler               epochs   FLOPs  complete   hypervolume     below the best")
    for count in arguments.children or [min(12, len(known)), len(known)]:
        for text in arguments.scheduler or SCHEDULERS:
            runs = []
            for seed in range(arguments.draws):
                drawn = random.Random(seed).sample(known, count)
                runs.append(play(scheduler_of(text, longest), drawn))
            volumes = [run.volume for run in runs]
            epochs, flops, complete, loss = (
                statistics.mean(values)
                for values in zip(*((run.epochs, run.flops, run.complete, run.loss) for run in runs), strict=True)
            )
            spread = statistics.stdev(volumes) if len(volumes) > 1 else 0.0
            print(
                f"{count:8}  {text:22} {100 * epochs:5.0f} % {100 * flops:5.0f} % {complete:9.1f}   "
                f"{statistics.mean(volumes):.3f} ± {spread:.3f} {loss:11.2f} points"
            )


if __name__ == "__main__":
    main()
