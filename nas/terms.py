"""`Terms`: what a search works under, and what they make of a network: a trial to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nas.controllers import Controller
from nas.controllers.problem import Drawn, Problem
from nas.objectives import LATENCY
from nas.recipe import Recipe
from nas.schedulers import Scheduler, ToTheEnd
from nas.store import NewTrial
from searchspaces import Architecture, documents


@dataclass(frozen=True)
class Terms:
    """What a search works under, as objects (a `StudySpec` says the same in names)."""

    problem: Problem
    controller: Controller
    evaluator_key: str
    recipe: Recipe
    seed: int
    budget: int
    baselines: Mapping[str, Architecture] = field(default_factory=dict)
    scheduler: Scheduler = field(default_factory=ToTheEnd)
    max_failures: int = 1  # so often a child may lose its worker and is tried again

    def draft(self, drawn: Drawn, kind: Literal["child", "baseline"]) -> NewTrial:
        """The row of a trial to be: with its price, and infeasible with the reason where it may not be trained.

        Constraints are for children only: a baseline is there to be compared with.
        """
        document = drawn.architecture.to_json()
        reason = self._refusal(drawn, kind)
        cost: dict[str, Any] = {} if drawn.cost is None else {**drawn.cost.to_json()}
        return NewTrial(
            architecture_key=documents.key(document),
            architecture=document,
            graph_key=None if drawn.graph is None else drawn.key,
            evaluator_key=self.evaluator_key,
            recipe_key=self.recipe.key,
            recipe=self.recipe.to_json(),
            seed=self.seed,
            kind=kind,
            state="infeasible" if reason else "waiting",
            reason=reason or None,
            **cost,
        )

    def _refusal(self, drawn: Drawn, kind: Literal["child", "baseline"]) -> str:
        """Why the network may not be trained, or empty."""
        if drawn.cost is None or drawn.graph is None:
            return str(drawn.refusal)
        known: dict[str, float] = dict(drawn.cost.to_json())
        if self.problem.latency is not None:
            known[LATENCY] = self.problem.latency(drawn.graph)
        rules = [rule for rule in self.problem.constraints if kind == "child" and rule.name in known]
        broken = [str(rule) for rule in rules if not rule.holds(known)]
        return f"breaks {', '.join(broken)}" if broken else ""
