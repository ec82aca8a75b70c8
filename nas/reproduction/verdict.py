"""What the courses of a degradation come to: mean curves, gaps between depths, and one sentence about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from nas.reproduction.degradation import Course, Order

PLAIN = "plain"  # how the names of series without shortcuts start
CLEAR = 2.0  # standard errors from which a gap counts as more than noise
ERRORS = ("train_error", "val_error")


@dataclass(frozen=True)
class Gap:
    """Error of the deepest minus that of the shallowest network of a series after the last epoch, as a fraction.

    `error`: its standard error, from the spread of the seeds and from the number of images, which for one seed is all
    that is known. `seeds`: of the network that has fewer.
    """

    difference: float
    error: float
    seeds: int

    @property
    def worse(self) -> bool:
        """Whether the deeper network is worse by more than noise."""
        return self.difference > CLEAR * self.error

    def to_json(self) -> dict[str, Any]:
        """The fields, and `worse`."""
        return {"difference": self.difference, "error": self.error, "seeds": self.seeds, "worse": self.worse}


@dataclass(frozen=True)
class Pair:
    """The shallowest and the deepest network of a series; no gaps where one of them has not been trained."""

    series: str
    shallow: str
    deep: str
    train: Gap | None
    validation: Gap | None

    @property
    def plain(self) -> bool:
        """Whether these are networks without shortcuts, by their name."""
        return self.series.startswith(PLAIN)

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return {
            "series": self.series,
            "shallow": self.shallow,
            "deep": self.deep,
            "train": self.train and self.train.to_json(),
            "validation": self.validation and self.validation.to_json(),
        }


def document(order: Order, courses: Sequence[Course]) -> dict[str, Any]:
    """Everything as JSON values: what was asked, each network's curves, the pairs, and what they say."""
    found = pairs(order, courses)
    return {
        "dataset": {name: value for name, value in order.spec.to_json().items() if name != "root"},
        "data_key": order.data.key,
        "image": list(order.data.image),
        "training_images": len(order.data.train),
        "validation_images": len(order.data.validation),
        "measured_images": order.measured,
        "recipe": order.recipe.to_json(),
        "output": str(order.output),
        "networks": [_network(course) for course in courses],
        "pairs": [pair.to_json() for pair in found],
        "reading": reading(found, order.recipe.epochs),
        "cautions": cautions(order, courses),
    }


def _network(course: Course) -> dict[str, Any]:
    member = course.member
    return {
        "name": member.name,
        "series": member.series,
        "depth": member.depth,
        "params": member.cost["params"],
        "flops": member.cost["flops"],
        "failed": course.failed,
        "curve": curve(course),
        "seeds": [[dict(epoch) for epoch in epochs] for epochs in course.seeds],
    }


def curve(course: Course) -> list[dict[str, Any]]:
    """The mean of the seeds after each epoch, and their standard deviation (n − 1; None for n = 1)."""
    found = []
    for epochs in zip(*course.seeds, strict=True):
        point: dict[str, Any] = {"epoch": int(epochs[0]["epoch"]), "n": len(epochs)}
        for name in ERRORS:
            values = [epoch[name] for epoch in epochs]
            point[name] = mean(values)
            point[f"{name}_std"] = stdev(values) if len(values) > 1 else None
        found.append(point)
    return found


def pairs(order: Order, courses: Sequence[Course]) -> list[Pair]:
    """A pair for each series, in the order they were asked for."""
    found = []
    for series in dict.fromkeys(course.member.series for course in courses):
        own = sorted((each for each in courses if each.member.series == series), key=lambda each: each.member.depth)
        first, last = own[0], own[-1]
        train = _gap(first, last, "train_error", order.measured)
        validation = _gap(first, last, "val_error", len(order.data.validation))
        found.append(Pair(series, first.member.name, last.member.name, train, validation))
    return found


def _gap(shallow: Course, deep: Course, name: str, images: int) -> Gap | None:
    if not shallow.seeds or not deep.seeds:
        return None
    means, variances = [], []
    for course in (shallow, deep):
        values = [epochs[-1][name] for epochs in course.seeds]
        centre = mean(values)
        spread = stdev(values) ** 2 / len(values) if len(values) > 1 else 0.0
        means.append(centre)
        variances.append(spread + centre * (1 - centre) / images)
    return Gap(means[1] - means[0], math.sqrt(sum(variances)), min(len(shallow.seeds), len(deep.seeds)))


def reading(found: Sequence[Pair], epochs: int) -> str:
    """One sentence: whether degradation is seen, by the training errors after the last epoch."""
    known = [(pair, pair.train) for pair in found if pair.train is not None]
    if not known:
        return "Nothing can be said: of no series were two depths trained to their end."
    gaps = ", ".join(f"{pair.deep} {_points(gap)} against {pair.shallow}" for pair, gap in known)
    seeds = min(gap.seeds for _, gap in known)
    how = f"mean of {seeds} seeds" if seeds > 1 else "one seed, so that the spread of seeds is not known"
    return f"{_claim(known)}; training error after epoch {epochs}: {gaps} ({how})."


def cautions(order: Order, courses: Sequence[Course]) -> list[str]:
    """What to be careful with: networks that have not learnt anything, whose gaps say nothing of later epochs."""
    chance = 1 - 1 / len(order.data.classes)
    slack = CLEAR * math.sqrt(chance * (1 - chance) / order.measured)
    lost = [
        course.member.name
        for course in courses
        if course.seeds and mean(epochs[-1]["train_error"] for epochs in course.seeds) > chance - slack
    ]
    return [f"still at chance after the last epoch, so that longer training may say more: {', '.join(lost)}"] * bool(
        lost
    )


def _points(gap: Gap) -> str:
    return f"{100 * gap.difference:+.1f} ± {100 * gap.error:.1f} points"


def _claim(known: Sequence[tuple[Pair, Gap]]) -> str:
    plain = [gap for pair, gap in known if pair.plain]
    residual = [gap for pair, gap in known if not pair.plain]
    if not plain:
        worse = [pair.deep for pair, gap in known if gap.worse]
        return f"The deeper network is worse: {', '.join(worse)}" if worse else "No deeper network is clearly worse"
    if not all(gap.worse for gap in plain):
        return "Degradation is not seen, since the deeper plain network is not clearly worse"
    if not residual:
        return "Degradation is seen in plain networks"
    largest, least = max(residual, key=lambda gap: gap.difference), min(plain, key=lambda gap: gap.difference)
    if not any(gap.worse for gap in residual):
        clearly = "" if largest.difference <= 0 else "clearly "  # a gap within the noise is no proof that there is none
        return f"Degradation is seen in the plain networks and not {clearly}in those with shortcuts"
    if least.difference - largest.difference > CLEAR * math.hypot(least.error, largest.error):
        return "Degradation is seen in the plain networks, and less of it in those with shortcuts"
    return "The deeper network is worse with shortcuts too, so that they are not seen to help"


def milestones(epochs: int) -> list[int]:
    """The epochs of a table: the first, the quarters and the last."""
    return sorted({1, *(max(1, round(share * epochs)) for share in (0.25, 0.5, 0.75, 1.0))})
