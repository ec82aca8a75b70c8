"""The search loop: ask, price, look up, schedule, record, tell.

`Loop` is the driver that an executor runs. It alone writes the store and talks to the controller. Every ask and
every tell has a position in one sequence that is stored with the trials, so that `nas.replay` brings a fresh
controller to the state of the one that was interrupted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from nas.controllers import Proposal
from nas.errors import ControllerError, NasError
from nas.executors import Failure, Job
from nas.objectives import values_of
from nas.outlook import Outlook
from nas.schedulers import ToTheEnd
from nas.store import NewTrial, Store, StudyRecord, TrialRecord
from nas.terms import Terms
from searchspaces import Architecture

# So many proposals in a row that train nothing (known, or breaking a constraint) end the search.
FRUITLESS = 2000
WORDS = {"pruned": "was pruned", "failed": "failed"}


class Observer(Protocol):
    """Whoever watches a search: the command line's progress, a notebook, a test."""

    def changed(self, loop: Loop, trial: TrialRecord) -> None:
        """A trial was added, started, went on an epoch, or ended."""
        ...


@dataclass
class Flight:
    """A child on its way: its row, its architecture, and the proposal it answers (None for a baseline)."""

    trial: TrialRecord
    document: Mapping[str, Any]  # of its architecture
    proposal: Proposal | None
    metrics: dict[str, float] = field(default_factory=dict)
    curve: list[list[float]] = field(default_factory=list)  # the objective values after each epoch, of a child
    judged: int = 0  # so many epochs of the curve the scheduler has seen; after another try it is longer
    followers: list[tuple[Proposal, NewTrial]] = field(default_factory=list)  # further proposals of this network


