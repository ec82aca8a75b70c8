"""`Member`: a trained network that is evaluated, alone or in an ensemble: a checkpoint, or ported weights."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from nas.checkpoint import Checkpoint, listed, read_checkpoint
from nas.errors import CheckpointError, EvaluationError
from nas.evaluation.dense import dense_graph, dense_module
from nas.evaluation.views import Native
from nas.recipe import Recipe
from searchspaces import NETWORKS, Architecture, Graph
from searchspaces.errors import InvalidArchitecture

if TYPE_CHECKING:
    from torch import Tensor, nn

DEFAULT_RELEASE = "default"  # of ported weights: what the library has made its default


@dataclass(frozen=True, eq=False)
class Member:
    """A trained network as evaluation needs it.

    `name`: what was asked for. `classes`: by output, None where only their order is known: ported weights number the
    classes as sorted folder names do. `mean`, `std`: as in a `Checkpoint`. `recipe`: None for ported weights, which
    compute in float32. `dataset`: a `DataSpec` document of what it was trained on, or nothing. `release`: of
    ported weights, if it is known. `guessed`: the file of ported weights whose release is not known, so that images are
    prepared as for the library's default one.
    """

    name: str
    architecture: Architecture
    outputs: int
    classes: tuple[str, ...] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    native: Native
    weights: Mapping[str, Tensor]
    recipe: Recipe | None = None
    dataset: Mapping[str, object] | None = None
    release: str = ""
    guessed: str = ""

    @cached_property
    def graph(self) -> Graph:
        """The network on its native image."""
        return self.graph_at(*self.native.sides)

    def graph_at(self, height: int, width: int) -> Graph:
        """The network on another image. Raises `EvaluationError`."""
        try:
            return self.architecture.draw((self.native.channels, height, width), self.outputs)
        except InvalidArchitecture as error:
            raise EvaluationError(f"{self.name}: images of {height}×{width} pixels: {error.problem}") from None

    def module(self, height: int, width: int) -> nn.Module:
        """The network for images of that size, on the CPU, in evaluation mode.

        Raises `EvaluationError` where it takes no such images, as with fully connected layers on the whole map.
        """
        from nas.build import skeleton

        made = skeleton(self.graph_at(height, width))
        for name, wanted in made.state_dict().items():
            if self.weights[name].shape != wanted.shape:
                own = "×".join(map(str, self.native.sides))
                raise EvaluationError(
                    f"{self.name}: {name} is trained for images of {own} pixels, not {height}×{width}; "
                    "use crops of that size, or dense views"
                )
        made.load_state_dict(dict(self.weights), assign=True)
        return made.eval()

    @cached_property
    def dense(self) -> nn.Module:
        """Its fully convolutional form. Raises `EvaluationError` where there is none."""
        try:
            return dense_module(self.graph, self.weights)
        except EvaluationError as error:
            raise EvaluationError(f"{self.name}: {error}") from None

    def check_dense(self, height: int, width: int) -> None:
        """Raises `EvaluationError` for images that are too small for the fully convolutional form."""
        try:
            dense_graph(self.graph, (self.native.channels, height, width))
        except EvaluationError as error:
            raise EvaluationError(f"{self.name}: {error}") from None

    @cached_property
    def bytes_per_pixel(self) -> float:
        """About what a forward pass needs for each pixel of an image: three of the largest maps in float32."""
        return 3 * 4 * max(prod(node.shape) for node in self.graph.nodes) / prod(self.native.sides)

    def order(self, classes: Sequence[str], where: str) -> list[int]:
        """For each of these classes, the output that stands for it: by name, in whatever order.

        Raises `EvaluationError` where they are not those that the network was trained for.
        """
        if self.classes is None:
            if len(classes) != self.outputs:
                raise EvaluationError(
                    f"{where} has {len(classes)} classes, {self.name} {self.outputs}: ported weights want a folder for "
                    "each, whose sorted names are in the order of the outputs"
                )
            return list(range(self.outputs))
        unknown = [name for name in classes if name not in self.classes]
        missing = [name for name in self.classes if name not in classes]
        if unknown or missing:
            said = [f"{where} has {listed(unknown)}, which {self.name} was not trained for"] if unknown else []
            said += [f"{'it' if unknown else where} lacks {listed(missing)}" + _of(self, unknown)] if missing else []
            raise EvaluationError(f"classes do not match: {'; '.join(said)}")
        return [self.classes.index(name) for name in classes]


def from_checkpoint(path: str) -> Member:
    """The network in a checkpoint's file. Raises `CheckpointError`."""
    return of_checkpoint(read_checkpoint(path), path)


