"""The search loop: ask, price, look up, schedule, record, tell.

`Loop` is the driver that an executor runs. It alone writes the store and talks to the controller. Every ask and
every tell has a position in one sequence that is stored with the trials, so that `replay` brings a fresh
controller to the state of the one that was interrupted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from nas.controllers import Proposal
from nas.errors import ControllerError, NasError, StudyError
from nas.executors import Job
from nas.objectives import values_of
from nas.outlook import Outlook
from nas.schedulers import ToTheEnd
from nas.store import NewTrial, Store, StudyRecord, TrialRecord
from nas.terms import Terms
from searchspaces import Architecture, Point

# So many proposals in a row that train nothing (known, or breaking a constraint) end the search.
FRUITLESS = 2000
WORDS = {"pruned": "was pruned", "failed": "failed"}


class Observer(Protocol):
    """Whoever watches a search: the command line's progress, a notebook, a test."""

    def changed(self, loop: Loop, trial: TrialRecord) -> None:
        """A trial was added, started, went on an epoch, or ended."""
        ...


@dataclass
class _Flight:
    """A child on its way: its row, its document, and the proposal it answers (None for a baseline)."""

    trial: TrialRecord
    architecture: Architecture
    proposal: Proposal | None
    metrics: dict[str, float] = field(default_factory=dict)
    curve: list[list[float]] = field(default_factory=list)  # the objective values after each epoch, of a child
    followers: list[tuple[Proposal, NewTrial]] = field(default_factory=list)  # further proposals of this network


