"""Resuming a study: its history is gone through again, so that a fresh controller comes to where the other stopped."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import replace

from nas.controllers import Proposal
from nas.errors import NasError, StudyError
from nas.schedulers import ToTheEnd
from nas.store import TrialRecord
from nas.study import Flight, Loop
from searchspaces import Point


def replay(loop: Loop) -> None:
    """Bring a fresh loop to where its study stopped, and queue what was in flight first.

    Tries of a child that broke leave no trace here: each try answers the same proposal. Raises `StudyError` when the
    controller proposes something else than it did then.
    """
    store, controller = loop.store, loop.terms.controller
    trials = store.trials(loop.study.id)
    done = {trial.name for trial in trials if trial.kind == "baseline"}
    loop.baselines = deque((name, network) for name, network in loop.baselines if name not in done)
    asked = {trial.asked: trial for trial in trials if trial.asked is not None}
    told = {trial.told: trial for trial in trials if trial.told is not None}
    proposals: dict[int, Proposal] = {}
    lost: list[tuple[Proposal, int]] = []
    loop.position = max((*asked, *told), default=-1) + 1
    for position in range(loop.position):
        if position in told:
            trial = told[position]
            controller.tell(proposals[trial.number].id, _told(loop, trial))
            continue
        proposal = controller.ask()
        if position in asked:
            _compare(loop, proposal, asked[position])
            proposals[asked[position].number] = proposal
        else:  # it waited for the same network in flight, and had no row yet
            lost.append((proposal, position))
    loop.trained = sum(
        t.kind == "child" and t.state in ("complete", "pruned", "failed") and t.reused_from is None for t in trials
    )
    for trial in trials:
        if not trial.ended:
            if trial.state == "running":
                store.requeue(trial.id)
            fresh = replace(trial, state="waiting", worker=None, metrics=None, val_accuracy=None, epochs=0)
            loop.waiting.append(Flight(fresh, store.architecture(trial.architecture_key), proposals.get(trial.number)))
    for proposal, position in lost:
        loop.place(proposal, position)


def _told(loop: Loop, trial: TrialRecord) -> list[float] | None:
    """What the controller was told of a stored trial; brings scheduler and outlook to where they were."""
    scheduler = loop.terms.scheduler
    complete = loop.values(trial.metrics or {}, trial.cost) if trial.state == "complete" else None
    if trial.reused_from is not None or trial.state == "infeasible" or isinstance(scheduler, ToTheEnd):
        return complete  # where nobody is stopped, curves are not asked for
    curve: list[list[float]] = []
    for epoch in loop.store.epochs(trial.id):
        with suppress(NasError):
            curve.append(loop.values(epoch.metrics, trial.cost))
            scheduler.report(trial.number, len(curve), curve[-1])
    found = loop.outlook.end(curve) if trial.state == "pruned" else complete
    loop.outlook.add(curve)
    return found


def _compare(loop: Loop, proposal: Proposal, trial: TrialRecord) -> None:
    if trial.point is None or proposal.point != Point.from_json(trial.point):
        raise StudyError(
            f"study {loop.study.name!r} cannot be resumed: at trial {trial.number} its controller now proposes "
            "another child; was it made with another version of nas, or another space?"
        )
