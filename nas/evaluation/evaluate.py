"""`evaluate`: top-1 and top-5 of trained networks on a split, of each and of their ensemble."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import torch

from nas.data import DataSpec
from nas.errors import EvaluationError
from nas.evaluation.members import Member
from nas.evaluation.pictures import Pictures, read_pictures
from nas.evaluation.scoring import Scorer, prepared_for
from nas.evaluation.tally import Tally, by_class
from nas.evaluation.views import Look, Views
from searchspaces.published import published_models

CHUNK = 256  # images that are read at once
CHUNK_PIXELS = 256 * 256**2  # and fewer, where they are large

SINGLE, CPU = Views(), torch.device("cpu")
Shown = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class MemberResult:
    """One network of an ensemble: what it was shown, and what it alone comes to."""

    member: Member
    looks: tuple[Look, ...]
    tally: Tally

    @property
    def published(self) -> dict[str, float] | None:
        """`top1` and `top5` that torchvision published for this release, with a single crop on ImageNet."""
        for model in published_models():
            if (model.name, model.weights) == (self.member.name, self.member.release):
                return {"top1": model.top1, "top5": model.top5}
        return None

    def to_json(self) -> dict[str, Any]:
        """Its name, the sizes and number of its views, its own accuracy, and what its release published."""
        prepared = [look.prepared for look in self.looks]
        return {
            "name": self.member.name,
            "release": self.member.release or None,
            "published": self.published,
            "image": [self.member.native.channels, *self.member.native.sides],
            "resized": [way.short for way in prepared if way.short],
            "crop": self.looks[0].crop or prepared[0].square or None,
            "views": sum(look.views for look in self.looks),
            "mirror": self.looks[0].mirror,
            **self.tally.to_json(),
        }


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What came of it. `members` in the order asked for; `tally` is of their average, or of the only one."""

    dataset: str
    split: str
    classes: tuple[str, ...]
    views: Views
    members: tuple[MemberResult, ...]
    tally: Tally
    device: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Everything. `confusion` has the cells that are not 0: [class, taken for, images], as indices of `classes`."""
        return {
            "dataset": self.dataset,
            "split": self.split,
            "images": self.tally.images,
            "classes": list(self.classes),
            "views": self.views.to_json(),
            "averaged": "probabilities",
            **self.tally.to_json(),
            "members": [each.to_json() for each in self.members],
            "by_class": [each.to_json() for each in by_class(self.tally.confusion, self.classes)],
            "confusion": [
                [int(t), int(p), int(self.tally.confusion[t, p])]
                for t, p in zip(*self.tally.confusion.nonzero(), strict=True)
            ],
            "device": self.device,
            "seconds": self.seconds,
        }


def evaluate(
    members: Sequence[Member],
    spec: DataSpec,
    *,
    split: str = "test",
    views: Views = SINGLE,
    device: torch.device = CPU,
    batch: int | None = None,
    shown: Shown = lambda done, total: None,
) -> Evaluation:
    """Measure networks on a split, each alone and all averaged: probabilities over views, then over networks.

    `batch`: images in one forward pass; None: as memory allows. `shown` is told how many images of all are done.
    Raises `EvaluationError` for what does not go together, and `DataError`.
    """
    if not members:
        raise EvaluationError("no network to evaluate")
    begun = time.perf_counter()
    looks = [_looks(member, views) for member in members]
    pictures = read_pictures(spec, split)
    where = f"{spec.name} ({split})"
    orders = [member.order(pictures.classes, where) for member in members]
    for member, own in zip(members, looks, strict=True):
        _check(member, own)
    scorers = [
        Scorer(member, own, order, device, batch) for member, own, order in zip(members, looks, orders, strict=True)
    ]
    alone = [Tally(len(pictures.classes)) for _ in members]
    together = alone[0] if len(members) == 1 else Tally(len(pictures.classes))
    _run(pictures, looks, scorers, alone, together, shown, device)
    for member, tally in zip(members, alone, strict=True):
        if not isfinite(tally.loss):
            raise EvaluationError(
                f"{member.name}: its scores are not finite; its weights, or what it was shown, are broken"
            )
    return Evaluation(
        dataset=spec.name,
        split=split,
        classes=pictures.classes,
        views=views,
        members=tuple(MemberResult(*each) for each in zip(members, looks, alone, strict=True)),
        tally=together,
        device=str(device),
        seconds=time.perf_counter() - begun,
    )


def _run(
    pictures: Pictures,
    looks: Sequence[Sequence[Look]],
    scorers: Sequence[Scorer],
    alone: Sequence[Tally],
    together: Tally,
    shown: Shown,
    device: torch.device,
) -> None:
    """Fill the tallies."""
    prepared = prepared_for(looks)
    largest = max(2 * way.short**2 or way.fitted[0] * way.fitted[1] for way in prepared)
    chunk_size = max(1, min(CHUNK, CHUNK_PIXELS // (largest * len(prepared))))
    for chunk in pictures.chunks(prepared, chunk_size):
        labels = torch.from_numpy(chunk.labels).to(device)
        total = None
        for scorer, tally in zip(scorers, alone, strict=True):
            found = scorer.probabilities(chunk)
            tally.add(found, labels)
            total = found if total is None else total + found
        if together is not alone[0] and total is not None:
            together.add(total / len(scorers), labels)
        shown(alone[0].images, len(pictures))


def _looks(member: Member, views: Views) -> tuple[Look, ...]:
    try:
        return views.looks(member.native)
    except EvaluationError as error:
        raise EvaluationError(f"{member.name}: {error}") from None


def _check(member: Member, looks: Sequence[Look]) -> None:
    """Say before any image is read that a size does not suit the network."""
    for look in looks:
        way = look.prepared
        if look.dense:
            member.check_dense(way.short, way.short)
            continue
        side = look.crop or way.square
        member.module(*((side, side) if side else way.fitted))


def spec_for(members: Sequence[Member], dataset: str | None, root: str | None, split: str) -> DataSpec:
    """The dataset to evaluate on: that of a name, or else what the first checkpoint was trained on.

    Where a checkpoint was trained on the same dataset, its fraction, validation share and seed hold, so that
    validation images are those that it was not trained on. Raises `DataError`, and `EvaluationError` where no dataset
    is known, or checkpoints held out other images and the split is not the test split.
    """
    trained = [DataSpec.from_json({**m.dataset, "root": root}) for m in members if m.dataset]
    if dataset is None:
        if not trained:
            raise EvaluationError("no dataset: ported weights do not say one; give --dataset folder:PATH")
        dataset = trained[0].name
    wanted = DataSpec(dataset, root=root)
    same = [replace(spec, image_size=None, streamed=None) for spec in trained if spec.name == wanted.name]
    if split in ("validation", "train") and len(set(same)) > 1:
        raise EvaluationError(
            f"the networks were trained on different parts of {wanted.name}, so that their {split} images differ; "
            "use the test split"
        )
    return same[0] if same else wanted
