"""The table of blocks: each distinct one is measured once, and a network is the sum of its entries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.latency.blocks import Blocks, StoreTable, block_graph, block_key, meet
from nas.latency.conditions import Conditions
from nas.latency.measure import Effort, Timing, measure_parts
from nas.latency.survey import Surveyed, mean_absolute_error, rank_correlation, survey
from nas.store import open_store
from searchspaces import NETWORKS, Cost, Graph, OneOf, Space
from searchspaces.resnet import CIFAR_STEM, Basic, Bottleneck, resnet

HERE = Conditions("a machine")
CALL = 0.25


class Bench:
    """Stands in for the machine: the call takes 0.25 s, a block as many seconds more as it has operations."""

    def __init__(self, noise: float = 0.0) -> None:
        self.graphs: list[Graph] = []
        self.noise = noise

    def __call__(self, graph: Graph) -> list[Timing]:
        self.graphs.append(graph)
        times = [CALL, *(CALL + len(part.fragment.nodes) for part in graph.parts[1:])]
        return [Timing(time + self.noise * len(self.graphs), time, time + 9, 5) for time in times]


def network(depth: int = 2, width: int = 8, side: int = 8, block: Basic | Bottleneck | None = None) -> Graph:
    return resnet(block or Basic(), (depth, 1), (width, 2 * width), CIFAR_STEM).draw((3, side, side), 10)


def test_a_network_is_the_sum_of_its_entries() -> None:
    graph, blocks = network(depth=3), Blocks(HERE, measuring=Bench())
    entries = blocks.entries(graph)
    assert [name for name, _ in entries] == [part.name for part in graph.parts]
    assert entries[0] == ("", CALL)
    assert blocks.seconds(graph) == sum(seconds for _, seconds in entries)
    assert blocks.seconds(graph) == CALL + len(graph.nodes) - 1  # each operation a second, and one call


def test_a_block_faster_than_a_call_adds_nothing() -> None:
    graph = network()
    call, quicker = Timing(1.0, 1.0, 1.0, 1), Timing(0.5, 0.5, 0.5, 1)
    blocks = Blocks(HERE, measuring=lambda graph: [call, *(quicker for _ in graph.parts[1:])])
    assert blocks.seconds(graph) == 1.0


def test_each_distinct_block_is_measured_once() -> None:
    bench = Bench(noise=0.01)
    blocks = Blocks(HERE, measuring=bench)
    first, deeper, wider = network(depth=2), network(depth=5), network(depth=2, width=16)
    distinct = {block_key(part.fragment) for part in first.parts}
    assert len(distinct) < len({part.name for part in deeper.parts})
    blocks.add(first)
    assert (len(bench.graphs), blocks.measured, set(blocks.known)) == (1, len(distinct), distinct)
    before = dict(blocks.known)
    blocks.add(first)
    blocks.add(deeper)  # of the same blocks
    assert (len(bench.graphs), blocks.measured) == (1, len(distinct))
    blocks.add(wider)
    assert len(bench.graphs) == 2
    assert {key: blocks.known[key] for key in before} == before  # the stem was met again, and kept its first number


@pytest.mark.parametrize(
    "other",
    [network(width=12), network(side=16), network(block=Bottleneck())],
    ids=["width", "side", "block"],
)
def test_blocks_that_differ_have_other_keys(other: Graph) -> None:
    def first_block(graph: Graph) -> str:
        return next(block_key(part.fragment) for part in graph.parts if part.name == "stage1.block1")

    assert first_block(network()) != first_block(other)
    assert first_block(network()) == first_block(network(depth=4))


@pytest.mark.parametrize("name", ["resnet8", "vgg11", "googlenet", "nasnet_a_mobile", "densenet40_k12"])
def test_every_block_is_a_network_of_its_own(name: str) -> None:
    graph = NETWORKS[name].at(32).draw((3, 32, 32), 10)
    for part in graph.parts:
        alone = block_graph(part.fragment)
        assert alone.nodes[alone.ends[-1]].shape == part.fragment.shape
        assert len(alone.nodes) == len(part.fragment.nodes) + len(part.fragment.inputs)


def test_the_store_keeps_blocks_by_their_conditions(tmp_path: Path) -> None:
    graph, bench = network(), Bench()
    others = [Conditions("another"), Conditions("a machine", threads=2), Conditions("a machine", batch=8)]
    with open_store(tmp_path / "a.db") as store:
        seconds = Blocks(HERE, StoreTable(store, HERE), bench).seconds(graph)
        assert len(bench.graphs) == 1
    with open_store(tmp_path / "a.db") as store:
        again = Blocks(HERE, StoreTable(store, HERE), bench)
        assert again.seconds(graph) == seconds
        assert (len(bench.graphs), again.measured) == (1, 0)
        for conditions in others:
            assert Blocks(conditions, StoreTable(store, conditions), bench).missing(graph)
        record = store.latencies(**HERE.to_json(), kind="block")[block_key(graph.parts[1].fragment)]
        assert (record.low, record.high, record.runs) == (record.median, record.median + 9, 5)


def test_of_two_searches_the_first_number_stays(tmp_path: Path) -> None:
    graph = network()
    with open_store(tmp_path / "a.db") as store:
        slow = Blocks(HERE, StoreTable(store, HERE), Bench(noise=5.0))
        quick = Blocks(HERE, StoreTable(store, HERE), Bench())  # both have read an empty table
        first = slow.seconds(graph)
        assert quick.seconds(graph) == first
        assert quick.measured == 0
        assert Blocks(HERE, StoreTable(store, HERE), Bench()).seconds(graph) == first


def test_the_blocks_of_a_space_are_met_before_workers_start() -> None:
    bench = Bench()
    blocks = Blocks(HERE, measuring=bench)
    space = Space("few", resnet(Basic(), (OneOf("depth", (1, 2)), 1), (OneOf("width", (4, 8)), 8), CIFAR_STEM))
    meet(blocks.seconds, space, (3, 8, 8), 10)
    for point in ({"depth": d, "width": w} for d in (0, 1) for w in (0, 1)):
        assert not blocks.missing(space.decode(space.point(point)).draw((3, 8, 8), 10))
    assert len(bench.graphs) <= 4


def test_real_blocks_add_up() -> None:
    here = Conditions.here("cpu")
    blocks = Blocks(here, measuring=lambda graph: measure_parts(graph, here, Effort(0.05, 0, 9, 15, 3)))
    graphs = {"small": network(1, 8, 16), "large": network(3, 32, 32), "middle": network(2, 16, 32)}
    found = list(survey(graphs, blocks, Effort(0.1, 0.02, 10, 30, 5)))
    assert [one.name for one in found] == list(graphs)
    assert not any(blocks.missing(graph) for graph in graphs.values())
    # How far sums lie from wholes says nothing on a busy machine; their order does.
    small, large, middle = (one.sum for one in found)
    assert 0 < small < middle < large < 1
    assert all(one.error > -1 for one in found)
    assert found[0].distinct == len({part.fragment for part in graphs["small"].parts[1:]})


def surveyed(whole: float, blocks: Sequence[float], batch: int = 1, spread: float = 0.0) -> Surveyed:
    timing = Timing(whole, whole - spread / 2, whole + spread / 2, 9)
    return Surveyed("n", "k", Cost(), batch, timing, tuple((str(i), own) for i, own in enumerate(blocks)), len(blocks))


def test_the_error_of_a_sum() -> None:
    one, two = surveyed(2.0, [0.5, 1.0]), surveyed(4.0, [4.0, 1.0], batch=8, spread=1.5)
    assert (one.sum, one.error, one.images_per_second, one.busy) == (1.5, -0.25, 0.5, False)
    assert (two.error, two.images_per_second, two.busy) == (0.25, 2.0, True)
    assert mean_absolute_error([one, two]) == 0.25
    assert rank_correlation([one, two]) is None


@given(st.permutations([1.0, 2.0, 3.0, 4.0, 5.0]))
@settings(max_examples=25)
def test_the_rank_correlation_is_spearmans(order: list[float]) -> None:
    found = [surveyed(place + 1.0, [value]) for place, value in enumerate(order)]
    distance = sum((value - place - 1) ** 2 for place, value in enumerate(order))
    assert rank_correlation(found) == pytest.approx(1 - 6 * distance / (5 * 24))
