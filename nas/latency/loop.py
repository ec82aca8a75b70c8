"""A search whose trials carry their latency, among the metrics that the evaluator reports."""

from __future__ import annotations

from nas.errors import ObjectiveError
from nas.objectives import LATENCY
from nas.study import Loop


class TimedLoop(Loop):
    """A `Loop` that adds the latency, in seconds a batch, to the metrics of every epoch; `terms.latency` gives it."""

    def epoch(self, id: int, metrics: dict[str, float]) -> bool:
        """Record an epoch with the latency. Raises `ObjectiveError` where the evaluator reports one of its own."""
        if LATENCY in metrics:
            raise ObjectiveError(
                f"the evaluator reports a metric {LATENCY!r} of its own, and the study asks for the measured one; "
                f"ask for {LATENCY}:min, without a constraint on it, or give the metric another name"
            )
        terms = self.terms
        assert terms.latency is not None
        graph = self._flying[id].architecture.draw(terms.image, terms.classes)
        return super().epoch(id, {**metrics, LATENCY: terms.latency(graph)})
