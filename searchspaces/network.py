"""`Network`: a named hand-designed architecture with the image it was made for, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from searchspaces.adapt import fit
from searchspaces.architecture import Architecture
from searchspaces.operations import Shape


@dataclass(frozen=True)
class Network:
    """A hand-designed network. `image` is its native (channels, height, width), `classes` its native class count."""

    name: str
    architecture: Architecture
    source: str
    image: Shape = (3, 224, 224)
    classes: int = 1000
    note: str = ""

    def at(self, image: int) -> Architecture:
        """The architecture as the rule in `searchspaces.adapt` brings it to images of `image` pixels a side."""
        return fit(self.architecture, self.image[1], image)


def cifar(name: str, architecture: Architecture, source: str) -> Network:
    """A network made for CIFAR-10: 32 pixels, 10 classes."""
    return Network(name, architecture, source, (3, 32, 32), 10)


def points(networks: Iterable[Network], names: Iterable[str], image: int) -> Mapping[str, Architecture]:
    """The named ones among `networks`, each brought to `image` pixels."""
    known = {network.name: network for network in networks}
    return {name: known[name].at(image) for name in names}
