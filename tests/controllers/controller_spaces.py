"""Small spaces and a synthetic problem with a known shape, for the tests of controllers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from searchspaces import OneOf, Space


def _space(name: str, *template: Any) -> Space:
    return Space(name, template)  # type: ignore[arg-type]  # a tuple of holes is all that a controller needs


def one_point() -> Space:
    return _space("one", OneOf("only", ("here",)), 3)


def no_axes() -> Space:
    return _space("fixed", 1, 2)


def twelve() -> Space:
    """2 + 2 * 5 = 12 points, 10 of them behind one choice."""
    return _space(
        "twelve",
        OneOf("kind", ("plain", (OneOf("kernel", (3, 5)), OneOf("groups", (1, 2, 4, 8, 16))), "other")),
    )


def conditional() -> Space:
    """Four stages, each of one of two blocks with axes of their own, two of them nested; 1.6e7 points."""

    def block(stage: int) -> Any:
        gate = OneOf(f"gate{stage}", ("none", ("se", OneOf(f"squeeze{stage}", (4, 8, 16)))), labels=("none", "se"))
        plain = ("plain", OneOf(f"kernel{stage}", (3, 5, 7)))
        neck = ("neck", OneOf(f"ratio{stage}", (0.25, 0.5, 1.0)), gate)
        return OneOf(f"block{stage}", (plain, neck), labels=("plain", "neck"))

    stages = [(block(stage), OneOf(f"depth{stage}", (1, 2, 3, 4))) for stage in range(3)]
    return _space("conditional", OneOf("act", ("relu", "silu", "gelu")), OneOf("width", (8, 16, 32, 64)), *stages)


def accuracy(point: Mapping[str, int]) -> float:
    """In [0, 1]; stages add up, later ones should be deeper, and equal neighbours help."""
    score = (0.0, 1.0, 0.6)[point["act"]] + point["width"] / 3
    for stage in range(3):
        score += 1 - abs(point[f"depth{stage}"] - (1 + stage)) / 3
        if point[f"block{stage}"] == 0:
            score += (0.3, 0.5, 0.2)[point[f"kernel{stage}"]]
        else:
            score += (0.1, 0.6, 0.4)[point[f"ratio{stage}"]]
            score += 0.4 * (1 - abs(point[f"squeeze{stage}"] - 1) / 2) if point[f"gate{stage}"] else 0.0
        if stage:
            score += 0.5 * (point[f"block{stage}"] == point[f"block{stage - 1}"])
    return score / 9


def flops(point: Mapping[str, int]) -> float:
    """Four times for each step in width; kernels and ratios count as in a real block."""
    depth = sum(
        (1 + point[f"depth{stage}"])
        * ((3 + 2 * point[f"kernel{stage}"]) ** 2 if point[f"block{stage}"] == 0 else 6 * 2 ** point[f"ratio{stage}"])
        for stage in range(3)
    )
    return 1e5 * 4.0 ** point["width"] * depth
