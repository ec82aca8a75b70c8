"""REINFORCE: a policy over the axes, trained by policy gradient (Zoph & Le 2017; Williams 1992)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nas.controllers.ledger import Ledger, flag, number, whole
from nas.controllers.policy import CategoricalPolicy, Policy
from nas.controllers.recurrent import RecurrentPolicy
from nas.controllers.rewards import Rewards
from nas.errors import ControllerError, unknown

if TYPE_CHECKING:
    from nas.controllers import Proposal
    from nas.controllers.policy import Vector
    from nas.controllers.problem import Problem
    from nas.controllers.rewards import Values
    from searchspaces import Point

DRAWS = 16  # from the policy at a time
TRIES = 32  # draws before a new point is looked for nearby
IMITATION_STEPS = 50  # at most
POLICIES = ("recurrent", "independent")


class ReinforceController:
    """Samples children from a policy and takes one gradient step on it for every `batch` results.

    A batch is the next `batch` results to come in, whichever they are, taken in order of id: no child is waited
    for, and children that were sampled before a step may be part of a later one. The advantage of a result is its score
    among those so far, less a moving average of the scores (the baseline). Scores go by rank (`Rewards`), so outliers
    and units do not matter, and grow with the logarithm of how few results are better.

    policy: "recurrent" chooses axis by axis, each in view of those before; "independent" has one distribution an axis.
    batch: results a step. learning_rate: of Adam, for the recurrent network. bias_rate: of Adam, for the logits that
    a choice has whatever was chosen before (all there is to the independent policy). They learn what is good by itself,
    which takes few results; the network corrects them. entropy_bonus: weight of the policy's entropy, in nats, against
    the advantage, which has about unit scale; it keeps the policy from settling too early. baseline_decay: of the
    moving average, a step. by_front: rank several objectives by non-dominated front; else by one reward, which
    `cost_weight` goes into (see `Rewards`). imitation: how far the policy goes towards the space's hand-designed
    networks before the first proposal, as a share of the way in log-likelihood: 0 not at all; at 0.5 it chooses each
    as readily as a point of a space with the square root of the number of points. Worth it where those networks were
    designed for such images: the narrow ones for small images led astray on every made-up problem.
    """

    name: ClassVar[str] = "reinforce"

    def __init__(
        self,
        problem: Problem,
        seed: int,
        *,
        policy: str = "recurrent",
        batch: int = 4,
        learning_rate: float = 0.02,
        bias_rate: float = 0.4,
        entropy_bonus: float = 0.05,
        baseline_decay: float = 0.8,
        by_front: bool = True,
        cost_weight: float = 0.07,
        imitation: float = 0.0,
    ) -> None:
        name = self.name
        self._batch = whole(name, "batch", batch, 1)
        self._entropy_bonus = number(name, "entropy_bonus", entropy_bonus, 0)
        self._decay = number(name, "baseline_decay", baseline_decay, 0, 1)
        self._rewards = Rewards(problem, number(name, "cost_weight", cost_weight, 0), flag(name, "by_front", by_front))
        self._rng = random.Random(seed)
        self._ledger = Ledger(problem)
        slow, fast = number(name, "learning_rate", learning_rate, 0), number(name, "bias_rate", bias_rate, 0)
        if policy not in POLICIES:
            raise ControllerError(unknown(f"policy of controller {name!r}", policy, POLICIES))
        self._policy: Policy = (
            RecurrentPolicy(problem.space, slow, fast, self._rng.getrandbits(32))
            if policy == "recurrent"
            else CategoricalPolicy(problem.space, fast)
        )
        self._imitate(problem.hand_designed(), number(name, "imitation", imitation, 0, 1))
        self._drawn: list[Point] = []
        self._results: dict[int, tuple[Point, Values]] = {}
        self._baseline: float | None = None
        self._curves: dict[str, float] = {}

    def ask(self) -> Proposal:
        """A new point drawn from the policy, or one near it once the policy has settled. Raises `SpaceExhausted`."""
        return self._ledger.open(self._ledger.fresh(self._draw, self._rng, TRIES))

    def tell(self, id: int, values: Sequence[float] | None) -> None:
        """Take the result; every `batch`-th one improves the policy."""
        self._results[id] = self._ledger.close(id, values)
        if len(self._results) == self._batch:
            results = [self._results[told] for told in sorted(self._results)]
            self._results = {}
            self._learn([point for point, _ in results], [found for _, found in results])

    @property
    def curves(self) -> dict[str, float]:
        """After the latest step: the batch's mean reward and mean score, the baseline of the scores, and the entropy.

        The entropy is the policy's, in nats. A batch that failed altogether repeats the reward before.
        """
        return dict(self._curves)

    def _improve(self, points: Sequence[Point], advantages: Vector) -> dict[str, float]:
        """Step the policy; gives more curves."""
        self._policy.step(points, lambda _: advantages, self._entropy_bonus)
        return {}

    def _learn(self, points: Sequence[Point], values: Sequence[Values]) -> None:
        scores, reward = self._rewards.take(values)
        if reward is None and not self._curves:
            return  # nothing has succeeded yet, so there is nothing to compare
        score = float(scores.mean())
        baseline = score if self._baseline is None else self._baseline
        self._baseline = self._decay * baseline + (1 - self._decay) * score
        more = self._improve(points, scores - baseline)
        self._drawn = []
        self._curves = {
            "reward": self._curves["reward"] if reward is None else reward,
            "score": score,
            "baseline": self._baseline,
            "entropy": float(self._policy.entropies(points).mean()),
            **more,
        }

    def _draw(self) -> Point:
        self._drawn = self._drawn or self._policy.sample(self._rng, DRAWS)
        return self._drawn.pop()

    def _imitate(self, points: Sequence[Point], share: float) -> None:
        """Maximum likelihood of the points, up to that share of what there is to gain."""
        if not points:
            return
        goal = (1 - share) * self._policy.log_probabilities(points).mean()
        for _ in range(IMITATION_STEPS):
            if self._policy.log_probabilities(points).mean() >= goal:
                return
            self._policy.step(points, np.ones_like, 0.0)
