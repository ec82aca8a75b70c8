"""`Problem`: what a controller is to solve, and what is known of a point before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from nas.objectives import LATENCY
from searchspaces.errors import InvalidArchitecture, NotInSpace

if TYPE_CHECKING:
    from nas.objectives import Constraint, Objective
    from searchspaces import Architecture, Cost, Graph, Point, Space

REMEMBERED = 65536  # points whose price is kept
RECENT = 256  # points whose drawing is kept: a proposal is looked at several times on its way to a trial


@dataclass(frozen=True)
class Drawn:
    """A network as it is drawn on a study's images: as it is used and as it is trained, or why it cannot be."""

    architecture: Architecture
    graph: Graph | None = None
    trained: Graph | None = None  # with its auxiliary classifiers, where the recipe wants them
    refusal: InvalidArchitecture | None = None

    @cached_property
    def cost(self) -> Cost | None:
        """The exact price of the network in use."""
        from searchspaces import price

        return None if self.graph is None else price(self.graph)

    @property
    def key(self) -> str:
        """The name that networks of one computation share. Raises `InvalidArchitecture` for what cannot be drawn."""
        if self.trained is None:
            assert self.refusal is not None
            raise self.refusal
        return self.trained.key


class Problem:
    """A space, the objectives, and the constraints that a child must keep.

    With `image` (channels, height, width) and `classes`, points are priced, and two points that are one computation
    count as one. Without, nothing is known of a point but its choices: every point is allowed and another network.
    `auxiliary`: whether networks are trained with their auxiliary classifiers, which must then fit as well.
    `latency` gives the seconds of a graph, where they are an objective or bounded; without it they are not known, and
    no bound on them is kept.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        image: tuple[int, int, int] | None = None,
        classes: int = 0,
        auxiliary: bool = False,
        latency: Callable[[Graph], float] | None = None,
    ) -> None:
        self.space = space
        self.objectives = tuple(objectives)
        self.latency = latency
        # The latency comes last: it may have to be measured.
        self.constraints = (
            *(rule for rule in constraints if rule.name != LATENCY),
            *(rule for rule in constraints if rule.name == LATENCY and latency is not None),
        )
        self.image, self.classes, self.auxiliary = image, classes, auxiliary
        self.refusal = ""  # why the latest point that cannot be drawn cannot
        self.drawn = lru_cache(maxsize=RECENT)(self._drawn)
        self._price = lru_cache(maxsize=REMEMBERED)(self._priced)
        self._seconds = lru_cache(maxsize=REMEMBERED)(self._timed)

    @property
    def priced(self) -> bool:
        """Whether costs are known before training."""
        return self.image is not None

    def cost(self, point: Point) -> Cost | None:
        """The exact price; None for a network that cannot be drawn, or where nothing is priced."""
        return self._price(point)

    def allowed(self, point: Point) -> bool:
        """Whether the network can be drawn and keeps every constraint."""
        if not self.priced:
            return True
        cost = self.cost(point)
        if cost is None:
            return False
        known: dict[str, float] = dict(cost.to_json())
        for rule in self.constraints:
            if rule.name == LATENCY:
                known[LATENCY] = self._seconds(point)
            if not rule.holds(known):
                return False
        return True

    def exact(self, point: Point) -> dict[int, float]:
        """The objectives whose values are known before training, by their place."""
        cost = self.cost(point) if self.priced else None
        known: dict[str, float] = {} if cost is None else dict(cost.to_json())
        if known and self.latency is not None and any(objective.timed for objective in self.objectives):
            known[LATENCY] = self._seconds(point)
        return {place: float(known[o.name]) for place, o in enumerate(self.objectives) if o.exact and o.name in known}

    def network(self, point: Point) -> Hashable:
        """A name that points of one computation share: the graph key, or the point itself where nothing is drawn."""
        return point if self.image is None else self.drawn(point).key

    def draw(self, architecture: Architecture) -> Drawn:
        """The network on the study's images, which must be known; `drawn` is the same of a point."""
        assert self.image is not None
        try:
            graph = trained = architecture.draw(self.image, self.classes)
            if self.auxiliary and any(stage.auxiliary for stage in architecture.stages):
                trained = architecture.draw(self.image, self.classes, auxiliary=True)
        except InvalidArchitecture as error:
            return Drawn(architecture, refusal=error)
        return Drawn(architecture, graph, trained)

    def effort(self, points: Sequence[Point]) -> float:
        """How much there is to draw in these points, on average: the operations of their distinct blocks."""
        if self.image is None or not points:
            return 0.0
        total = 0
        for point in points:
            graph = self.drawn(point).graph
            if graph is None:
                continue
            total += sum(
                len(nodes) for nodes in {id(part.fragment): part.fragment.nodes for part in graph.parts}.values()
            )
        return total / len(points)

    def hand_designed(self) -> list[Point]:
        """The allowed points of the space's hand-designed networks, in the order in which the space names them."""
        points: dict[Point, None] = {}
        for architecture in self.space.networks.values():
            try:
                point = self.space.encode(architecture)
            except NotInSpace:
                continue
            if self.allowed(point):
                points[point] = None
        return list(points)

    def _drawn(self, point: Point) -> Drawn:
        return self.draw(self.space.decode(point))

    def _timed(self, point: Point) -> float:
        graph = self.drawn(point).graph
        assert self.latency is not None
        assert graph is not None
        return self.latency(graph)

    def _priced(self, point: Point) -> Cost | None:
        if self.image is None:
            return None
        drawn = self.drawn(point)
        if drawn.refusal is not None:
            self.refusal = str(drawn.refusal)
        return drawn.cost
