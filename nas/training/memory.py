"""Peak memory of training a child, predicted from its graph before it is built; how many children fit one GPU.

What autograd keeps of each operation follows the formulas of PyTorch's derivatives and what `nas.build` makes of the
operation; `tests/test_memory.py` compares both with what PyTorch really keeps. The peak is found by walking through a
step: forward, each value is freed after its last reader unless it is kept; backward, what is kept is freed again
while gradients come and go. Not counted: workspace of convolution kernels, fragmentation, rounding of allocations.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, prod

from nas.errors import RecipeError
from nas.recipe import Recipe
from nas.training.kept import BYTES, Values
from searchspaces import operations as ops
from searchspaces.graph import Graph

CONTEXT = 512 * 2**20  # bytes of a process on a GPU before its first tensor: CUDA and its libraries, roughly
MARGIN = 1.15  # for what is not counted in a prediction; not measured on a GPU


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes while a child trains.

    standing: weights, running statistics, the optimizer's state and the averaged weights, all the time. kept: what
    autograd keeps for the backward pass, all of it at the end of the forward pass. step: the most at any moment of a
    step beside `standing`: kept values, passing values, gradients, the batch. measuring: the same while measuring.
    """

    standing: int
    kept: int
    step: int
    measuring: int

    @property
    def peak(self) -> int:
        """The most at any moment."""
        return self.standing + max(self.step, self.measuring)


def training_memory(graph: Graph, recipe: Recipe, *, batch: int | None = None, narrow: bool = False) -> TrainingMemory:
    """What training this graph with this recipe takes, in steps of `batch` images (None: the recipe's).

    `narrow`: whether autocast computes in a type of two bytes (`nas.training.forward.narrow_type`). The graph is the
    one that is trained, auxiliary classifiers included. Raises `RecipeError` for fewer than one image.
    """
    batch = recipe.batch_size if batch is None else batch
    if batch < 1:
        raise RecipeError(f"memory of a step of {batch} images; there must be at least 1")
    values = Values.of(graph, narrow=narrow, channels_last=recipe.channels_last)
    weights = sum(params_of(graph, i) for i in range(len(graph.nodes)))
    # Scale, shift and counter of a normalisation's running statistics are buffers.
    statistics = sum(2 * node.shape[0] for node in graph.nodes if isinstance(node.operation, ops.Norm))
    copies = (2 if recipe.optimizer == "adamw" else 1 if recipe.momentum else 0) + 1
    standing = BYTES * (weights * copies + statistics + (weights + statistics) * (recipe.ema > 0))
    cast = 2 * weights if narrow else 0  # autocast keeps a narrow copy of the weights during a pass
    image = prod(graph.nodes[0].shape)
    # The bytes, and the floats before the first operation; what autograd keeps of them is counted there.
    entering = image * (1 + BYTES)
    scores = sum(prod(graph.nodes[i].shape) for i in graph.outputs.values())
    loss = 3 * BYTES * scores  # scores in float32, their log-softmax, and its gradient
    step = batch * (entering + loss) + cast + max(values.forward_peak(batch, keep=True), values.backward_peak(batch))
    measured = recipe.eval_batch_size
    return TrainingMemory(
        standing=standing,
        kept=values.kept(batch),
        step=step,
        measuring=measured * (entering + loss) + cast + values.forward_peak(measured, keep=False),
    )


def params_of(graph: Graph, index: int) -> int:
    """Trained parameters of one node."""
    node = graph.nodes[index]
    return node.operation.params(*(graph.nodes[i].shape for i in node.inputs))


def children_that_fit(device: int, peak: int, *, resident: int = 0) -> int:
    """How many children train at once in `device` bytes of GPU memory, each in a process of its own.

    `peak`: predicted bytes of one child; `resident`: bytes of the data set on the device, which each process holds.
    A process itself takes about 0.5 GiB. Zero when not even one fits. Raises `RecipeError` for a negative number of
    bytes, or a child of none.
    """
    for what, size, least in (("GPU", device, 0), ("child", peak, 1), ("data set", resident, 0)):
        if size < least:
            raise RecipeError(f"memory: a {what} of {size} bytes; at least {least}")
    return floor(device / (CONTEXT + resident + MARGIN * peak))
