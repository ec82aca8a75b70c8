"""The contract that every controller keeps. Subclass `ControllerContract` and say which controller it is.

To add a controller: `class TestMine(ControllerContract): name = "mine"`, with options small enough that some
twenty results are several of its steps.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest
from controller_spaces import accuracy, conditional, flops, no_axes, one_point, twelve

from nas.controllers import Controller, SpaceExhausted, make
from nas.controllers.problem import Problem
from nas.errors import ControllerError
from nas.objectives import Objective
from searchspaces import Point, Space

ACCURACY, FLOPS = Objective.parse("accuracy"), Objective.parse("flops")
ONE, TWO, THREE = (ACCURACY,), (ACCURACY, FLOPS), (ACCURACY, FLOPS, Objective.parse("latency:min"))

Event = tuple[str, int, Sequence[float] | None]  # ("ask", id, None) or ("tell", id, values)


def result(point: Mapping[str, int], objectives: Sequence[Objective]) -> list[float]:
    return [accuracy(point), flops(point), flops(point) / 1e9][: len(objectives)]


def busy_search(
    controller: Controller, objectives: Sequence[Objective], results: int, seed: int = 0
) -> tuple[list[Event], list[Point]]:
    """A search with up to seven children in flight, told in any order, one in five failed."""
    rng = random.Random(seed)
    flight: dict[int, Point] = {}
    events: list[Event] = []
    points: list[Point] = []
    for _ in range(results):
        while not flight or (len(flight) < 7 and rng.random() < 0.6):
            proposal = controller.ask()
            flight[proposal.id] = proposal.point
            points.append(proposal.point)
            events.append(("ask", proposal.id, None))
        id = rng.choice(sorted(flight))
        point = flight.pop(id)
        values = None if rng.random() < 0.2 else result(point, objectives)
        controller.tell(id, values)
        events.append(("tell", id, values))
    return events, points


def replay(controller: Controller, events: Sequence[Event]) -> list[Point]:
    points = []
    for kind, id, values in events:
        if kind == "ask":
            proposal = controller.ask()
            assert proposal.id == id
            points.append(proposal.point)
        else:
            controller.tell(id, values)
    return points


class ControllerContract:
    name: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}

    def make(self, space: Space | None = None, objectives: Sequence[Objective] = ONE, seed: int = 0) -> Controller:
        return make(self.name, Problem(space or conditional(), objectives), seed, **self.options)

    # Proposals

    def test_never_repeats_and_proposes_every_point_of_a_small_space(self) -> None:
        for seed in range(3):
            controller = self.make(twelve(), seed=seed)
            seen = set()
            for _ in range(12):
                proposal = controller.ask()
                seen.add(proposal.point)
                # One point far better than all others: a sampler that settles wants it again and again.
                controller.tell(proposal.id, [1.0] if len(seen) == 1 else [0.0])
            assert len(seen) == 12
            with pytest.raises(SpaceExhausted, match="space 'twelve' is exhausted: all 12 points were proposed"):
                controller.ask()

    @pytest.mark.parametrize("objectives", [ONE, TWO, THREE], ids=["one", "two", "three"])
    def test_proposals_are_points_of_the_space_with_ids_that_count(self, objectives: Sequence[Objective]) -> None:
        space = conditional()
        controller = self.make(space, objectives)
        for number in range(40):
            proposal = controller.ask()
            assert proposal.id == number
            assert space.point(proposal.point) == proposal.point
            controller.tell(proposal.id, result(proposal.point, objectives))

    def test_conditional_axes_are_explored_on_both_sides(self) -> None:
        controller = self.make()
        points = [controller.ask().point for _ in range(160)]
        assert {point["block0"] for point in points} == {0, 1}
        assert len({len(point) for point in points}) >= 4
        assert {point["squeeze1"] for point in points if "squeeze1" in point} == {0, 1, 2}

    def test_many_asks_before_any_tell(self) -> None:
        controller = self.make()
        proposals = [controller.ask() for _ in range(30)]
        assert [proposal.id for proposal in proposals] == list(range(30))
        assert len({proposal.point for proposal in proposals}) > 20
        for proposal in reversed(proposals):
            controller.tell(proposal.id, result(proposal.point, ONE))
        assert controller.ask().id == 30

    # Determinism

    @pytest.mark.parametrize("objectives", [ONE, TWO], ids=["one", "two"])
    def test_replay_gives_the_same_proposals(self, objectives: Sequence[Objective]) -> None:
        first = self.make(objectives=objectives)
        events, points = busy_search(first, objectives, results=35)
        again = self.make(objectives=objectives)
        assert replay(again, events) == points
        assert again.curves == first.curves
        assert [again.ask() for _ in range(5)] == [first.ask() for _ in range(5)]

    def test_controllers_do_not_share_randomness(self) -> None:
        _, alone = busy_search(self.make(), ONE, results=20)
        first, other = self.make(), self.make(seed=5)
        random.seed(0)
        other.ask()
        _, beside = busy_search(first, ONE, results=20)
        assert beside == alone

    @pytest.mark.parametrize("seed", [1, -1, 2**40])
    def test_another_seed_proposes_otherwise(self, seed: int) -> None:
        _, points = busy_search(self.make(), ONE, results=10)
        _, others = busy_search(self.make(seed=seed), ONE, results=10)
        assert points != others

    # Tells

    def test_tell_of_an_id_that_is_not_open(self) -> None:
        controller = self.make()
        proposal = controller.ask()
        for id in (1, -1, 99):
            with pytest.raises(ControllerError, match=f"proposal {id} was never made"):
                controller.tell(id, [0.5])
        controller.tell(proposal.id, [0.5])
        with pytest.raises(ControllerError, match="proposal 0 was told already"):
            controller.tell(proposal.id, [0.5])
        with pytest.raises(ControllerError, match="told already"):
            controller.tell(proposal.id, None)

    def test_tell_of_a_wrong_number_of_values_changes_nothing(self) -> None:
        controller = self.make(objectives=TWO)
        proposal = controller.ask()
        for values in ([0.5], [], [0.5, 1e6, 2.0]):
            with pytest.raises(ControllerError, match=f"proposal 0: {len(values)} values told, 2 objectives"):
                controller.tell(proposal.id, values)
        controller.tell(proposal.id, [0.5, 1e6])

    def test_only_failures(self) -> None:
        space = conditional()
        controller = self.make(space, TWO)
        for _ in range(30):
            proposal = controller.ask()
            assert space.point(proposal.point)
            controller.tell(proposal.id, None)
        assert all(map(math.isfinite, controller.curves.values()))

    @pytest.mark.parametrize("bad", [math.nan, -math.inf])
    def test_a_value_that_is_not_finite_is_a_failure(self, bad: float) -> None:
        with_none, with_bad = self.make(objectives=TWO), self.make(objectives=TWO)
        for number in range(32):
            one, other = with_none.ask(), with_bad.ask()
            assert one == other
            values = result(one.point, TWO)
            failed = number % 4 == 1
            with_none.tell(one.id, None if failed else values)
            with_bad.tell(other.id, [values[0], bad] if failed else values)
        assert with_bad.curves == with_none.curves
        assert all(map(math.isfinite, with_bad.curves.values()))

    def test_constant_zero_and_negative_values(self) -> None:
        controller = self.make(objectives=TWO)
        for number in range(30):
            proposal = controller.ask()
            controller.tell(proposal.id, [0.0, -float(number // 10)])
        assert all(map(math.isfinite, controller.curves.values()))

    # Small spaces

    @pytest.mark.parametrize("space", [one_point, no_axes], ids=["one point", "no axes"])
    @pytest.mark.parametrize("told", [[0.5, 1e6], None, "later"], ids=["success", "failure", "not yet"])
    def test_a_space_of_one_point_ends(self, space: Callable[[], Space], told: Any) -> None:
        controller = self.make(space(), TWO)
        proposal = controller.ask()
        assert proposal.point == Point.from_json({"only": 0} if space is one_point else {})
        if told != "later":
            controller.tell(proposal.id, told)
        for _ in range(3):
            with pytest.raises(SpaceExhausted, match="is exhausted: all 1 points"):
                controller.ask()
        if told == "later":
            controller.tell(proposal.id, [0.5, 1e6])

    def test_exhausted_only_when_every_point_was_proposed(self) -> None:
        space = twelve()
        assert space.size == 12
        controller = self.make(space)
        seen: set[Point] = set()
        for number in range(120):
            try:
                proposal = controller.ask()
            except SpaceExhausted:
                assert len(seen) == 12
                return
            assert len(seen) < 12, "proposed after the last new point"
            seen.add(proposal.point)
            controller.tell(proposal.id, [number % 7 / 7] if number % 3 else None)
