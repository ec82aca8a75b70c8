"""The space of NAS-Bench-Macro beside the benchmark's own table, where that is at hand."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from typing import Any

import pytest
from macro_table import FILES, listed

from searchspaces import Graph, NotInSpace, Space, find_space, price
from searchspaces.catalog import LISTINGS
from searchspaces.nasbench_macro import LABELS, LAYERS, code

IMAGE, CLASSES = (3, 32, 32), 10


@cache
def rows() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILES[0].read_text())
    return found


@cache
def space() -> Space:
    return find_space("nasbench_macro", 32)


@cache
def graphs() -> dict[str, Graph]:
    """All 6,561 networks, by the space's own count of them, not by the table's."""
    choices = [{}]
    for axis in space().axes:
        choices = [{**chosen, axis.name: choice} for chosen in choices for choice in range(len(axis))]
    networks = map(space().decode, choices)
    return {code(network): network.draw(IMAGE, CLASSES) for network in networks}


def test_the_axes_are_three_choices_in_each_of_eight_layers() -> None:
    assert [(axis.name, axis.labels) for axis in space().axes] == [(f"layer{i}", LABELS) for i in range(1, 9)]
    assert space().size == 6561
    assert [width for width, _ in LAYERS] == [64] * 2 + [128] * 3 + [256] * 3


def test_the_code_names_every_choice_of_every_layer() -> None:
    for digits in ("00000000", "01201201", "22222222", "02012100"):
        point = {f"layer{place}": int(digit) for place, digit in enumerate(digits, 1)}
        assert code(space().decode(point)) == digits
    with pytest.raises(NotInSpace):
        code(find_space("nasbench_macro", 8).decode(dict.fromkeys((axis.name for axis in space().axes), 0)))
    assert LISTINGS["nasbench_macro"].code is code


@listed
def test_the_table_lists_the_points_of_the_space() -> None:
    assert graphs().keys() == rows().keys()


@listed
def test_our_price_is_the_listed_price_of_every_network() -> None:
    costs = {key: price(graph) for key, graph in graphs().items()}
    differ = {
        key: (cost.params, cost.flops)
        for key, cost in costs.items()
        if (cost.params, cost.flops) != (rows()[key]["params"], rows()[key]["flops"])
    }
    assert differ == {}


@listed
def test_networks_of_one_computation_have_one_result() -> None:
    """An identity keeps a map of one shape as it is, so a layer left out here or there may be the same network."""
    same = defaultdict(list)
    for key, graph in graphs().items():
        same[graph.key].append(key)
    assert len(same) == 3969
    for keys in same.values():
        assert len({json.dumps(rows()[key], sort_keys=True) for key in keys}) == 1, keys
    # And the other way round: what has one result is one computation, so the key tells none apart that are the same.
    assert len({tuple(row["test_acc"]) for row in rows().values()}) == 3969
