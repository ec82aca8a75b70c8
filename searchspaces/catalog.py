"""Every named network and space, gathered from the files of their families.

To add a family: a module with `NETWORKS` and `SPACES`, and its name in `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import TypeVar

from searchspaces import mobilenet, residual_spaces, resnet, vgg
from searchspaces.axes import Space
from searchspaces.errors import InvalidSpace
from searchspaces.network import Network

FAMILIES: tuple[ModuleType, ...] = (resnet, residual_spaces, mobilenet, vgg)

SpaceFactory = Callable[[int], Space]
T = TypeVar("T")


def _merge(known: dict[str, T], found: Mapping[str, T], family: str) -> None:
    for name in found:
        if name in known:
            raise InvalidSpace(f"{family}: the name {name!r} is taken already")
    known.update(found)


def _gather(families: Iterable[ModuleType]) -> tuple[dict[str, Network], dict[str, SpaceFactory]]:
    networks: dict[str, Network] = {}
    spaces: dict[str, SpaceFactory] = {}
    for family in families:
        for network in getattr(family, "NETWORKS", ()):
            _merge(networks, {network.name: network}, family.__name__)
        _merge(spaces, getattr(family, "SPACES", {}), family.__name__)
    return networks, spaces


NETWORKS, SPACES = _gather(FAMILIES)
