"""The children of a study, as a comparison takes them; and whether the studies may be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.errors import ComparisonError
from nas.importance import importance
from nas.objectives import EXACT
from nas.recipe import Recipe
from nas.results import Study
from nas.spec import StudySpec, data_name
from nas.store import bulk
from nas.store.records import KINDS, STATES

Floats = npt.NDArray[np.float64]

FAILED = 1.0  # the error that a failed child counts with


@dataclass(frozen=True)
class Children:
    """What was measured of the children of one study.

    `errors`: 1 - accuracy, and `FAILED` for those that failed, in the order of the children; `costs`: by name, in the
    same order, in natural units; `importance`: of each axis for the errors of those that did not fail.
    """

    study: str
    spec: StudySpec
    errors: Floats
    failed: int
    costs: Mapping[str, Floats]
    importance: Mapping[str, float | None]


def read(study: Study) -> Children:
    """The children of a study that is at rest.

    Raises `ComparisonError` where they are no sample of finished children: some still wait or run, or were pruned, or
    have no accuracy, or fewer than two are there.
    """
    store, record = study.store, study.record
    rows = bulk.read_trials(store, record.id)
    rows = rows[rows["kind"] == KINDS.index("child")]
    state = {name: rows["state"] == index for index, name in enumerate(STATES)}
    going, pruned = int((state["waiting"] | state["running"]).sum()), int(state["pruned"].sum())
    if going:
        raise ComparisonError(
            f"study {study.name!r} is not finished: {going} of its children wait or run; see nas resume"
        )
    if pruned:
        raise ComparisonError(
            f"study {study.name!r} has {pruned} children that were stopped early, whose errors are not known; "
            "compare studies without a scheduler"
        )
    rows = rows[state["complete"] | state["failed"]]
    failed = rows["state"] == STATES.index("failed")
    if len(rows) < 2:
        raise ComparisonError(f"study {study.name!r} has {len(rows)} children; a distribution needs at least 2")
    if np.isnan(rows["accuracy"][~failed]).any():
        raise ComparisonError(f"study {study.name!r} has complete children without an accuracy (val_accuracy)")
    costs = {name: rows[name].astype(np.float64) for name in EXACT}
    errors = np.where(failed, FAILED, 1 - rows["accuracy"])
    axes = bulk.axis_names(store, record.id, sample=int(rows["number"][-1]) + 1)
    table = bulk.read_choices(store, record.id, axes)
    choices = table["choices"][np.searchsorted(table["number"], rows["number"][~failed])]
    matters = {name: importance(choices[:, place], errors[~failed]) for place, name in enumerate(axes)}
    return Children(study.name, study.spec, errors, int(failed.sum()), costs, matters)


def check_alike(samples: Sequence[Children]) -> None:
    """Refuse studies whose errors were measured in different ways. Raises `ComparisonError`."""
    if len(samples) < 2:
        raise ComparisonError(f"{len(samples)} study; a comparison needs at least two")
    names = [sample.study for sample in samples]
    if len(set(names)) < len(names):
        raise ComparisonError(f"studies {', '.join(names)}; name each once")
    first = samples[0]
    for other in samples[1:]:
        for what, one, two in _ways(first.spec, other.spec):
            if one != two:
                raise ComparisonError(
                    f"studies {first.study!r} and {other.study!r} cannot be compared: {what} is {one} in the first "
                    f"and {two} in the second"
                )


def cautions(samples: Sequence[Children]) -> list[str]:
    """What a reader should know of these samples, one line each."""
    found = []
    for sample in samples:
        if sample.spec.controller != "random":
            found.append(
                f"{sample.study} was searched by controller {sample.spec.controller}: its children are what that "
                "looked for, no random sample of the space"
            )
        if sample.failed:
            share = f"{sample.failed} of {len(sample.errors)} children of {sample.study}"
            found.append(
                f"{share} failed; each counts as an error of {100 * FAILED:.0f} % (in the mean as the bound), and not "
                "at all in the importance of the axes"
            )
    if len({sample.spec.seed for sample in samples}) > 1:
        found.append("the studies have different seeds: their children began from different weights")
    if len({frozenset(sample.spec.constraints) for sample in samples}) > 1:
        kept = "; ".join(f"{sample.study}: {', '.join(sample.spec.constraints) or 'none'}" for sample in samples)
        found.append(f"the studies have different constraints ({kept})")
    return found


def _ways(one: StudySpec, other: StudySpec) -> list[tuple[str, Any, Any]]:
    """What must be equal in two studies: its name, and what each has."""
    first, second = (Recipe.from_json(spec.recipe).to_json() for spec in (one, other))  # of any age
    return [
        ("the evaluator", one.evaluator, other.evaluator),
        ("the data", data_name(one.to_json()), data_name(other.to_json())),
        ("the image", one.image, other.image),
        ("the number of classes", one.classes, other.classes),
        ("the data's fingerprint", one.data_key, other.data_key),
        *((f"the recipe's {name}", first[name], second[name]) for name in first),
    ]
