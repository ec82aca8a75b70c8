"""Controllers decide which child to try next. Each is made by name with `make`; all keep one contract.

`ask` proposes a point, `tell` says how its child did; any number of proposals may be open, and tells may come in
any order. A controller is a deterministic function of (problem, seed, the sequence of calls), so a search is resumed by
repeating its recorded calls on a fresh controller.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import nas.options
from nas.errors import ControllerError, unknown

if TYPE_CHECKING:
    from nas.controllers.problem import Problem
    from searchspaces import Point

__all__ = ["CONTROLLERS", "Controller", "Proposal", "SpaceExhausted", "make", "options", "register"]


@dataclass(frozen=True)
class Proposal:
    """A point to evaluate; `id` counts a controller's proposals from 0."""

    id: int
    point: Point


class SpaceExhausted(ControllerError):
    """Every point of the space has been proposed: the search is over, nothing is wrong."""


class Controller(Protocol):
    """Proposes points and learns from how their children did."""

    def ask(self) -> Proposal:
        """The next proposal, a point not proposed before. Raises `SpaceExhausted` once every point was proposed."""
        ...

    def tell(self, id: int, values: Sequence[float] | None) -> None:
        """The result of a proposal: a value for each objective, in their order and in natural units.

        None for a child that failed or is infeasible; a value that is not finite counts as None. Of a child that was
        stopped early, what it is expected to have come to.
        Raises `ControllerError` for an id that is not open (unknown, or told before) or a wrong number of values.
        """
        ...

    @property
    def curves(self) -> dict[str, float]:
        """The controller's own numbers after its latest step, for plots (such as the reward); {} if it has none."""
        ...


Factory = Callable[..., Controller]  # (problem, seed, **options)

# A factory, or where to import it from: implementations are imported when they are made.
CONTROLLERS: dict[str, Factory | str] = {
    "pareto": "nas.controllers.pareto:ParetoController",
    "random": "nas.controllers.random_search:RandomController",
    "reinforce": "nas.controllers.reinforce:ReinforceController",
    "ppo": "nas.controllers.ppo:PPOController",
    "evolution": "nas.controllers.evolution:EvolutionController",
    "local": "nas.controllers.local_search:LocalController",
    "tpe": "nas.controllers.optuna_samplers:TPEController",
    "nsga2": "nas.controllers.optuna_samplers:NSGA2Controller",
    "gp": "nas.controllers.optuna_samplers:GPController",
}


def register(name: str, factory: Factory | str) -> None:
    """Add a controller under a new name: a factory, or "module:attribute". A name that is taken is an error."""
    if name in CONTROLLERS:
        raise ControllerError(f"controller {name!r} is registered already; choose another name")
    CONTROLLERS[name] = factory


def options(name: str) -> dict[str, Any]:
    """The options that a controller takes beyond problem and seed, with their defaults.

    Raises `ControllerError` for an unknown name.
    """
    return nas.options.of(_factory(name))


def make(name: str, problem: Problem, seed: int, **chosen: Any) -> Controller:
    """A fresh controller of that name; `chosen` are options of its own (see `options`).

    Raises `ControllerError` for an unknown name or option, a bad option value, or objectives that are none
    or name one thing twice.
    """
    factory = _factory(name)
    nas.options.check(f"controller {name!r}", chosen, options(name), ControllerError)
    names = [objective.name for objective in problem.objectives]
    if not names or len(set(names)) < len(names):
        raise ControllerError(f"objectives {names}; name at least one, each once")
    return factory(problem, seed, **chosen)


def _factory(name: str) -> Factory:
    if name not in CONTROLLERS:
        raise ControllerError(unknown("controller", name, CONTROLLERS))
    entry = CONTROLLERS[name]
    if not isinstance(entry, str):
        return entry
    module, _, attribute = entry.partition(":")
    factory: Factory = getattr(importlib.import_module(module), attribute)
    return factory
