"""Which hand-designed networks a search trains beside its children, under the same recipe.

By default those of its space, and for reference a ResNet and a MobileNet, as far as they can be paid:
a network that costs more than `AFFORDABLE` median children is left out and named.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from nas.errors import StudyError, unknown
from searchspaces import NETWORKS, Architecture, InvalidArchitecture, Space, price

AFFORDABLE = 8.0
SAMPLE = 64  # random children whose median price is the yardstick

# Of each list, the first that can be paid stands for its family.
REFERENCES = (
    ("resnet50", "resnet18", "resnet20", "resnet14", "resnet8"),
    ("mobilenet_v2", "mobilenet_v2_x0_5", "mobilenet_v2_x0_25"),
)


@dataclass(frozen=True)
class Baselines:
    """The networks to train, brought to the image, in order of FLOPs; and the names left out as too dear."""

    networks: dict[str, Architecture]
    left_out: tuple[str, ...] = ()


def choose(space: Space, wish: str | Sequence[str], image: tuple[int, int, int], classes: int) -> Baselines:
    """The baselines for a space: `wish` is `auto`, `all` (of the space), `none`, or names of networks.

    Raises `StudyError` for an unknown name.
    """
    flops = _Prices(image, classes)
    if wish == "none":
        return Baselines({})
    if wish == "all":
        return Baselines(flops.ordered(space.networks))
    if wish != "auto":
        names = [wish] if isinstance(wish, str) else wish
        return Baselines({name: find(name, space, image) for name in names})
    rng = random.Random(0)
    children = [flops.of(space.decode(space.sample(rng))) for _ in range(SAMPLE)]
    limit = AFFORDABLE * median(children)
    wanted = {name: network for name, network in space.networks.items() if flops.of(network) <= limit}
    for family in REFERENCES:
        fitted = {name: find(name, space, image) for name in family}
        paid = next((name for name, network in fitted.items() if flops.of(network) <= limit), None)
        if paid is not None:
            wanted.setdefault(paid, fitted[paid])
    left_out = tuple(name for name in space.networks if name not in wanted)
    return Baselines(flops.ordered(wanted), left_out)


def find(name: str, space: Space, image: tuple[int, int, int]) -> Architecture:
    """The network of this name, of the space or the catalogue, brought to the image. Raises `StudyError`."""
    if name in space.networks:
        return space.networks[name]
    if name not in NETWORKS:
        raise StudyError(unknown("network", name, NETWORKS))
    return NETWORKS[name].at(min(image[1:]))


class _Prices:
    def __init__(self, image: tuple[int, int, int], classes: int) -> None:
        self.image, self.classes = image, classes

    def of(self, architecture: Architecture) -> float:
        """Its FLOPs; infinite where it cannot be drawn."""
        try:
            return price(architecture.draw(self.image, self.classes)).flops
        except InvalidArchitecture:
            return float("inf")

    def ordered(self, networks: Mapping[str, Architecture]) -> dict[str, Architecture]:
        """From the cheapest to the dearest."""
        return dict(sorted(networks.items(), key=lambda item: self.of(item[1])))
