"""Which studies may share a front: those whose accuracies were measured in the same way, and what to call them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from nas.spec import data_name

Spec: TypeAlias = Mapping[str, Any]

VALIDATION = 0.2  # share of the images held out that needs no mention, as in nas.data.DataSpec
_IMAGENET = re.compile(r"imagenet|ilsvrc", re.IGNORECASE)


def labels(specs: Iterable[Spec]) -> list[str]:
    """A name for what the children of each stored spec are judged by: equal only where accuracies are comparable.

    That is, where the evaluator, the data's fingerprint and the images are the same. The name says how much of the
    data was used, where that is not all of it; a number tells apart what has the same name. Specs that come later
    never change the names of earlier ones.
    """
    named: dict[str, str] = {}  # identity to label
    found = []
    for spec in specs:
        key = _identity(spec)
        if key not in named:
            label, taken = _label(spec), set(named.values())
            number = next(n for n in range(1, len(taken) + 2) if _numbered(label, n) not in taken)
            named[key] = _numbered(label, number)
        found.append(named[key])
    return found


def is_imagenet(spec: Spec) -> bool:
    """Whether a study trains on ImageNet's thousand classes, so that published figures may be marked beside it."""
    data = spec.get("dataset")
    name = data.get("name") if isinstance(data, Mapping) else None
    return isinstance(name, str) and spec.get("classes") == 1000 and _IMAGENET.search(name) is not None


def _identity(spec: Spec) -> str:
    data = spec.get("data_key")
    if not data and isinstance(document := spec.get("dataset"), Mapping):
        data = {name: value for name, value in document.items() if name != "root"}
    told = [spec.get("evaluator"), data, spec.get("image"), spec.get("classes")]
    return json.dumps(told, sort_keys=True, default=str)


def _label(spec: Spec) -> str:
    try:
        name = data_name(spec)
    except (AttributeError, KeyError, TypeError):
        return "unknown data"
    data = spec.get("dataset")
    return " · ".join([name, *(_parts(data) if isinstance(data, Mapping) else ())])


def _parts(data: Mapping[str, Any]) -> Iterable[str]:
    """What of a dataset differs from all of it, as it is."""
    fraction, side, seed = data.get("fraction"), data.get("image_size"), data.get("seed")
    validation = data.get("validation")
    if isinstance(fraction, (int, float)) and fraction != 1:
        yield f"{100 * fraction:g} %"
    if isinstance(side, int):
        yield f"{side} px"
    if isinstance(validation, (int, float)) and validation != VALIDATION:
        yield f"{100 * validation:g} % held out"
    if isinstance(seed, int) and seed:
        yield f"split {seed}"


def _numbered(label: str, number: int) -> str:
    return label if number == 1 else f"{label} ({number})"
