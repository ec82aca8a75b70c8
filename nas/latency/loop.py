"""A search whose trials carry their latency, among the metrics that the evaluator reports."""

from __future__ import annotations

from nas.errors import ObjectiveError
from nas.objectives import LATENCY
from nas.study import Loop
from searchspaces import Architecture


class TimedLoop(Loop):
    """A `Loop` that adds the latency, in seconds a batch, to the metrics of every epoch; that of its `Problem`."""

    def epoch(self, id: int, metrics: dict[str, float]) -> bool:
        """Record an epoch with the latency. Raises `ObjectiveError` where the evaluator reports one of its own."""
        if LATENCY in metrics:
            raise ObjectiveError(
                f"the evaluator reports a metric {LATENCY!r} of its own, and the study asks for the measured one; "
                f"ask for {LATENCY}:min, without a constraint on it, or give the metric another name"
            )
        problem = self.terms.problem
        graph = problem.draw(Architecture.from_json(self._flying[id].document)).graph
        assert problem.latency is not None
        assert graph is not None
        return super().epoch(id, {**metrics, LATENCY: problem.latency(graph)})
