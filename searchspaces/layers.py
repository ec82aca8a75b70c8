"""The per-layer table of a network, as in the lectures on it, and its receptive field."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from searchspaces.cost import BYTES, operation_cost
from searchspaces.graph import MAIN, Graph
from searchspaces.operations import Activation, Conv, Dropout, Input, Norm, Pool, Shape

_FOLDED = (Norm, Activation, Dropout)  # these have no row: they count with the layer that feeds them


@dataclass(frozen=True)
class Layer:
    """One row: a layer with the normalisation and activation after it.

    `output` is a shape; `memory` its bytes in float32; `receptive_field` pixels of the image along one side.
    """

    name: str
    kind: str
    kernel: int | None
    stride: int | None
    output: Shape
    memory: int
    params: int
    flops: int
    receptive_field: int

    def to_json(self) -> dict[str, Any]:
        """The row as a plain dict."""
        return asdict(self)


def layer_table(graph: Graph) -> list[Layer]:
    """The layers in the order in which they were drawn; parameters and FLOPs add up to the price."""
    fields = _fields(graph)
    rows: list[Layer] = []
    row_of: dict[int, int] = {}
    for index, node in enumerate(graph.nodes):
        operation = node.operation
        if isinstance(operation, Input):
            continue
        cost = operation_cost(operation, tuple(graph.nodes[i].shape for i in node.inputs), node.shape)
        if isinstance(operation, _FOLDED) and node.inputs[0] in row_of:
            row_of[index] = row_of[node.inputs[0]]
            if cost.params:
                row = rows[row_of[index]]
                rows[row_of[index]] = Layer(**{**row.__dict__, "params": row.params + cost.params})
            continue
        row_of[index] = len(rows)
        kernel = max(operation.kernel) if isinstance(operation, Conv) else getattr(operation, "kernel", None)
        stride = operation.stride if isinstance(operation, (Conv, Pool)) else None
        rows.append(
            Layer(
                node.name,
                operation.kind,
                kernel,
                stride,
                node.shape,
                BYTES * prod(node.shape),
                cost.params,
                cost.flops,
                fields[index][0],
            )
        )
    return rows


def receptive_field(graph: Graph) -> int:
    """Pixels of the image, along one side, that the last map before the head's pooling depends on.

    Grows by (window − 1) × the strides so far at each layer (Araujo et al. 2019, equation 2); of several
    inputs the largest counts. It may exceed the image.
    """
    fields = _fields(graph)
    maps = [index for index, node in enumerate(graph.nodes) if len(node.shape) == 3 and max(node.shape[1:]) > 1]
    return fields[maps[-1]][0] if maps else fields[graph.outputs[MAIN]][0]


def _fields(graph: Graph) -> list[tuple[int, int]]:
    """For each node, its receptive field and the distance between its pixels, both in pixels of the image."""
    found: list[tuple[int, int]] = []
    for node in graph.nodes:
        entering = [found[i] for i in node.inputs] or [(1, 1)]
        # Of a map and its gate, only the map has pixels: its step is the smaller one.
        field, jump = max(field for field, _ in entering), min(jump for _, jump in entering)
        window, stride = node.operation.reach(graph.nodes[node.inputs[0]].shape) if node.inputs else (1, 1)
        found.append((field + (window - 1) * jump, jump * stride))
    return found
