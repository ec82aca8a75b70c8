"""A network's latency as a sum over its placed blocks, each distinct one measured once.

A `Fragment` (what one block drew) depends on the block, its width and stride and the shapes that enter, so it is what a
table of latencies is keyed by: the look-up table of Cai et al. 2019 (ProxylessNAS, section 3.2), by block. Calling a
module takes time by itself; measured on a module that does nothing, it is taken off each block and counted once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeAlias

from nas.latency.measure import Timing, measure_parts
from searchspaces.errors import InvalidArchitecture
from searchspaces.graph import Graph, Part, image_part

if TYPE_CHECKING:
    from nas.latency.conditions import Conditions
    from nas.store import Store
    from searchspaces import Space
    from searchspaces.canvas import Fragment

Measure: TypeAlias = Callable[[Graph], Sequence[Timing]]  # one for each part

REMEMBERED = 16384  # fragments whose key is kept
MET = 256  # random networks whose blocks are measured before workers start


@lru_cache(maxsize=REMEMBERED)
def block_graph(fragment: Fragment) -> Graph:
    """One block alone, as a network whose images are what enters it."""
    entering = [Part("", image_part(shape).fragment, ()) for shape in fragment.inputs]
    return Graph((*entering, Part("block", fragment, tuple(range(len(entering))))))


@lru_cache(maxsize=REMEMBERED)
def block_key(fragment: Fragment) -> str:
    """A name (32 hex digits) that blocks of one computation on the same shapes share."""
    return block_graph(fragment).key


class Table(Protocol):
    """Where the latencies of blocks are kept, under one set of conditions."""

    def read(self) -> Mapping[str, float]:
        """Seconds a batch, by `block_key`."""
        ...

    def keep(self, key: str, timing: Timing) -> None:
        """Keep a measured block."""
        ...


class StoreTable:
    """The blocks that the store has under these conditions."""

    def __init__(self, store: Store, conditions: Conditions) -> None:
        self._store, self._conditions = store, conditions.to_json()

    def read(self) -> dict[str, float]:
        """Seconds a batch, by `block_key`."""
        found = self._store.latencies(**self._conditions, kind="block")
        return {key: record.median for key, record in found.items()}

    def keep(self, key: str, timing: Timing) -> None:
        """Keep a measured block."""
        self._store.keep_latency(**self._conditions, kind="block", key=key, **asdict(timing))


class Blocks:
    """The latencies of blocks under some conditions, and of networks as their sum.

    A block that is not known is measured when it is first asked for, in the network that asks, and kept in the table.
    A number that is in the table stays as it is: a search that goes on must see what it saw.
    """

    def __init__(self, conditions: Conditions, table: Table | None = None, measuring: Measure | None = None) -> None:
        self.conditions = conditions
        self.known: dict[str, float] = {}
        self.measured = 0  # blocks that were not known
        self._table = table
        self._measure = measuring or (lambda graph: measure_parts(graph, conditions))
        self._read()

    def missing(self, graph: Graph) -> set[str]:
        """The keys of the network's blocks that are not known."""
        return {key for part in graph.parts if (key := block_key(part.fragment)) not in self.known}

    def add(self, graph: Graph) -> None:
        """Measure what is missing of this network."""
        if self.missing(graph):
            self.enter(graph, self._measure(graph))

    def enter(self, graph: Graph, timings: Sequence[Timing]) -> None:
        """Take the parts of a network that were just measured into the table, those that are not known."""
        self._read()  # another search may have measured the same block meanwhile
        for part, timing in zip(graph.parts, timings, strict=True):
            key = block_key(part.fragment)
            if key in self.known:  # where a block stands twice in a network, its first place counts
                continue
            self.known[key] = timing.median
            self.measured += 1
            if self._table is not None:
                self._table.keep(key, timing)

    def entries(self, graph: Graph) -> list[tuple[str, float]]:
        """Each part of the network by name, and what it adds to the network's latency, in seconds a batch.

        The first, without a name, is the image: the call of a module that gives its input back.
        """
        self.add(graph)
        first, *others = graph.parts
        call = self.known[block_key(first.fragment)]
        # A block that is faster than nothing at all is noise.
        return [("", call), *((p.name, max(self.known[block_key(p.fragment)] - call, 0.0)) for p in others)]

    def seconds(self, graph: Graph) -> float:
        """The latency of one batch: the sum of the entries."""
        return sum(seconds for _, seconds in self.entries(graph))

    def _read(self) -> None:
        if self._table is not None:
            self.known |= self._table.read()


def meet(latency: Callable[[Graph], float], space: Space, image: tuple[int, int, int], classes: int) -> None:
    """Have most blocks of a space measured, before workers keep the machine busy."""
    rng = random.Random(0)
    for _ in range(MET):
        with suppress(InvalidArchitecture):
            latency(space.decode(space.sample(rng)).draw(image, classes))
