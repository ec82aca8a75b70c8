"""Degradation: whether a deeper network has the larger training error, with and without shortcuts.

After He et al. 2016, Deep Residual Learning, section 4 and figures 4 and 6. Every network is trained alike; after
every epoch its error is measured on a sample of its training images, in evaluation mode and without augmentation,
and on images held out of them. The test split is not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from nas.data import Dataset, DataSpec, Split, load
from nas.errors import ReproductionError, TrainingError, unknown
from nas.recipe import Recipe
from nas.reproduction.curves import follow, sample_of
from nas.retraining.folder import claimed
from nas.retraining.recipes import final_recipe
from nas.retraining.retrain import Observer, Silent
from nas.retraining.summary import cost_of
from nas.retraining.tasks import Task
from searchspaces import NETWORKS
from searchspaces.errors import SearchSpaceError

if TYPE_CHECKING:
    import torch

LARGE = 64  # from so many pixels on the ImageNet forms are compared
IMAGENET = ("plain18", "plain34", "resnet18", "resnet34")
CIFAR = ("plain20", "plain56", "resnet20", "resnet56")
MEASURED = 5000  # training images on which the training error is measured
BATCH, RATE = 128, 0.1  # of the paper, for CIFAR
_NAME = re.compile(r"([a-z_]*[a-z])_?(\d+)")


@dataclass(frozen=True)
class Member:
    """One network of the comparison; `series`: its name without the depth, such as plain."""

    task: Task
    series: str
    depth: int
    cost: Mapping[str, int]

    @property
    def name(self) -> str:
        """As the catalogue has it."""
        return self.task.source


@dataclass(frozen=True, eq=False)
class Order:
    """Everything a command asks for. `measured`: training images that the training error is measured on."""

    members: tuple[Member, ...]
    spec: DataSpec
    data: Dataset
    recipe: Recipe
    seeds: int = 1
    measured: int = MEASURED
    output: Path = Path("reproduced")
    device: str = "auto"

    def identity(self, member: Member) -> dict[str, Any]:
        """What a training is the same by."""
        return {
            "architecture": member.task.architecture.key,
            "data": self.data.key,
            "recipe": self.recipe.to_json(),
            "measured": self.measured,
        }


@dataclass(frozen=True, eq=False)
class Course:
    """A member after its trainings: every seed's epochs, in order; `failed` says why there are no more."""

    member: Member
    seeds: Sequence[Sequence[Mapping[str, float]]]
    failed: str | None = None


def original_recipe(images: int, size: int) -> Recipe:
    """The paper's recipe for CIFAR (section 4.2), with the epochs of a final training on so much data.

    SGD with momentum 0.9 and weight decay 1e-4, rate 0.1 divided by ten at half and at three quarters, batches of
    128, random crops and mirrors; no warmup, label smoothing, clipping or averaged weights. Raises `RecipeError`.
    """
    return replace(
        final_recipe(Recipe.for_data(images, size), images, size),
        batch_size=BATCH,
        optimizer="sgd",
        lr=RATE,
        schedule="step",
        warmup=0.0,
        nesterov=False,
        weight_decay=1e-4,
        label_smoothing=0.0,
        clip=0.0,
        ema=0.0,
    )


def make_order(names: Sequence[str], spec: DataSpec, options: Mapping[str, Any], **settings: Any) -> Order:
    """Look the networks up and load the data; without names plain and residual networks that suit the images.

    `settings`: the fields of `Order` that say how. Raises `NasError` with one line for what is not there or gives
    no comparison, `SearchSpaceError` for a network that cannot take the images.
    """
    if spec.validation <= 0:
        raise ReproductionError("degradation is shown on images held out too; give a --validation above 0")
    data = load(spec)
    if not len(data.validation):
        raise ReproductionError(f"{data.name} has too few images to hold any out; raise --validation or --fraction")
    side = min(data.image[1:])
    folder = re.sub(r"[^\w.+-]+", "-", PurePath(spec.name.rpartition(":")[2]).name)
    wanted = names or (IMAGENET if side >= LARGE else CIFAR)
    members = tuple(_member(name, data, folder) for name in dict.fromkeys(wanted))
    for member in members:
        if sum(other.series == member.series for other in members) < 2:
            raise ReproductionError(
                f"{member.name} has no {member.series} of another depth beside it; give two depths, "
                "as in plain20,plain56,resnet20,resnet56"
            )
    recipe = original_recipe(len(data.train), side).with_options(options)
    measured = min(settings.pop("measured", MEASURED), len(data.train))
    return Order(members, spec, data, recipe, measured=measured, **settings)


def _member(name: str, data: Dataset, dataset: str) -> Member:
    if name not in NETWORKS:
        raise ReproductionError(unknown("network", name, NETWORKS))
    found = _NAME.fullmatch(name)
    if found is None:
        raise ReproductionError(f"{name} has no depth at the end of its name; give networks such as plain20 or vgg16")
    task = Task(f"{name}-{dataset}", name, "target", NETWORKS[name].at(min(data.image[1:])))
    try:
        return Member(task, found[1], int(found[2]), cost_of(task, data.image, len(data.classes)))
    except SearchSpaceError as error:
        size = "×".join(map(str, data.image))
        raise ReproductionError(f"{name} cannot take images of {size}: {error}") from None


def run(order: Order, observer: Observer | None = None) -> list[Course]:
    """Train all members, from where an earlier run stopped; one whose loss is not finite stops itself only.

    Raises `NasError`.
    """
    from nas.evaluators import ONE_THREAD, cpu_threads, find_device, keep_freed_memory

    device = find_device(order.device)
    if device.type == "cpu":
        keep_freed_memory()
    measured = sample_of(order.data, order.measured)
    about = {"dataset": {key: value for key, value in order.spec.to_json().items() if key != "root"}}
    courses = []
    with cpu_threads(1 if max(order.data.image[1:]) <= ONE_THREAD else None):
        for member in order.members:
            folder = order.output / member.task.name
            with claimed(folder, order.identity(member), {"source": member.name, **about}):
                courses.append(_train(order, member, measured, device, observer or Silent()))
    return courses


def _train(order: Order, member: Member, measured: Split, device: torch.device, observer: Observer) -> Course:
    seeds: list[Sequence[Mapping[str, float]]] = []
    for seed in range(order.seeds):
        observer.begun(member.task, seed)
        folder = order.output / member.task.name / f"seed{seed}"
        try:
            result = follow(
                *(member.task.architecture, order.data, order.recipe, measured),
                seed=seed,
                device=device,
                folder=folder,
                report=observer.epoch,
            )
        except TrainingError as error:
            observer.failed(member.task, seed, str(error))
            return Course(member, seeds, f"seed {seed}: {error}")
        seeds.append(result["epochs"])
        observer.ended(member.task, seed, result["epochs"][-1])
    return Course(member, seeds)
