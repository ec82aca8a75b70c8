"""What share of a GPU a child of a search takes, so that those that train on it at once fit its memory together."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import floor
from typing import TYPE_CHECKING

from nas.evaluators import TrainingEvaluator
from nas.terms import Terms
from nas.training.memory import children_that_fit, training_memory

if TYPE_CHECKING:
    from nas.evaluators import Evaluator

SAMPLE = 200  # points of the space, drawn to find its dearest child
STEPS = 10_000  # Ray counts GPUs in steps of 0.0001


def share_of(terms: Terms, evaluator: Evaluator) -> Callable[[int], float]:
    """Bytes of a GPU -> the share of it that one child takes: 1 / n where n children fit at once, 1 where none does.

    The dearest child of a sample of the space, under the constraints, and every baseline is taken as the size of all.
    Predicted without autocast, which takes less. Not tried on a GPU.
    """

    def share(device: int) -> float:
        fitting = children_that_fit(device, largest(terms), resident=resident(evaluator, device))
        return floor(STEPS / max(fitting, 1)) / STEPS

    return share


def largest(terms: Terms) -> int:
    """Bytes of the child or baseline with the highest predicted peak; of the children those of a sample."""
    problem, rng = terms.problem, random.Random(terms.seed)
    points = (problem.space.sample(rng) for _ in range(SAMPLE))
    children = (problem.drawn(point) for point in points if problem.allowed(point))
    drawn = (*children, *map(problem.draw, terms.baselines.values()))
    return max((training_memory(each.trained, terms.recipe).peak for each in drawn if each.trained), default=1)


def resident(evaluator: Evaluator, device: int) -> int:
    """Bytes of the data set that each process holds on a GPU of so many bytes; none if it stays on the host."""
    if not isinstance(evaluator, TrainingEvaluator):
        return 0
    from nas.data.streamed import StreamedImages
    from nas.training.placement import DEVICE_SHARE

    splits = evaluator.data.train.images, evaluator.data.validation.images
    held = (images.nbytes for images in splits if not isinstance(images, StreamedImages))
    return sum(size for size in held if size <= DEVICE_SHARE * device)
