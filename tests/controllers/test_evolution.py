"""Regularised evolution and local search: who dies, who is a parent, and where a climb goes."""

from __future__ import annotations

import pytest
from controller_spaces import accuracy, conditional, flops, twelve

from nas.controllers import make
from nas.controllers.evolution import EvolutionController
from nas.controllers.local_search import LocalController
from nas.controllers.problem import Problem
from nas.errors import ControllerError
from nas.objectives import Objective
from searchspaces import Point, find_space

ACCURACY, FLOPS = Objective.parse("accuracy"), Objective.parse("flops")


def problem(*objectives: Objective) -> Problem:
    return Problem(conditional(), objectives or (ACCURACY,))


def distance(first: Point, second: Point) -> int:
    """Axes that differ, or that only one of the two has."""
    return sum(first.get(axis) != second.get(axis) for axis in {*first, *second})


# --- regularised evolution --------------------------------------------------------------------------------------


def test_the_oldest_dies_however_good_it_is() -> None:
    controller = EvolutionController(problem(), 0, population=3, tournament=3, start=3)
    points = []
    for value in (0.9, 0.1, 0.2, 0.3):
        proposal = controller.ask()
        points.append(proposal.point)
        controller.tell(proposal.id, [value])
    assert [member.point for member in controller._members] == points[1:]


def test_without_ageing_the_worst_dies() -> None:
    controller = EvolutionController(problem(), 0, population=3, tournament=3, start=4, ageing=False)
    points = []
    for value in (0.9, 0.1, 0.2, 0.3):
        proposal = controller.ask()
        points.append(proposal.point)
        controller.tell(proposal.id, [value])
    assert [member.point for member in controller._members] == [points[0], *points[2:]]


def test_with_several_objectives_the_best_front_stays() -> None:
    controller = EvolutionController(problem(ACCURACY, FLOPS), 0, population=3, tournament=3, start=4)
    points = []
    for values in ((0.9, 5e6), (0.1, 6e6), (0.2, 1e6), (0.3, 7e6)):
        proposal = controller.ask()
        points.append(proposal.point)
        controller.tell(proposal.id, values)
    assert [member.point for member in controller._members] == [points[0], *points[2:]]


def test_children_are_mutants_of_the_best_where_the_tournament_is_everyone() -> None:
    controller = EvolutionController(problem(), 0, population=5, tournament=5, start=5)
    started = []
    for number in range(5):
        proposal = controller.ask()
        started.append(proposal.point)
        controller.tell(proposal.id, [1.0 if number == 2 else 0.0])
    for _ in range(10):  # asked without an answer: no proposal waits
        assert distance(controller.ask().point, started[2]) <= 5  # another block has four axes that the first has not


def test_a_child_without_values_has_no_children() -> None:
    controller = EvolutionController(problem(), 0, population=4, tournament=4, start=4)
    for number in range(4):
        controller.tell(controller.ask().id, None if number else [0.5])
    assert len(controller._members) == 1


def test_a_tournament_larger_than_the_population_is_refused() -> None:
    with pytest.raises(ControllerError, match="tournament = 9; at most the population, 8"):
        make("evolution", problem(), 0, population=8, tournament=9)


# --- local search -------------------------------------------------------------------------------------------------


def test_it_tries_the_neighbours_of_the_best_and_moves_on_at_once() -> None:
    controller = LocalController(problem(), 0, start=4)
    space, best, value = conditional(), None, -1.0
    for number in range(60):
        proposal = controller.ask()
        if number >= 4 and best is not None:
            assert proposal.point in set(space.neighbours(best))
        found = accuracy(proposal.point)
        if found > value:
            best, value = proposal.point, found
        controller.tell(proposal.id, [found])


@pytest.mark.parametrize("kick", [0, 2])
def test_at_a_local_optimum_a_new_climb_starts(kick: int) -> None:
    controller = LocalController(problem(), 0, start=1, kick=kick)
    proposal = controller.ask()
    top = proposal.point
    controller.tell(proposal.id, [1.0])
    neighbours = set(conditional().neighbours(top))
    for _ in neighbours:
        proposal = controller.ask()
        assert proposal.point in neighbours
        controller.tell(proposal.id, [0.0])
    starts = []
    for _ in range(3):  # each is worse than its neighbourhood is large, so this is still the start of the climb
        proposal = controller.ask()
        starts.append(proposal.point)
    far = distance(starts[0], top)
    assert starts[0] not in neighbours
    assert far >= 2
    if kick:
        assert far <= 2 + 4  # a mutation of a block brings up to four axes with it


def test_of_several_objectives_every_point_of_the_front_has_its_neighbours_tried() -> None:
    controller = LocalController(problem(ACCURACY, FLOPS), 0, start=2)
    points = []
    for values in ((0.9, 9e6), (0.2, 1e6)):
        proposal = controller.ask()
        points.append(proposal.point)
        controller.tell(proposal.id, values)
    parents = set()
    for _ in range(30):
        proposal = controller.ask()
        parents |= {point for point in points if proposal.point in set(conditional().neighbours(point))}
        controller.tell(proposal.id, (0.1, 9e7))
    assert parents == set(points)


# --- what both begin with -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["evolution", "local"])
def test_half_of_the_starts_are_hand_designed(name: str) -> None:
    real = Problem(find_space("resnext", 32), [ACCURACY], (), (3, 32, 32), 10)
    designed = real.hand_designed()
    assert len(designed) >= 4
    for known, expected in ((True, 4), (False, 0)):
        controller = make(name, real, 0, start=8, hand_designed=known)
        started = [controller.ask().point for _ in range(8)]
        assert sum(point in designed for point in started) == expected
        assert started[:expected] == designed[:expected]


@pytest.mark.parametrize("name", ["evolution", "local"])
@pytest.mark.parametrize("two", [False, True])
def test_later_children_are_better(name: str, two: bool) -> None:
    controller = make(name, problem(ACCURACY, FLOPS) if two else problem(), 0)
    found = []
    for _ in range(200):
        proposal = controller.ask()
        # Of two objectives, the ratio that a front improves.
        worth = accuracy(proposal.point) - (0.1 * (len(str(int(flops(proposal.point)))) if two else 0))
        found.append(worth)
        controller.tell(proposal.id, [accuracy(proposal.point), *([flops(proposal.point)] if two else [])])
    assert sum(found[-40:]) > sum(found[:40]) + 40 * 0.05


def test_the_last_points_of_a_space_are_found_without_the_start() -> None:
    controller = make("local", Problem(twelve(), [ACCURACY]), 0, start=2, hand_designed=False)
    assert len({controller.ask().point for _ in range(12)}) == 12
