"""The Python interface: `search`, `resume` and `open_study`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from nas import arguments
from nas.errors import StudyError
from nas.evaluators import Evaluator
from nas.executors import make as make_executor
from nas.executors.limits import LIMITS
from nas.plan import Evaluate, Plan, make_plan, plan_of
from nas.results import Study
from nas.spec import StudySpec, data_name
from nas.store import Store, open_store
from nas.study import Observer
from searchspaces import Space


def search(
    space: str | Space = "resnext",
    *,
    name: str | None = None,
    storage: str | os.PathLike[str] | Store | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Study:
    """Search a space and give the study with its trials and front.

    `options` are those of `nas.plan.make_plan`: evaluator, dataset, controller, budget, objectives, constraints,
    recipe, baselines, executor, seed … `storage` is a path, a database URL, a `Store`, or None to keep the study in
    memory. Raises a `NasError` with one clear line; what a child does wrong fails that trial, never the search.
    """
    arguments.check({"name": name, "storage": storage})
    arguments.check_names(options, make_plan)
    return run_plan(make_plan(space, **options), name, _store(storage), observer)


def resume(
    name: str,
    storage: str | os.PathLike[str] | Store,
    *,
    space: Space | None = None,
    evaluator: Evaluator | Evaluate | None = None,
    budget: int | None = None,
    executor: str | None = None,
    executor_options: Mapping[str, Any] | None = None,
    max_failures: int | None = None,
    observer: Observer | None = None,
) -> Study:
    """Continue a stored study where it stopped, with a new total `budget` if given.

    Finished trials are never trained again; those that were in flight are trained first. A space or evaluator
    of your own must be given again. What says where children run and how long they may take is kept, but for what is
    given: `executor_options` are merged into those of the study (None takes one away), and another `executor` begins
    with the time limits alone. The study keeps what is given. Raises `StoreError` for an unknown name, or a study that
    another process runs; `StudyError` when it cannot go on; `ExecutorError` for a bad executor or option.
    """
    given: dict[str, Any] = {"budget": budget, "executor": executor, "executor_options": executor_options}
    given["max_failures"] = max_failures
    arguments.check({name: value for name, value in given.items() if value is not None})
    store = _store(storage)
    record = store.study(name)
    spec = StudySpec.from_json(record.spec)
    if budget is not None and budget < spec.budget:
        raise StudyError(f"budget {budget} is below the study's {spec.budget}; give the new total, or nothing")
    if max_failures is not None:
        spec = replace(spec, max_failures=max_failures)
    plan = plan_of(_executed(spec, executor, executor_options or {}), space=space, evaluator=evaluator, budget=budget)
    if executor is not None or executor_options:  # a bad option must show before it is stored
        make_executor(plan.spec.executor, plan.evaluator, **plan.spec.executor_options)
    return continue_plan(plan, name, store, observer)


def open_study(name: str, storage: str | os.PathLike[str] | Store) -> Study:
    """A stored study, to look at. Raises `StoreError` with the nearest name when there is none."""
    study = Study(storage if isinstance(storage, Store) else open_store(storage, create=False), name)
    _ = study.record
    return study


def add_baselines(
    name: str, storage: str | os.PathLike[str] | Store, networks: Sequence[str], observer: Observer | None = None
) -> Study:
    """Train hand-designed networks beside the children of a stored study, under its data and recipe.

    Raises `StudyError` for an unknown network; one that the study has already is answered from the store.
    """
    store = _store(storage)
    record = store.study(name)
    plan = plan_of(StudySpec.from_json(record.spec), budget=0)
    plan = replace(plan, spec=replace(plan.spec, baselines=tuple(networks)))
    plan.run(store, record, observer)
    return Study(store, name)


def run_plan(plan: Plan, name: str | None, store: Store, observer: Observer | None = None) -> Study:
    """Create the study of a plan and run it."""
    record = store.create_study(free_name(plan, store) if name is None else name, plan.spec.to_json())
    with store.claimed(record.id):
        loop = plan.run(store, record, observer)
        store.finish_study(record.id)
    return Study(store, record.name, loop.ended_because)


def continue_plan(plan: Plan, name: str, store: Store, observer: Observer | None = None) -> Study:
    """Let the stored study of a plan go on where it stopped, with whatever the plan says anew."""
    record = store.study(name)
    with store.claimed(record.id):
        # What is new is kept once it has proved good: an address where nothing listens is not.
        again = partial(store.reopen, record.id, plan.spec.to_json())
        loop = plan.run(store, record, observer, replay=True, ready=again)
        store.finish_study(record.id)
    return Study(store, name, loop.ended_because)


def free_name(plan: Plan, store: Store, prefix: str | None = None) -> str:
    """`space-dataset-n` with the first n that is free; `prefix` stands in for the space."""
    dataset = data_name(plan.spec.to_json()).rsplit("/", 1)[-1].replace(":", "-")
    taken = {record.name for record in store.studies()}
    number = 1
    start = (prefix or plan.spec.space).replace(":", "-")  # STUDY:TRIAL is how a trial is named
    while (name := f"{start}-{dataset}-{number}") in taken:
        number += 1
    return name


def _executed(spec: StudySpec, executor: str | None, options: Mapping[str, Any]) -> StudySpec:
    """The spec with this executor and these options over those that it has."""
    executor = spec.executor if executor is None else executor
    kept = {name: value for name, value in spec.executor_options.items() if executor == spec.executor or name in LIMITS}
    merged = {name: value for name, value in {**kept, **options}.items() if value is not None}
    return replace(spec, executor=executor, executor_options=merged)


def _store(storage: str | os.PathLike[str] | Store | None) -> Store:
    return storage if isinstance(storage, Store) else open_store(storage)
