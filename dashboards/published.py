"""`/api/published`: ImageNet classifiers as others trained them. Never beside figures that were measured here."""

from __future__ import annotations

from typing import Any

from nas import pareto
from searchspaces import NETWORKS
from searchspaces.published import RELEASED, released

COSTS = ("flops", "params")


def published(x: str, weights: str) -> dict[str, Any]:
    """The document: the models of a release, and which of them are on the front of top-1 accuracy against `x`.

    `network` of a model: whether /api/networks has it. Raises `SearchSpaceError` for another word than a release.
    """
    models = released(weights)
    values = [(model.top1, float(getattr(model, x))) for model in models]
    return {
        "label": "published, ImageNet",
        "x": x,
        "weights": weights,
        "note": f"{RELEASED[weights]}. Training recipes differ, and with them the accuracy.",
        "models": [{**model.to_json(), "network": model.name in NETWORKS} for model in models],
        "front": pareto.front(values, (True, False)),
    }
