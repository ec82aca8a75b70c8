"""PPO: several clipped steps from every batch of results (Schulman et al. 2017, eq. 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nas.controllers.ledger import number, whole
from nas.controllers.reinforce import ReinforceController

if TYPE_CHECKING:
    from nas.controllers.policy import Vector
    from nas.controllers.problem import Problem
    from searchspaces import Point


class PPOController(ReinforceController):
    """`epochs` gradient steps for every batch; a point whose probability has moved far enough moves no further.

    Far enough is a factor of 1 + clip, up for a good point and down for a bad one, from what it was when the batch was
    complete. (Not when the point was drawn: the policy may have moved on while the child was trained. What keeps the
    steps small is one policy, and what is corrected for another; Hilton et al. 2021.)

    epochs: steps a batch. clip: see above. The other options: see `ReinforceController`.
    """

    name: ClassVar[str] = "ppo"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        policy: str = "recurrent",
        batch: int = 4,
        epochs: int = 4,
        clip: float = 0.2,
        learning_rate: float = 0.01,
        bias_rate: float = 0.15,
        entropy_bonus: float = 0.05,
        baseline_decay: float = 0.8,
        by_front: bool = True,
        cost_weight: float = 0.07,
        imitation: float = 0.0,
    ) -> None:
        self._epochs = whole("ppo", "epochs", epochs, 1)
        self._clip = number("ppo", "clip", clip, 0)
        super().__init__(
            problem,
            seed,
            policy=policy,
            batch=batch,
            learning_rate=learning_rate,
            bias_rate=bias_rate,
            entropy_bonus=entropy_bonus,
            baseline_decay=baseline_decay,
            by_front=by_front,
            cost_weight=cost_weight,
            imitation=imitation,
        )

    def _improve(self, points: Sequence[Point], advantages: Vector) -> dict[str, float]:
        before = self._policy.log_probabilities(points)
        for _ in range(self._epochs):
            self._policy.step(
                points, lambda now: surrogate_weights(now, before, advantages, self._clip), self._entropy_bonus
            )
        after = self._policy.log_probabilities(points)
        return {
            "clip_fraction": float((np.abs(np.exp(after - before) - 1) > self._clip).mean()),
            "kl": float((before - after).mean()),  # an estimate, which may be negative
        }


def surrogate_weights(now: Vector, before: Vector, advantages: Vector, clip: float) -> Vector:
    """The derivative of min(r A, clamp(r, 1 - clip, 1 + clip) A) by the log-probability; r = exp(now - before)."""
    ratio = np.exp(np.minimum(now - before, 50.0))  # beyond that it is clipped, or about to be
    free = np.where(advantages >= 0, ratio <= 1 + clip, ratio >= 1 - clip)
    found: Vector = np.where(free, ratio * advantages, 0.0)
    return found
