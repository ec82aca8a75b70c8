"""Networks measured whole and as the sum of their blocks, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.latency.measure import NETWORK, Effort, Timing, in_parts, is_busy, quiet, time_runs, whole
from searchspaces import Cost, price

if TYPE_CHECKING:
    from nas.latency.blocks import Blocks
    from nas.latency.conditions import Conditions
    from nas.store import Store
    from searchspaces import Graph

WEIGHTS = 2**29  # bytes of networks that are measured in the same rounds: all are in memory at once


@dataclass(frozen=True)
class Surveyed:
    """One network: its price, its measured latency, and the sum over its blocks; seconds are of one batch."""

    name: str
    key: str
    cost: Cost
    batch: int
    timing: Timing
    blocks: tuple[tuple[str, float], ...]  # each part by name, and what it adds
    distinct: int  # blocks that differ

    @property
    def images_per_second(self) -> float:
        """Throughput."""
        return self.batch / self.timing.median

    @property
    def sum(self) -> float:
        """The latency as the sum of the blocks."""
        return sum(seconds for _, seconds in self.blocks)

    @property
    def error(self) -> float:
        """How far the sum lies from the whole, as a share of it; negative where it is less."""
        return self.sum / self.timing.median - 1

    @property
    def busy(self) -> bool:
        """Whether the runs differ so much that something else must have used the machine."""
        return is_busy([self.timing])

    def to_json(self) -> dict[str, Any]:
        """JSON values; seconds are of one batch."""
        return {
            "network": self.name,
            "key": self.key,
            **self.cost.to_json(),
            "median_seconds": self.timing.median,
            "low_seconds": self.timing.low,
            "high_seconds": self.timing.high,
            "runs": self.timing.runs,
            "images_per_second": self.images_per_second,
            "sum_seconds": self.sum,
            "error": self.error,
            "distinct_blocks": self.distinct,
            "blocks": [{"block": name, "seconds": seconds} for name, seconds in self.blocks],
        }


def survey(graphs: Mapping[str, Graph], blocks: Blocks, effort: Effort = NETWORK) -> Iterator[Surveyed]:
    """Measure networks by name, and those of their blocks that are not known; runs of both are interleaved."""
    for names in _groups({name: price(graph) for name, graph in graphs.items()}):
        met = set(blocks.known)
        lacking = []
        for name in names:
            if new := blocks.missing(graphs[name]) - met:
                lacking.append(name)
                met |= new
        with quiet(blocks.conditions):
            runs = [whole(graphs[name], blocks.conditions) for name in names]
            runs += [in_parts(graphs[name], blocks.conditions) for name in lacking]
            found = time_runs(runs, effort)
        for name, timings in zip(lacking, found[len(names) :], strict=True):
            blocks.enter(graphs[name], timings)
        for name, (timing,) in zip(names, found[: len(names)], strict=True):
            graph = graphs[name]
            yield Surveyed(
                name,
                graph.key,
                price(graph),
                blocks.conditions.batch,
                timing,
                tuple(blocks.entries(graph)),
                len({id(part.fragment) for part in graph.parts[1:]}),
            )


def _groups(costs: Mapping[str, Cost]) -> Iterator[list[str]]:
    """Names in their order, as many at once as memory allows; each network is there twice, whole and in parts."""
    group: list[str] = []
    size = 0
    for name, cost in costs.items():
        own = 8 * cost.params
        if group and size + own > WEIGHTS:
            yield group
            group, size = [], 0
        group.append(name)
        size += own
    if group:
        yield group


def mean_absolute_error(found: Sequence[Surveyed]) -> float:
    """Of the sums against the whole networks, as a share."""
    return float(np.mean([abs(one.error) for one in found]))


def rank_correlation(found: Sequence[Surveyed]) -> float | None:
    """Of sums and whole networks; None for fewer than three, which have no order worth a number."""
    return spearman([one.sum for one in found], [one.timing.median for one in found]) if len(found) > 2 else None


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation of two measured columns, in which no two values are equal."""
    one, two = (np.argsort(np.argsort(column)) for column in (first, second))
    return float(np.corrcoef(one, two)[0, 1])


def keep(store: Store, conditions: Conditions, one: Surveyed) -> None:
    """Keep what the whole network took, in place of an earlier measurement."""
    store.keep_latency(**conditions.to_json(), kind="network", key=one.key, **asdict(one.timing))
