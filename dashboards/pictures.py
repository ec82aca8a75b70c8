"""Networks drawn as SVG, the last ones kept; and hand-designed networks as documents."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from dashboards.archive import Archive
from dashboards.errors import NotThere
from dashboards.trial_page import find, read_architecture
from nas.errors import NasError, unknown
from searchspaces import NETWORKS, Architecture, InvalidArchitecture, Network, layer_table
from searchspaces.evidence import evidence
from searchspaces.published import released
from searchspaces.summary import summarise

Shape = tuple[int, int, int]


def trial_drawing(archive: Archive, name: str, number: int) -> str:
    """The drawing of a trial's architecture. Raises `NotThere` where there is none, or it cannot be drawn here."""
    study, trial = find(archive, name, number)
    architecture, classes = read_architecture(archive, trial), study.spec.get("classes")
    if architecture is None or study.image is None or not isinstance(classes, int):
        raise NotThere(f"trial {number} of {name!r} cannot be drawn here: it has a block that is not known")
    title = f"{study.name}:{trial.number}" + (f" {trial.name}" if trial.name else "")
    return _drawn(architecture, study.image, classes, title, ())


def network(name: str) -> dict[str, Any]:
    """A hand-designed network: evidence, summary, layer table, and every figure published for that name."""
    found = _network(name)
    graph = found.architecture.draw(found.image, found.classes)
    return {
        **evidence(found),
        "summary": summarise(found.architecture),
        "layers": [layer.to_json() for layer in layer_table(graph)],
        "published": [model.to_json() for model in released("all") if model.name == name],
        "commands": {"describe": f"nas describe {name}", "draw": f"nas describe {name} --draw {name}.svg"},
    }


def network_drawing(name: str) -> str:
    """The drawing of a hand-designed network on its native image. Raises `NotThere`."""
    found = _network(name)
    return _drawn(found.architecture, found.image, found.classes, name, (found.source,))


def _network(name: str) -> Network:
    if name not in NETWORKS:
        raise NotThere(unknown("network", name, NETWORKS))
    return NETWORKS[name]


@lru_cache(maxsize=32)
def _drawn(architecture: Architecture, image: Shape, classes: int, title: str, lines: tuple[str, ...]) -> str:
    from nas.drawing import draw_network

    try:
        return draw_network(architecture, image, classes, title, lines)
    except (InvalidArchitecture, NasError) as error:
        raise NotThere(f"{title} cannot be drawn: {error}") from None