class Loop:
    """One search in progress, as the driver of an executor (`nas.executors.Driver`)."""

    def __init__(self, store: Store, study: StudyRecord, terms: Terms, observer: Observer | None = None) -> None:
        self.store, self.study, self.terms, self.observer = store, study, terms, observer
        self.trained = 0  # children that used the budget
        self.ended_because = ""  # why the controller was not asked further, when not for the budget
        self._position = 0  # of the next ask or tell
        self._waiting: deque[_Flight] = deque()
        self._flying: dict[int, _Flight] = {}
        self._fruitless = 0
        self._baselines = deque(terms.baselines.items())
        self._curves: dict[str, float] = {}
        self._outlook = Outlook(terms.objectives, terms.recipe.epochs)

    # The driver's side

    @property
    def done(self) -> bool:
        """Whether everything that was asked for is trained, or nothing more can be proposed."""
        return not (self._waiting or self._flying or self._baselines) and not self._may_ask

    def next(self) -> Job | None:
        """The next child to train: baselines first, then what the controller proposes."""
        while not self._waiting:
            if self._baselines:
                self._place_baseline(*self._baselines.popleft())
            elif self._may_ask:
                self._ask()
            else:
                return None
        flight = self._waiting.popleft()
        self._flying[flight.trial.number] = flight
        recipe = self.terms.recipe
        return Job(flight.trial.number, flight.architecture.to_json(), recipe.to_json(), self.terms.seed, recipe.epochs)

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
            self._end(flight, "pruned", self._outlook.end(flight.curve), stopped)
        return not stopped

    def finished(self, id: int) -> None:
        """Record a trained child and tell the controller; without a usable objective value it has failed."""
        flight = self._flying[id]
        try:
            values = self._values(flight.metrics, flight.trial.cost)
        except NasError as error:
            self.failed(id, str(error))
        else:
            self._end(flight, "complete", values, "")

    def failed(self, id: int, reason: str) -> None:
        """Record a child that could not be trained and tell the controller."""
        self._end(self._flying[id], "failed", None, reason)

    # Asking

    @property
    def _may_ask(self) -> bool:
        busy = sum(flight.proposal is not None for flight in (*self._waiting, *self._flying.values()))
        return not self.ended_because and self.trained + busy < self.terms.budget

    def _ask(self) -> None:
        try:
            proposal = self.terms.controller.ask()
        except ControllerError as error:
            self.ended_because = str(error)
            return
        self._place(proposal, self._take())
        if self._fruitless >= FRUITLESS:
            self.ended_because = (
                f"{FRUITLESS} proposals in a row were known already or broke a constraint; "
                "loosen the constraints or choose a larger space"
            )

    def _place(self, proposal: Proposal, asked: int) -> None:
        """Settle a proposal at once if it may not be trained or is known; otherwise queue it."""
        architecture = self.terms.space.decode(proposal.point)
        new = replace(self.terms.draft(architecture, "child"), point=proposal.point.to_json(), asked=asked)
        if new.state == "infeasible":
            self._settle(new, proposal, None)
            return
        twin = next((f for f in (*self._waiting, *self._flying.values()) if f.trial.graph_key == new.graph_key), None)
        if twin is not None:
            twin.followers.append((proposal, new))
            self._fruitless += 1
            return
        known, values = self._known(new)
        if known is None:
            self._fruitless = 0
            self._queue(new, architecture, proposal)
        else:
            self._settle(replace(new, state="complete", reused_from=known.id), proposal, values)

    def _place_baseline(self, name: str, architecture: Architecture) -> None:
        new = replace(self.terms.draft(architecture, "baseline"), name=name)
        known, _ = (None, None) if new.state == "infeasible" else self._known(new)
        if known is not None:
            new = replace(new, state="complete", reused_from=known.id)
        if new.state == "waiting":
            self._queue(new, architecture, None)
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
            return known, self._values(known.metrics or {}, known.cost)
        except NasError:  # it was trained for other objectives and lacks a metric of these
            return None, None

    # Telling

    def _queue(self, new: NewTrial, architecture: Architecture, proposal: Proposal | None) -> None:
        trial = self.store.add_trial(self.study.id, new)
        self._waiting.append(_Flight(trial, architecture, proposal))
        self._watch(trial)

    def _settle(self, new: NewTrial, proposal: Proposal, values: list[float] | None) -> None:
        """Record and tell what needs no training."""
        self._fruitless += 1
        trial = self.store.add_trial(self.study.id, replace(new, told=self._take()))
        self._tell(proposal, values)
        self._watch(trial)

    def _judge(self, flight: _Flight) -> str:
        """Why the child stops after this epoch, or empty; a missing value is found when the child ends."""
        if flight.proposal is None or isinstance(self.terms.scheduler, ToTheEnd):
            return ""
        with suppress(NasError):
            flight.curve.append(self._values(flight.metrics, flight.trial.cost))
            return self.terms.scheduler.report(flight.trial.number, len(flight.curve), flight.curve[-1])
        return ""

    def _end(
        self, flight: _Flight, state: Literal["complete", "pruned", "failed"], values: list[float] | None, reason: str
    ) -> None:
        """Record the end of a child, tell the controller, and answer the proposals that waited for it."""
        del self._flying[flight.trial.number]
        self._outlook.add(flight.curve)
        told = None if flight.proposal is None else self._take()
        self.store.end(flight.trial.id, state, reason=reason or None, told=told)
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
            self.store.add_curve(self.study.id, self._position - 1, curves)

    def _values(self, metrics: Mapping[str, float | None], cost: Mapping[str, int]) -> list[float]:
        return values_of(self.terms.objectives, metrics, cost)

    def _take(self) -> int:
        self._position += 1
        return self._position - 1

    def _became(self, flight: _Flight, **changes: Any) -> None:
        flight.trial = replace(flight.trial, **changes)
        self._watch(flight.trial)

    def _watch(self, trial: TrialRecord) -> None:
        if self.observer is not None:
            self.observer.changed(self, trial)

    # Resuming

    def replay(self) -> None:
        """Bring the controller to where the study stopped, and queue what was in flight first.

        Raises `StudyError` when the controller proposes something else than it did then.
        """
        trials = self.store.trials(self.study.id)
        done = {trial.name for trial in trials if trial.kind == "baseline"}
        self._baselines = deque((name, network) for name, network in self._baselines if name not in done)
        asked = {trial.asked: trial for trial in trials if trial.asked is not None}
        told = {trial.told: trial for trial in trials if trial.told is not None}
        proposals: dict[int, Proposal] = {}
        lost: list[tuple[Proposal, int]] = []
        for position in range(max((*asked, *told), default=-1) + 1):
            if position in told:
                trial = told[position]
                self.terms.controller.tell(proposals[trial.number].id, self._told(trial))
                continue
            proposal = self.terms.controller.ask()
            if position in asked:
                self._compare(proposal, asked[position])
                proposals[asked[position].number] = proposal
            else:  # it waited for the same network in flight, and had no row yet
                lost.append((proposal, position))
        self._position = max((*asked, *told), default=-1) + 1
        self.trained = sum(
            t.kind == "child" and t.state in ("complete", "pruned", "failed") and t.reused_from is None for t in trials
        )
        for trial in trials:
            if not trial.ended:
                if trial.state == "running":
                    self.store.requeue(trial.id)
                architecture = Architecture.from_json(self.store.architecture(trial.architecture_key))
                self._waiting.append(_Flight(trial, architecture, proposals.get(trial.number)))
        for proposal, position in lost:
            self._place(proposal, position)

    def _told(self, trial: TrialRecord) -> list[float] | None:
        """What the controller was told of a stored trial; brings scheduler and outlook to where they were."""
        complete = self._values(trial.metrics or {}, trial.cost) if trial.state == "complete" else None
        if trial.reused_from is not None or trial.state == "infeasible" or isinstance(self.terms.scheduler, ToTheEnd):
            return complete  # where nobody is stopped, curves are not asked for
        curve: list[list[float]] = []
        for epoch in self.store.epochs(trial.id):
            with suppress(NasError):
                curve.append(self._values(epoch.metrics, trial.cost))
                self.terms.scheduler.report(trial.number, len(curve), curve[-1])
        found = self._outlook.end(curve) if trial.state == "pruned" else complete
        self._outlook.add(curve)
        return found

    def _compare(self, proposal: Proposal, trial: TrialRecord) -> None:
        if trial.point is None or proposal.point != Point.from_json(trial.point):
            raise StudyError(
                f"study {self.study.name!r} cannot be resumed: at trial {trial.number} its controller now proposes "
                "another child; was it made with another version of nas, or another space?"
            )
