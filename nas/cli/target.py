"""What `nas describe` is pointed at: a network by name, a trial, a file, or a network in a module of the user's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import NasError, StudyError, unknown

if TYPE_CHECKING:
    from searchspaces import Architecture, Network

Image = tuple[int, int, int]


@dataclass(frozen=True)
class Target:
    """An architecture with its native image and classes; `adapted`: what the small-image rule changed; its source."""

    architecture: Architecture
    image: Image
    classes: int
    adapted: str = ""
    source: str = ""


def find_target(name: str, image: Image | None, storage: str) -> Target:
    """What a name stands for, brought to `image` where it has a native one.

    Raises `NasError`, or `SearchSpaceError` for what is wrong with a file or a module.
    """
    from searchspaces import NETWORKS, Architecture, find_network

    if name in NETWORKS:
        return _network(NETWORKS[name], image)
    if name.endswith(".json") or os.path.isfile(name):
        return Target(Architecture.from_json(_document(Path(name))), (3, 224, 224), 1000)
    head, colon, tail = name.rpartition(":")
    if colon and tail.isdecimal():
        from nas.api import open_study

        study = open_study(head, storage)
        return Target(study.architecture(int(tail)), study.spec.image, study.spec.classes)
    if colon:
        return _network(find_network(name), image)
    raise StudyError(unknown("network", name, NETWORKS) + "; or give STUDY:TRIAL, a JSON file or module:attribute")


def _network(network: Network, image: Image | None) -> Target:
    from searchspaces.adapt import explain

    fitted = network.architecture if image is None else network.at(min(image[1:]))
    channels, height, width = network.image
    note = f" ({network.note})" if network.note else ""
    adapted = explain(network.architecture, fitted)
    return Target(fitted, (channels, height, width), network.classes, adapted, network.source + note)


def _document(path: Path) -> Any:
    """The document in a JSON file, which may be what `nas describe --json` or `nas show --json` prints."""
    from searchspaces import InvalidArchitecture
    from searchspaces.documents import MAX_TEXT, once, parse

    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_TEXT + 1)
    except OSError as error:
        raise NasError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NasError(f"{path}: not a JSON document: not UTF-8 text") from None
    try:
        document = parse(text)
        if isinstance(document, dict) and isinstance(document.get("architecture"), dict):
            once(document)
            return document["architecture"]
    except InvalidArchitecture as error:
        raise NasError(f"{path}: {error}") from None
    return document
