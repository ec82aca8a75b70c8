"""A classifier as a fully convolutional network, which slides over larger images (Sermanet et al. 2014, section 3.5).

The graph is rewritten, not the module. A fully connected layer on a flattened map of h × w pixels is a convolution of
kernel h × w with the same weights, and each later one a 1×1 convolution (Simonyan & Zisserman 2015, section 3.2).
Pooling to a fixed size that changes nothing on the native image is left out, and one that averages whole windows there
becomes pooling with that window. At the end the map of scores is averaged. Global pooling stays: it is dense already.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from torch import Tensor, fx

from nas.build import skeleton
from nas.errors import EvaluationError
from searchspaces import Graph
from searchspaces import operations as ops
from searchspaces.canvas import Fragment, Node
from searchspaces.errors import InvalidArchitecture
from searchspaces.graph import MAIN, Part, image_part
from searchspaces.operations import Operation, Shape


def dense_graph(native: Graph, image: Shape) -> Graph:
    """The fully convolutional form of a graph, on `image` (C, H, W); on the native image it computes the same scores.

    Nodes keep their names, and so do their weights. Raises `EvaluationError` for a network that has no such form, and
    for an image that is too small for it.
    """
    form = _Form(image)
    for index, node in enumerate(native.nodes):
        entering = tuple(native.nodes[i].shape for i in node.inputs)
        try:
            form.take(index, node, entering)
        except InvalidArchitecture as error:
            size = "×".join(map(str, image[1:]))
            raise EvaluationError(f"dense evaluation on {size} pixels: {error.problem} ({node.name})") from None
    return form.graph(native.outputs[MAIN])


def dense_module(native: Graph, weights: Mapping[str, Tensor]) -> fx.GraphModule:
    """The fully convolutional form with a native network's weights, on the CPU, in evaluation mode.

    Takes normalised images (N, C, H, W) of any size that `dense_graph` takes, gives scores (N, classes). The weights
    are shared, not copied. Raises `EvaluationError`.
    """
    module = skeleton(dense_graph(native, native.nodes[0].shape))
    wanted = module.state_dict()
    reshaped = {name: weights[name].reshape(tensor.shape) for name, tensor in wanted.items()}
    module.load_state_dict(reshaped, assign=True)
    return module.eval()


class _Form:
    """The new graph, node by node."""

    def __init__(self, image: Shape) -> None:
        self._image = image
        self._nodes: list[Node] = []
        self._place: dict[int, int] = {}  # of a node of the native graph: the new node that gives its value
        self._window: dict[int, Shape] = {}  # of a new node: the map that the native network flattens there

    def take(self, index: int, node: Node, entering: tuple[Shape, ...]) -> None:
        """The native node of that index; `entering`: the native shapes of its inputs."""
        operation, sources = node.operation, tuple(self._place[i] for i in node.inputs)
        if isinstance(operation, ops.Input):
            self._place[index] = -1
        elif isinstance(operation, ops.Flatten):
            self._place[index] = sources[0]
            if len(entering[0]) == 3:
                self._window[sources[0]] = entering[0]
        elif isinstance(operation, ops.AdaptivePool) and operation.size > 1:
            side = _window(operation.size, entering[0], node.name)
            pooled = ops.Pool("avg", side, side)
            self._place[index] = sources[0] if side == 1 else self._add(node.name, pooled, sources)
        elif isinstance(operation, ops.Linear):
            _, height, width = self._window.get(sources[0], (0, 1, 1))
            convolution = ops.Conv(operation.width, (height, width), bias=operation.bias)
            self._place[index] = self._add(node.name, convolution, sources)
        else:
            self._place[index] = self._add(node.name, operation, sources)
            window = self._window.get(sources[0])
            if window is not None and len(node.shape) == 1:  # features that were a map, and still are one here
                if len(sources) > 1 and window[1:] != (1, 1):
                    raise EvaluationError(f"no dense form: {node.name} joins flattened maps; use single or ten crops")
                self._window[self._place[index]] = window

    def graph(self, main: int) -> Graph:
        """The graph, its scores averaged over the map."""
        taken = {node.name for node in self._nodes}
        name = next(name for i in count() if (name := f"scores{i or ''}") not in taken)
        mean = self._add(f"{name}.mean", ops.AdaptivePool(1), (self._place[main],))
        output = self._add(f"{name}.flat", ops.Flatten(), (mean,))
        fragment = Fragment((self._image,), tuple(self._nodes), output)
        return Graph((image_part(self._image), Part("", fragment, (0,))))

    def _add(self, name: str, operation: Operation, sources: tuple[int, ...]) -> int:
        shape = operation.shape(*(self._nodes[i].shape if i >= 0 else self._image for i in sources))
        self._nodes.append(Node(name, operation, sources, shape))
        return len(self._nodes) - 1


def _window(size: int, entering: Shape, name: str) -> int:
    """The side of the windows, all alike, that pooling to `size` pixels averages on the native map."""
    _, height, width = entering
    if height != width or height % size:
        raise EvaluationError(
            f"no dense form: {name} brings a map of {height}×{width} pixels to {size}×{size}, "
            "which no sliding window does; evaluate with single or ten crops"
        )
    return height // size
