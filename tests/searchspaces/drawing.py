"""Graphs drawn by hand, and a toy block, for tests that need small ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from searchspaces import Block, Canvas, Graph, Tensor
from searchspaces.graph import Part, image_part
from searchspaces.operations import Shape


def drawn(draw: Callable[[Canvas, Tensor], Tensor], image: Shape = (3, 8, 8)) -> Graph:
    """The graph of one function of a canvas and the image."""
    canvas = Canvas(image)
    return Graph((image_part(image), Part("net", canvas.finish(draw(canvas, canvas.inputs[0])), (0,))))


@dataclass(frozen=True)
class ToyExit(Block):
    """A convolution with a classifier of its own."""

    def draw(self, g: Canvas, x: Tensor, width: int, stride: int) -> Tensor:
        x = g.conv(x, width, 3, stride)
        g.auxiliary("auxiliary", g.linear(g.flatten(g.adaptive_pool(x)), 10))
        return x
