"""A child whose worker dies gets another try: the same proposal, counted once; a resumed study is the same study."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

import nas
from nas.errors import StudyError
from nas.executors import Driver, Failure
from nas.plan import Plan, make_plan
from nas.replay import replay
from nas.store import Store, TrialRecord, open_store
from nas.study import Loop
from searchspaces import Architecture

IMAGE = (1, 8, 8)
DEATH = Failure("the worker process was killed", "Traceback\n  of the worker", again=True)


def score(architecture: Architecture, epoch: int) -> float:
    return 0.2 * epoch + zlib.crc32(architecture.key.encode()) / 2**32 / 5


def judge(architecture: Architecture) -> Iterator[float]:
    for epoch in (1, 2, 3):
        yield score(architecture, epoch)


class Interrupted(Exception):
    """The search was killed."""


class Frail:
    """An executor of three slots that trains the children of a loop, an epoch of one after the other.

    `deaths`: before which epoch (from 1) the worker of which trial dies, once for each time the pair is listed.
    `stop_after`: so many epochs later the search is killed.
    """

    slots = 3

    def __init__(self, deaths: list[tuple[int, int]], stop_after: int | None = None) -> None:
        self.deaths = list(deaths)
        self.stop_after = stop_after
        self.tries: list[int] = []

    def run(self, driver: Driver) -> None:
        flying: dict[int, tuple[Architecture, int]] = {}
        rng, epochs = random.Random(0), 0
        while not driver.done:
            while len(flying) < self.slots and (job := driver.next()) is not None:
                flying[job.id] = Architecture.from_json(job.architecture), 1
                self.tries.append(job.id)
                driver.started(job.id, "here:1")
            id = rng.choice(sorted(flying))
            architecture, epoch = flying[id]
            if epochs == self.stop_after:
                raise Interrupted
            epochs += 1
            if (id, epoch) in self.deaths:
                self.deaths.remove((id, epoch))
                del flying[id]
                driver.failed(id, DEATH)
                continue
            goes_on = driver.epoch(id, {"epoch": epoch, "val_accuracy": score(architecture, epoch)})
            if goes_on and epoch < 3:
                flying[id] = architecture, epoch + 1
                continue
            del flying[id]
            if goes_on:
                driver.finished(id)


def plan_of(**options: Any) -> Plan:
    settings: dict[str, Any] = {
        "evaluator": judge,
        "image": IMAGE,
        "budget": 14,
        "baselines": "none",
        "controller": "evolution",
        "recipe": {"epochs": "3"},
    }
    return make_plan("resnext", **{**settings, **options})


def loop_of(plan: Plan, store: Store) -> Loop:
    if store.studies():
        loop = Loop(store, store.study("s"), plan.terms)
        replay(loop)
        return loop
    return Loop(store, store.create_study("s", plan.spec.to_json()), plan.terms)


def found(store: Store) -> list[tuple[object, ...]]:
    trials = store.trials(store.study("s").id)
    return [(t.architecture_key, t.state, t.val_accuracy, t.epochs, t.reason, t.asked, t.told) for t in trials]


def one_slot(plan: Plan, deaths: list[tuple[int, int]]) -> tuple[Store, list[int]]:
    """With one child in flight at a time the order of the search does not depend on when a try ends."""
    store = open_store(None)
    executor = Frail(deaths)
    executor.slots = 1
    executor.run(loop_of(plan, store))
    return store, executor.tries


@pytest.mark.parametrize("scheduler", ["none", "asha", "median"])
def test_a_search_whose_workers_die_finds_the_same(scheduler: str) -> None:
    """The scheduler sees each epoch of a child once, however often it was trained."""
    calm, _ = one_slot(plan_of(scheduler=scheduler), [])
    broken, tries = one_slot(plan_of(scheduler=scheduler), [(0, 2), (1, 3), (3, 1), (4, 2), (9, 1)])
    assert len(tries) > len(set(tries))
    without_reasons = [[*row[:4], *row[5:]] for row in found(broken)]
    assert without_reasons == [[*row[:4], *row[5:]] for row in found(calm)]
    assert {t.number: t.failures for t in broken.trials(1) if t.failures}.keys() == {
        id for id in set(tries) if tries.count(id) > 1
    }


def trial(store: Store, number: int) -> TrialRecord:
    return store.trial("s", number)


def test_the_next_try_comes_first_and_the_row_says_what_happened() -> None:
    store, tries = one_slot(plan_of(budget=3), [(1, 2)])
    assert tries == [0, 1, 1, 2]
    assert (trial(store, 1).state, trial(store, 1).failures, trial(store, 1).epochs) == ("complete", 1, 3)
    assert trial(store, 1).traceback == DEATH.traceback
    assert [epoch.epoch for epoch in store.epochs(trial(store, 1).id)] == [1, 2, 3]


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_after_so_many_failures_the_child_has_failed(allowed: int) -> None:
    store, tries = one_slot(plan_of(budget=3, max_failures=allowed), [(1, 2)] * 9)
    assert tries.count(1) == allowed + 1
    lost = trial(store, 1)
    assert (lost.state, lost.failures, lost.reason, lost.traceback) == (
        "failed",
        allowed,
        DEATH.reason,
        DEATH.traceback,
    )
    assert [trial(store, number).state for number in (0, 2)] == ["complete", "complete"]


def test_a_complete_trial_says_nothing_of_the_try_that_broke() -> None:
    store, _ = one_slot(plan_of(budget=3), [(1, 2)])
    assert trial(store, 1).reason is None


def test_an_error_of_the_child_is_final() -> None:
    def broken(architecture: Architecture) -> float:
        raise ValueError("always")

    study = nas.search(evaluator=broken, image=IMAGE, budget=2, baselines="none", max_failures=5)
    assert [(t.state, t.failures) for t in study.trials] == [("failed", 0)] * 2
    assert (study.trials[0].traceback or "").endswith("ValueError: always")


@pytest.mark.parametrize("stop_after", [1, 7, 20, 31])
def test_tries_leave_no_trace_in_a_resumed_search(stop_after: int) -> None:
    deaths = [(0, 2), (2, 1), (2, 3), (5, 2), (7, 1), (9, 3)]
    with open_store(None) as store:
        first = Frail(deaths, stop_after)
        with pytest.raises(Interrupted):
            first.run(loop_of(plan_of(max_failures=2), store))
        before = {t.number: t for t in store.trials(1) if t.ended}
        failures = {t.number: t.failures for t in store.trials(1)}
        second = Frail(first.deaths)
        second.run(loop_of(plan_of(max_failures=2), store))
        after = {t.number: t for t in store.trials(1)}
        assert all(after[number] == old for number, old in before.items())
        assert not set(before) & set(second.tries)
        assert sum(t.state == "complete" for t in after.values()) == 14
        assert all(after[number].failures >= count for number, count in failures.items())
        again = loop_of(plan_of(max_failures=2), store)
        assert again.done


def test_interrupted_children_wait_and_go_first() -> None:
    with open_store(None) as store:
        loop = loop_of(plan_of(), store)
        with pytest.raises(Interrupted):
            Frail([], 7).run(loop)
        flying = [t.number for t in store.trials(1) if t.state == "running"]
        assert flying
        loop.release()
        assert [t.number for t in store.trials(1) if t.state == "waiting"] == flying
        assert all(t.worker is None and t.epochs == 0 and t.failures == 0 for t in store.trials(1, state="waiting"))
        again = Frail([])
        again.run(loop_of(plan_of(), store))
        assert again.tries[: len(flying)] == flying


def test_a_bad_number_of_tries() -> None:
    with pytest.raises(StudyError, match="max_failures -1; allowed is a number of further tries, 0 for none"):
        plan_of(max_failures=-1)
