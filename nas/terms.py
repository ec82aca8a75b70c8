"""`Terms`: what a search works under, and what they make of an architecture: a priced trial to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from nas.controllers import Controller
from nas.objectives import LATENCY, Constraint, Objective
from nas.recipe import Recipe
from nas.schedulers import Scheduler, ToTheEnd
from nas.store import NewTrial
from searchspaces import Architecture, Graph, InvalidArchitecture, Space, price


@dataclass(frozen=True)
class Terms:
    """What a search works under, as objects (a `StudySpec` says the same in names)."""

    space: Space
    controller: Controller
    objectives: Sequence[Objective]
    constraints: Sequence[Constraint]
    evaluator_key: str
    image: tuple[int, int, int]
    classes: int
    recipe: Recipe
    seed: int
    budget: int
    baselines: Mapping[str, Architecture] = field(default_factory=dict)
    scheduler: Scheduler = field(default_factory=ToTheEnd)
    latency: Callable[[Graph], float] | None = None  # seconds, where an objective or constraint asks for them
    max_failures: int = 1  # so often a child may lose its worker and is tried again

    def draft(self, architecture: Architecture, kind: Literal["child", "baseline"]) -> NewTrial:
        """The row of a trial to be: priced, and infeasible with the reason where it may not be trained.

        Constraints are for children only: a baseline is there to be compared with.
        """
        new = NewTrial(
            architecture_key=architecture.key,
            architecture=architecture.to_json(),
            graph_key=None,
            evaluator_key=self.evaluator_key,
            recipe_key=self.recipe.key,
            recipe=self.recipe.to_json(),
            seed=self.seed,
            kind=kind,
        )
        try:
            graph = trained = architecture.draw(self.image, self.classes)
            if self.recipe.auxiliary and any(stage.auxiliary for stage in architecture.stages):
                trained = architecture.draw(self.image, self.classes, auxiliary=True)
        except InvalidArchitecture as error:
            return replace(new, state="infeasible", reason=str(error))
        cost = price(graph)
        new = replace(
            new,
            graph_key=trained.key,
            params=cost.params,
            flops=cost.flops,
            activations=cost.activations,
            memory=cost.memory,
        )
        known: dict[str, float] = dict(cost.to_json())
        if self.latency is not None:
            known[LATENCY] = self.latency(graph)
        rules = [rule for rule in self.constraints if kind == "child" and rule.name in known]
        broken = [str(rule) for rule in rules if not rule.holds(known)]
        return replace(new, state="infeasible", reason=f"breaks {', '.join(broken)}") if broken else new
