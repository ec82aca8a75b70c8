"""Our own controller: Bayesian optimisation that knows what each child costs before it is trained.

FLOPs and parameters are exact, so only what is measured (the accuracy) needs a model. Each proposal is the candidate,
of thousands that are priced, whose expected gain in hypervolume is largest under a Gaussian process; with one
objective, whose expected improvement is.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from nas import pareto
from nas.controllers.ledger import Ledger, number, whole
from nas.controllers.pool import Pool
from nas.controllers.surrogate import Judgement, Known, Surrogate

if TYPE_CHECKING:
    from nas.controllers import Proposal
    from nas.controllers.problem import Problem
    from searchspaces import Point

Rows = npt.NDArray[np.float64]

TRIES = 64  # draws for a random proposal
MODELLED = 400  # results that the model knows: a proposal costs their square times the candidates
GOOD = 24  # candidates of the best expected gain whose surroundings are looked at
JUDGED = 50  # latest predictions that the rank correlation is over


class ParetoController:
    """Proposes the child with the largest expected gain of the front.

    The first `startup` proposals are hand-designed networks of the space (at most half of them) and points that lie far
    from those before them. Then each measured objective has a Gaussian process over the axes and the logarithms of
    the costs, around a line along the logarithm of the FLOPs, refitted whenever the results have grown by the share
    `refit`. A child in flight is believed to come out as expected, so that a batch spreads; a child without values
    counts as the worst so far. The volume is that above the worst result that is no outlier, and below the dearest
    candidate.
    """

    def __init__(self, problem: Problem, seed: int, *, startup: int = 8, refit: float = 0.1) -> None:
        self._startup = whole("pareto", "startup", startup, 2)
        self._refit = number("pareto", "refit", refit, 0)
        self._problem, self._rng = problem, random.Random(seed)
        self._signs = np.array([1.0 if objective.maximise else -1.0 for objective in problem.objectives])
        self._ledger = Ledger(problem)
        self._given = _spread(problem, problem.hand_designed(), self._startup // 2)
        self._asked = 0
        self._flying: dict[int, tuple[Point, float | None]] = {}  # with what a model expected
        self._told: list[tuple[Point, tuple[float, ...] | None]] = []
        self._predictions: list[tuple[float, float]] = []  # expected and measured, of what a model proposed
        self._started: list[Point] = []  # the first proposals
        self._pool: Pool | None = None
        self._surrogate: Surrogate | None = None
        self._fitted = 0  # results at the last fit
        self._judgement: Judgement | None = None  # of the present pool; none once something was told
        self._curves: dict[str, float] = {}

    def ask(self) -> Proposal:
        """The child with the largest expected gain. Raises `SpaceExhausted`."""
        self._ledger.check_not_exhausted()
        self._asked += 1
        succeeded = sum(values is not None for _, values in self._told)
        if self._asked <= self._startup or succeeded < 2:
            return self._open(self._first(), None)
        # One thread: small matrices take longer with more, and sums are then the same on every machine.
        with _threads().limit(limits=1, user_api="blas"):
            return self._best()

    def _best(self) -> Proposal:
        if self._judgement is None:
            self._judgement = self._judge()
        pool, judgement = self._pool, self._judgement
        assert pool is not None
        if not pool.points:  # under tight constraints; what random search finds will have neighbours
            return self._open(self._ledger.fresh(self._sample, self._rng, TRIES), None)
        gains = judgement.gains()
        for index in np.argsort(-gains, kind="stable").tolist():
            if gains[index] == -np.inf:
                break
            if self._ledger.acceptable(pool.points[index]):
                self._curves["expected_gain"] = float(gains[index])
                expected = self._first_measured(judgement.means()[index])
                judgement.take(index)
                return self._open(pool.points[index], expected)
        return self._open(self._ledger.fresh(self._sample, self._rng, TRIES), None)

    def tell(self, id: int, values: Sequence[float] | None) -> None:
        """Take the result; the next proposal sees it."""
        point, found = self._ledger.close(id, values)
        _, expected = self._flying.pop(id)
        self._told.append((point, found))
        self._judgement = None
        if expected is not None and found is not None:
            measured = self._first_measured(self._signs * found)
            if measured is not None:
                self._predictions.append((expected, measured))

    @property
    def curves(self) -> dict[str, float]:
        """The model's rank correlation and noise, and the expected gain of the latest proposal.

        The rank correlation (Spearman's) is between predicted and measured values of the latest children that the
        model proposed, each predicted before it was trained; the noise is relative to the spread of the values.
        """
        return dict(self._curves)

    def _first(self) -> Point:
        pool = self._pool = self._pool or Pool(self._ledger, self._rng)
        while self._given:
            point = self._given.pop(0)
            if self._ledger.acceptable(point):
                break
        else:
            far = pool.farthest(self._started)
            while far is not None and not self._ledger.acceptable(far):
                far = pool.farthest(self._started)
            point = far or self._ledger.fresh(self._sample, self._rng, TRIES)
        self._started.append(point)
        return point

    def _sample(self) -> Point:
        return self._problem.space.sample(self._rng)

    def _open(self, point: Point, expected: float | None) -> Proposal:
        proposal = self._ledger.open(point)
        self._flying[proposal.id] = (point, expected)
        return proposal

    # The model

    def _judge(self) -> Judgement:
        """What is expected of every candidate, after everything that was told and asked."""
        self._pool = self._pool or Pool(self._ledger, self._rng)
        if self._surrogate is None:
            exact = self._problem.exact(self._told[0][0])
            measured = [place for place in range(len(self._signs)) if place not in exact]
            self._surrogate = Surrogate(self._pool.encoding.columns, measured)
        points, values = self._results()
        front = pareto.front(values, [True] * values.shape[1])
        self._pool.renew([points[index] for index in front][-GOOD:])
        results = Known(self._pool.rows(points), values)
        if len(self._told) >= (1 + self._refit) * self._fitted:
            self._surrogate.fit(results)
            self._fitted = len(self._told)
            self._report()
        flying = self._known([point for point, _ in self._flying.values()])
        judgement = self._surrogate.judge(results, flying, self._known(self._pool.points))
        if self._pool.crowded:
            self._pool.trim(np.argsort(-judgement.gains(), kind="stable").tolist())
            judgement = self._surrogate.judge(results, flying, self._known(self._pool.points))
        return judgement

    def _known(self, points: Sequence[Point]) -> Known:
        assert self._pool is not None
        return Known(self._pool.rows(points), self._pool.exact(points) * self._signs)

    def _results(self) -> tuple[list[Point], Rows]:
        """The told points that the model is to know, and their values, to be maximised."""
        succeeded = np.array([values for _, values in self._told if values is not None]) * self._signs
        worst = succeeded.min(axis=0)
        rows = np.array([worst if values is None else self._signs * values for _, values in self._told])
        for place, (point, values) in enumerate(self._told):
            if values is None:  # what is exact of a failed child is still known
                for objective, value in self._problem.exact(point).items():
                    rows[place, objective] = self._signs[objective] * value
        points = [point for point, _ in self._told]
        if len(points) <= MODELLED:
            return points, rows
        # The front, the newest, and of the others evenly.
        chosen = dict.fromkeys(pareto.front(rows, [True] * rows.shape[1])[: MODELLED // 3])
        chosen |= dict.fromkeys(range(len(rows) - MODELLED // 3, len(rows)))
        others = [index for index in range(len(rows)) if index not in chosen]
        even = np.linspace(0, len(others) - 1, MODELLED - len(chosen)).astype(int)
        kept = sorted({*chosen, *(others[place] for place in even)})
        return [points[index] for index in kept], rows[kept]

    def _first_measured(self, values: Rows) -> float | None:
        """Of one row of values, that of the first objective that only training tells."""
        assert self._surrogate is not None or not self._predictions
        measured = self._surrogate.measured if self._surrogate else []
        return float(values[measured[0]]) if measured else None

    def _report(self) -> None:
        assert self._surrogate is not None
        self._curves["noise"] = self._surrogate.noise
        latest = self._predictions[-JUDGED:]
        if len(latest) >= 5:
            expected, measured = (_ranks(column) for column in zip(*latest, strict=True))
            if expected.std() > 0 and measured.std() > 0:
                self._curves["rank_correlation"] = float(np.corrcoef(expected, measured)[0, 1])


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def _spread(problem: Problem, points: list[Point], count: int) -> list[Point]:
    """At most so many points, evenly from the cheapest to the dearest."""
    if len(points) <= count:
        return points
    costs = {point: getattr(problem.cost(point), "flops", 0) for point in points}
    ordered = sorted(points, key=costs.__getitem__)
    return [ordered[place] for place in np.linspace(0, len(points) - 1, count).round().astype(int)]


def _ranks(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Ranks from 0; equal values share their mean rank."""
    _, places, counts = np.unique(np.array(values), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: npt.NDArray[np.float64] = (ends - (counts + 1) / 2)[places]
    return ranks
