"""A study of random children for each space: all with one recipe, one set of data, one seed and one set of constraints.

The children are uniform on each active axis, given that they keep the constraints: draws that do not are thrown away
(rejection sampling), which is cheap, as a price is a sum of look-ups.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from nas.api import continue_plan, free_name, run_plan
from nas.comparison.children import Children, check_alike, read
from nas.controllers.ledger import DRAWS
from nas.errors import ComparisonError
from nas.objectives import EXACT, Constraint
from nas.plan import Plan, make_plan
from nas.results import Study
from nas.store import Store, StudyRecord
from nas.study import Observer
from searchspaces import Space

FIRST = 2000  # random points, after which a space that has none within the constraints is given up
SEEN = 10  # networks within the constraints, from which it can be told how many the space has of them
PLENTY = 20  # times as many points as samples: so many that points of one network do not matter
EXECUTION = ("executor", "executor_options", "max_failures")  # of a spec
PREFIX = "compare-"

State = Literal["new", "continued", "read"]


@dataclass(frozen=True)
class Part:
    """The study of one space: its plan, its name, and whether it is new, goes on, or was made before."""

    plan: Plan
    name: str
    state: State


def make_plans(spaces: Sequence[str | Space], samples: int, **options: Any) -> list[Plan]:
    """The plan of a study for each space; `options` are those of `nas.plan.make_plan`.

    Raises `ComparisonError` for fewer than two spaces, one that is named twice, fewer than two samples, or a space with
    too few networks within the constraints; other errors as `make_plan` raises them.
    """
    names = [space if isinstance(space, str) else space.name for space in spaces]
    if len(names) < 2:
        raise ComparisonError(f"{len(names)} space ({', '.join(names)}); a comparison needs at least two")
    _once(names)
    if samples < 2:
        raise ComparisonError(f"{samples} samples; a distribution needs at least 2")
    chosen = {"controller": "random", "baselines": "none", "budget": samples, **options}
    chosen["controller_options"] = {"tries": DRAWS, "most": samples}
    plans = [make_plan(space, **chosen) for space in spaces]
    _once([plan.space.name for plan in plans])
    for plan in plans:
        check_room(plan, samples)
    return plans


def check_room(plan: Plan, samples: int) -> None:
    """Price random points until so many different networks keep the constraints, or it is plain that they would.

    Raises `ComparisonError`, with the range of cost that the space has, where they do not come together.
    """
    problem, rng, space = plan.terms.problem, random.Random(plan.spec.seed), plan.space
    found, drawn = set(), 0
    costs: dict[str, list[float]] = {rule.name: [] for rule in problem.constraints if rule.name in EXACT}
    for drawn in range(1, DRAWS + 1):
        point = space.sample(rng)
        if (cost := problem.cost(point)) is not None:
            prices = cost.to_json()
            for name, seen in costs.items():
                seen.append(prices[name])
            if problem.allowed(point):
                found.add(problem.network(point))
        if len(found) >= samples or (len(found) >= SEEN and len(found) / drawn * space.size >= PLENTY * samples):
            return
        if not found and drawn >= FIRST:
            break
    rules = f" within {', '.join(plan.spec.constraints)}" if plan.spec.constraints else ""
    held = f"{len(found)} different networks" if found else "no network"
    ranges = "".join(f"; its {name} {_range(seen)}" for name, seen in costs.items() if seen)
    why = f"; what cannot be drawn: {problem.refusal}" if problem.refusal and not found else ""
    raise ComparisonError(
        f"space {space.name!r}: {held}{rules} in {drawn} random points, {samples} samples are asked for{ranges}{why}"
    )


def run(
    plans: Sequence[Plan], store: Store, observe: Callable[[Part], AbstractContextManager[Observer | None]]
) -> list[Study]:
    """Sample every space into a study of its own, one after the other.

    A study of the same terms that the database has already is read, or continued where it was interrupted; children
    that any study has trained alike are not trained again. `observe` makes the observer of a part.
    """
    studies = []
    for plan in plans:
        part = _part(plan, store)
        with observe(part) as observer:
            if part.state == "new":
                studies.append(run_plan(plan, part.name, store, observer))
            elif part.state == "continued":
                # With the executor of now, which need not be that of then.
                studies.append(continue_plan(part.plan, part.name, store, observer))
            else:
                studies.append(Study(store, part.name))
    return studies


def stored(names: Sequence[str], store: Store) -> list[Study]:
    """The studies of these names. Raises `ComparisonError` for a name given twice, `StoreError` for an unknown one."""
    _once(names, "study")
    return [Study(store, store.study(name).name) for name in names]


def gather(studies: Sequence[Study]) -> list[Children]:
    """The children of studies that may be compared. Raises `ComparisonError` where they may not."""
    samples = [read(study) for study in studies]
    check_alike(samples)
    return samples


def matched_cost(samples: Sequence[Children], wanted: str) -> str | None:
    """The cost by which children are weighted so that it is spread alike in all spaces; None for none.

    `wanted` is a cost, "none", or "auto": FLOPs, unless every study was held to the same band of one cost.
    """
    if wanted != "auto":
        return None if wanted == "none" else wanted
    kept = {frozenset(map(Constraint.parse, sample.spec.constraints)) for sample in samples}
    (first, *others) = kept
    return None if not others and any(rule.relation == "=" for rule in first) else "flops"


def _part(plan: Plan, store: Store) -> Part:
    wanted = _terms(plan.spec.to_json())
    for record in reversed(store.studies()):
        if record.name.startswith(PREFIX) and _terms(record.spec) == wanted:
            return Part(plan, record.name, "read" if _whole(record) else "continued")
    return Part(plan, free_name(plan, store, f"{PREFIX}{plan.spec.space}"), "new")


def _terms(spec: Any) -> dict[str, Any]:
    """What decides the children of a study: all but where they are trained, and how often they are tried."""
    return {name: value for name, value in spec.items() if name not in EXECUTION}


def _whole(record: StudyRecord) -> bool:
    return record.finished_at is not None and not (record.counts["waiting"] or record.counts["running"])


def _once(names: Sequence[str], what: str = "space") -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ComparisonError(f"{what} {', '.join(map(repr, twice))} is given twice; name each once")


def _range(values: Sequence[float]) -> str:
    ordered = sorted(values)
    low, middle, high = (_short(ordered[round(share * (len(ordered) - 1))]) for share in (0, 0.5, 1))
    return f"go from {low} to {high} (median {middle})"


def _short(value: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