def of_checkpoint(found: Checkpoint, name: str) -> Member:
    """A checkpoint as a member of that name. Raises `EvaluationError` for images that are neither grey nor RGB."""
    channels, height, width = found.image
    if channels not in (1, 3):
        raise EvaluationError(f"{name}: images of {channels} channels cannot be read; grey has 1, RGB 3")
    return Member(
        name=name,
        architecture=found.architecture,
        outputs=len(found.classes),
        classes=found.classes,
        mean=found.mean,
        std=found.std,
        native=Native(channels, (height, width), mirror=found.recipe.flip),
        weights=found.weights,
        recipe=found.recipe,
        dataset=found.dataset,
    )


def from_library(name: str, weights: str) -> Member:
    """A hand-designed network with its twin's weights: the name of a release, "default", or a file.

    Images are prepared as the library prepares them for that release; a file is of the release whose file has that
    name, else taken to be of the default one. Raises `PretrainedError`.
    """
    from nas.pretrained import load_pretrained, preprocessing

    module = load_pretrained(name, None if weights == DEFAULT_RELEASE else weights)
    release = _release(name, weights)
    prepared = preprocessing(name, release or None)
    network = NETWORKS[name]
    return Member(
        name=name,
        architecture=network.architecture,
        outputs=network.classes,
        classes=None,
        mean=prepared.mean,
        std=prepared.std,
        native=Native(
            network.image[0], (prepared.crop, prepared.crop), prepared.resize, prepared.interpolation, mirror=True
        ),
        weights=module.state_dict(),
        release=release,
        guessed="" if release or weights == DEFAULT_RELEASE else os.path.basename(weights),
    )


def _release(name: str, weights: str) -> str:
    """The release that a word means, or that published a file of that name; nothing where none is known."""
    twin = NETWORKS[name].twin
    if twin is None or twin.library != "torchvision":
        return ""
    from torchvision import models

    known = models.get_model_weights(twin.model)
    if weights == DEFAULT_RELEASE:
        return str(known["DEFAULT"].name)
    file = os.path.basename(weights)
    matching = (release.name for release in known if weights == release.name or file == release.url.rpartition("/")[2])
    return str(next(matching, ""))


def find_members(targets: Sequence[str], weights: str | None) -> list[Member]:
    """Each target: a checkpoint's file, or with `weights` a network by its name.

    Raises `CheckpointError`, `PretrainedError`, and `EvaluationError` where a network is named without weights.
    """
    members = []
    for target in targets:
        if target in NETWORKS and not os.path.exists(target):
            if weights is None:
                raise EvaluationError(
                    f"{target} is a network without weights; give --weights RELEASE or FILE, or a checkpoint's file"
                )
            members.append(from_library(target, weights))
        else:
            members.append(_checkpoint_or_hint(target))
    if weights is not None and all(member.recipe for member in members):
        raise EvaluationError(f"weights {weights}: they are for a network by its name; a checkpoint has its own")
    return _with_names_apart(members)


def _checkpoint_or_hint(target: str) -> Member:
    try:
        return from_checkpoint(target)
    except CheckpointError as error:
        if os.path.exists(target) or os.sep in target or "." in target:
            raise
        raise CheckpointError(f"{error}, and no network (see nas networks)") from None


def _with_names_apart(members: list[Member]) -> list[Member]:
    for first, second in ((a, b) for i, a in enumerate(members) for b in members[:i]):
        if first.name == second.name:
            raise EvaluationError(f"{first.name} is given twice; an ensemble is of different networks")
    return members


def _of(member: Member, unknown: Sequence[str]) -> str:
    return "" if unknown else f", which {member.name} was trained for"