class Loop:
    """One search in progress, as the driver of an executor (`nas.executors.Driver`)."""

    def __init__(self, store: Store, study: StudyRecord, terms: Terms, observer: Observer | None = None) -> None:
        self.store, self.study, self.terms, self.observer = store, study, terms, observer
        self.trained = 0  # children that used the budget
        self.ended_because = ""  # why the controller was not asked further, when not for the budget
        # What a replay brings to where it was.
        self.position = 0  # of the next ask or tell
        self.waiting: deque[Flight] = deque()
        self._flying: dict[int, Flight] = {}
        self._fruitless = 0
        self.baselines = deque(terms.baselines.items())
        self._curves: dict[str, float] = {}
        self.outlook = Outlook(terms.problem.objectives, terms.recipe.epochs)

    # The driver's side

    @property
    def done(self) -> bool:
        """Whether everything that was asked for is trained, or nothing more can be proposed."""
        return not (self.waiting or self._flying or self.baselines) and not self._may_ask

    def next(self) -> Job | None:
        """The next child to train: baselines first, then what the controller proposes."""
        while not self.waiting:
            if self.baselines:
                self._place_baseline(*self.baselines.popleft())
            elif self._may_ask:
                self._ask()
            else:
                return None
        flight = self.waiting.popleft()
        self._flying[flight.trial.number] = flight
        recipe = self.terms.recipe
        return Job(flight.trial.number, flight.document, recipe.to_json(), self.terms.seed, recipe.epochs)

    def started(self, id: int, worker: str) -> None:
        """The child has a worker."""
        flight = self._flying[id]
        self.store.start(flight.trial.id, worker)
        self._became(flight, state="running", worker=worker)

    def epoch(self, id: int, metrics: dict[str, float]) -> bool:
        """Record an epoch; whether the child goes on, as the scheduler says. Baselines always do."""
        flight = self._flying[id]
        self.store.record_epoch(flight.trial.id, int(metrics["epoch"]), metrics)
        flight.metrics = metrics
        self._became(flight, metrics=metrics, val_accuracy=metrics.get("val_accuracy"), epochs=int(metrics["epoch"]))
        stopped = self._judge(flight)
        if stopped:
            self._end(flight, "pruned", self.outlook.end(flight.curve), stopped)
        return not stopped

    def finished(self, id: int) -> None:
        """Record a trained child and tell the controller; without a usable objective value it has failed."""
        flight = self._flying[id]
        try:
            values = self.values(flight.metrics, flight.trial.cost)
        except NasError as error:
            self.failed(id, Failure(str(error)))
        else:
            self._end(flight, "complete", values, "")

    def failed(self, id: int, failure: Failure) -> None:
        """Give the child another try, if that may help and it has one left; else record it and tell the controller."""
        flight = self._flying[id]
        if not failure.again or flight.trial.failures >= self.terms.max_failures:
            self._end(flight, "failed", None, failure.reason, failure.traceback)
            return
        self.store.retry(flight.trial.id, failure.reason, failure.traceback)
        self._send_back(flight, failures=flight.trial.failures + 1, reason=failure.reason)

    def release(self) -> None:
        """Send the children in flight back to waiting: the search was interrupted and they go first when it goes on."""
        for flight in list(self._flying.values()):
            if flight.trial.state == "running":
                self.store.requeue(flight.trial.id)
            self._send_back(flight)

    def _send_back(self, flight: Flight, **changes: Any) -> None:
        del self._flying[flight.trial.number]
        flight.metrics, flight.curve = {}, []
        self.waiting.appendleft(flight)
        self._became(flight, state="waiting", worker=None, metrics=None, val_accuracy=None, epochs=0, **changes)

    # Asking

    @property
    def _may_ask(self) -> bool:
        busy = sum(flight.proposal is not None for flight in (*self.waiting, *self._flying.values()))
        return not self.ended_because and self.trained + busy < self.terms.budget

    def _ask(self) -> None:
        try:
            proposal = self.terms.controller.ask()
        except ControllerError as error:
            self.ended_because = str(error)
            return
        self.place(proposal, self._take())
        if self._fruitless >= FRUITLESS:
            self.ended_because = (
                f"{FRUITLESS} proposals in a row were known already or broke a constraint; "
                "loosen the constraints or choose a larger space"
            )

    def place(self, proposal: Proposal, asked: int) -> None:
        """Settle a proposal at once if it may not be trained or is known; otherwise queue it."""
        drawn = self.terms.problem.drawn(proposal.point)
        new = replace(self.terms.draft(drawn, "child"), point=proposal.point.to_json(), asked=asked)
        if new.state == "infeasible":
            self._settle(new, proposal, None)
            return
        twin = next((f for f in (*self.waiting, *self._flying.values()) if f.trial.graph_key == new.graph_key), None)
        if twin is not None:
            twin.followers.append((proposal, new))
            self._fruitless += 1
            return
        known, values = self._known(new)
        if known is None:
            self._fruitless = 0
            self._queue(new, proposal)
        else:
            self._settle(replace(new, state="complete", reused_from=known.id), proposal, values)

    def _place_baseline(self, name: str, architecture: Architecture) -> None:
        new = replace(self.terms.draft(self.terms.problem.draw(architecture), "baseline"), name=name)
        known, _ = (None, None) if new.state == "infeasible" else self._known(new)
        if known is not None:
            new = replace(new, state="complete", reused_from=known.id)
        if new.state == "waiting":
            self._queue(new, None)
        else:
            self._watch(self.store.add_trial(self.study.id, new))

    def _known(self, new: NewTrial) -> tuple[TrialRecord | None, list[float] | None]:
        """A trial of any study that trained just this, with its objective values."""
        if new.graph_key is None:
            return None, None
        known = self.store.find(new.graph_key, new.evaluator_key, new.recipe_key, new.seed)
        if known is None:
            return None, None
        try:
            return known, self.values(known.metrics or {}, known.cost)
        except NasError:  # it was trained for other objectives and lacks a metric of these
            return None, None

    # Telling

    def _queue(self, new: NewTrial, proposal: Proposal | None) -> None:
        trial = self.store.add_trial(self.study.id, new)
        self.waiting.append(Flight(trial, new.architecture, proposal))
        self._watch(trial)

    def _settle(self, new: NewTrial, proposal: Proposal, values: list[float] | None) -> None:
        """Record and tell what needs no training."""
        self._fruitless += 1
        trial = self.store.add_trial(self.study.id, replace(new, told=self._take()))
        self._tell(proposal, values)
        self._watch(trial)

    def _judge(self, flight: Flight) -> str:
        """Why the child stops after this epoch, or empty; a missing value is found when the child ends."""
        if flight.proposal is None or isinstance(self.terms.scheduler, ToTheEnd):
            return ""
        with suppress(NasError):
            flight.curve.append(self.values(flight.metrics, flight.trial.cost))
            if len(flight.curve) <= flight.judged:  # by the try before, which went on
                return ""
            flight.judged = len(flight.curve)
            return self.terms.scheduler.report(flight.trial.number, len(flight.curve), flight.curve[-1])
        return ""

    def _end(
        self,
        flight: Flight,
        state: Literal["complete", "pruned", "failed"],
        values: list[float] | None,
        reason: str,
        traceback: str = "",
    ) -> None:
        """Record the end of a child, tell the controller, and answer the proposals that waited for it."""
        del self._flying[flight.trial.number]
        self.outlook.add(flight.curve)
        told = None if flight.proposal is None else self._take()
        self.store.end(flight.trial.id, state, reason=reason or None, told=told, traceback=traceback or None)
        if flight.proposal is not None:
            self.trained += 1
            self._tell(flight.proposal, values)
        self._became(flight, state=state, reason=reason or None)
        for proposal, new in flight.followers:
            if state == "complete":
                self._settle(replace(new, state="complete", reused_from=flight.trial.id), proposal, values)
            else:
                why = f"the same network as trial {flight.trial.number}, which {WORDS[state]}: {reason}"
                self._settle(replace(new, state="infeasible", reason=why), proposal, None)

    def _tell(self, proposal: Proposal, values: list[float] | None) -> None:
        self.terms.controller.tell(proposal.id, values)
        curves = self.terms.controller.curves
        if curves and curves != self._curves:
            self._curves = dict(curves)
            self.store.add_curve(self.study.id, self.position - 1, curves)

    def values(self, metrics: Mapping[str, float | None], cost: Mapping[str, int]) -> list[float]:
        """The objective values. Raises `NasError` for a metric that is missing."""
        return values_of(self.terms.problem.objectives, metrics, cost)

    def _take(self) -> int:
        self.position += 1
        return self.position - 1

    def _became(self, flight: Flight, **changes: Any) -> None:
        flight.trial = replace(flight.trial, **changes)
        self._watch(flight.trial)

    def _watch(self, trial: TrialRecord) -> None:
        if self.observer is not None:
            self.observer.changed(self, trial)
