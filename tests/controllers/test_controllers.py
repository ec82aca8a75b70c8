"""Every controller of nas keeps the contract; making them by name; and they learn."""

from __future__ import annotations

import ast
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from controller_contract import ONE, TWO, ControllerContract, result
from controller_spaces import accuracy, conditional, flops, twelve

from nas import controllers
from nas.controllers import CONTROLLERS, make, options, register
from nas.controllers.problem import Problem
from nas.errors import ControllerError
from nas.objectives import Objective
from nas.pareto import hypervolume


class TestRandom(ControllerContract):
    name = "random"

    def test_is_uniform_on_an_axis(self) -> None:
        controller = self.make()
        counts = [0, 0, 0, 0]
        for _ in range(4000):
            counts[controller.ask().point["width"]] += 1
        # Chi-squared with 3 degrees of freedom exceeds 16.3 once in a thousand.
        assert sum((count - 1000) ** 2 / 1000 for count in counts) < 16.3


class TestReinforce(ControllerContract):
    name = "reinforce"
    options: ClassVar[dict[str, Any]] = {"batch": 4}


class TestIndependentReinforce(ControllerContract):
    name = "reinforce"
    options: ClassVar[dict[str, Any]] = {"policy": "independent"}


class TestPPO(ControllerContract):
    name = "ppo"


class TestEvolution(ControllerContract):
    name = "evolution"
    options: ClassVar[dict[str, Any]] = {"population": 8, "tournament": 3}


class TestEvolutionOfTheFittest(ControllerContract):
    name = "evolution"
    options: ClassVar[dict[str, Any]] = {"ageing": False, "crossover": 0.5, "start": 4}


class TestLocalSearch(ControllerContract):
    name = "local"


class TestRestartedLocalSearch(ControllerContract):
    name = "local"
    options: ClassVar[dict[str, Any]] = {"start": 1, "kick": 0}


class TestTPE(ControllerContract):
    name = "tpe"


class TestJointTPE(ControllerContract):
    name = "tpe"
    options: ClassVar[dict[str, Any]] = {"joint": True}


class TestNSGA2(ControllerContract):
    name = "nsga2"
    options: ClassVar[dict[str, Any]] = {"population": 8}


def contracts() -> set[str]:
    """The controllers that some class of these tests puts under contract, read from the sources."""
    found = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "ControllerContract" for base in node.bases):
                values = [part.value for part in node.body if ast.unparse(part).startswith("name = ")]
                found |= {value.value for value in values if isinstance(value, ast.Constant)}
    return found


def test_every_controller_is_under_contract() -> None:
    assert contracts() == set(CONTROLLERS)


# By name


def test_an_unknown_controller_suggests_the_nearest() -> None:
    with pytest.raises(ControllerError, match="unknown controller 'reinforse'; did you mean 'reinforce'\\?"):
        make("reinforse", Problem(twelve(), ONE), 0)


def test_an_unknown_option_suggests_the_nearest() -> None:
    with pytest.raises(ControllerError, match=r"option of controller 'nsga2' 'populaton'; did you mean 'population'\?"):
        make("nsga2", Problem(twelve(), ONE), 0, populaton=5)
    with pytest.raises(ControllerError, match="option of controller 'random' 'batch'; choose one of: most, tries"):
        make("random", Problem(twelve(), ONE), 0, batch=5)


def test_options_are_listed_with_their_defaults() -> None:
    assert options("random") == {"tries": 64, "most": 0}
    assert options("tpe") == {"startup": 10, "candidates": 24, "joint": False}
    assert options("reinforce")["batch"] == 4


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("reinforce", "batch", 0),
        ("reinforce", "batch", 2.5),
        ("reinforce", "learning_rate", -0.1),
        ("reinforce", "learning_rate", math.nan),
        ("reinforce", "baseline_decay", 1.5),
        ("reinforce", "entropy_bonus", "high"),
        ("tpe", "startup", 0),
        ("tpe", "candidates", True),
        ("tpe", "joint", "yes"),
        ("nsga2", "population", 1),
    ],
)
def test_a_bad_option_value_is_named(name: str, option: str, value: object) -> None:
    with pytest.raises(ControllerError, match=f"controller '{name}': {option} = .*(at least|True or False)"):
        make(name, Problem(twelve(), ONE), 0, **{option: value})


@pytest.mark.parametrize("objectives", [[], [*TWO, TWO[0]]])
def test_objectives_must_be_some_and_distinct(objectives: list[Objective]) -> None:
    with pytest.raises(ControllerError, match="name at least one, each once"):
        make("random", Problem(twelve(), objectives), 0)


def test_a_name_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controllers, "CONTROLLERS", dict(CONTROLLERS))
    with pytest.raises(ControllerError, match="'random' is registered already"):
        register("random", "somewhere:Else")
    register("mine", controllers._factory("random"))
    register("by_path", CONTROLLERS["random"])
    assert make("mine", Problem(twelve(), ONE), 3).ask() == make("by_path", Problem(twelve(), ONE), 3).ask()


# Across processes

_IN_A_FRESH_PROCESS = """
import sys
import nas.controllers
assert not {"numpy", "optuna", "torch"} & set(sys.modules), "nas.controllers must import its implementations lazily"
from controller_contract import TWO, busy_search
from controller_spaces import conditional
from nas.controllers.problem import Problem
slow = {"gp": {"startup": 40}}  # a second a proposal of its model
for name, options in [*((name, slow.get(name, {})) for name in nas.controllers.CONTROLLERS), ("tpe", {"joint": True})]:
    controller = nas.controllers.make(name, Problem(conditional(), TWO), 0, **options)
    print([list(point.items()) for point in busy_search(controller, TWO, 30)[1]])
"""


def test_proposals_do_not_depend_on_the_process() -> None:
    """A search is resumed in another process, where sets of strings iterate in another order."""
    here = Path(__file__).parent
    outputs = []
    for hash_seed in ("1", "2"):
        path = os.pathsep.join([str(here), str(here.parents[1])])
        run = subprocess.run(
            [sys.executable, "-c", _IN_A_FRESH_PROCESS],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        outputs.append(run.stdout)
    assert outputs[0].count("\n") == len(CONTROLLERS) + 1
    assert outputs[0] == outputs[1]


# Optuna's manners


def test_optuna_is_quiet_and_its_verbosity_is_the_users(capfd: pytest.CaptureFixture[str]) -> None:
    import optuna

    before = optuna.logging.get_verbosity()
    for name in ("tpe", "nsga2"):
        controller = make(name, Problem(conditional(), TWO), 0)
        proposal = controller.ask()
        controller.tell(proposal.id, None)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


# Learning


def _best_and_volume(name: str, seed: int, results: int) -> tuple[float, float]:
    """The best accuracy with one objective; the hypervolume of accuracy and log10 FLOPs with two."""
    controller = make(name, Problem(conditional(), ONE), seed)
    best = 0.0
    for _ in range(results):
        proposal = controller.ask()
        best = max(best, accuracy(proposal.point))
        controller.tell(proposal.id, result(proposal.point, ONE))
    controller = make(name, Problem(conditional(), TWO), seed)
    rows = []
    for _ in range(results):
        proposal = controller.ask()
        rows.append((accuracy(proposal.point), math.log10(flops(proposal.point))))
        controller.tell(proposal.id, result(proposal.point, TWO))
    return best, hypervolume(rows, [True, False], [0, 10])


def test_the_controllers_that_learn_beat_random_search() -> None:
    """Mean over seeds; random search's means have a standard error of about 0.02 and 0.08."""
    means = {}
    for name in ("random", "reinforce", "tpe", "nsga2"):
        pairs = [_best_and_volume(name, seed, results=100) for seed in range(3)]
        means[name] = [statistics.mean(column) for column in zip(*pairs, strict=True)]
    best, volume = means.pop("random")
    for name in means:
        assert means[name][0] > best + 0.05, means
    for name in ("reinforce", "tpe"):  # five generations are too few for NSGA-II to spread along a front
        assert means[name][1] > volume + 0.1, means
