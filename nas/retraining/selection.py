"""From words to an `Order`: trials of studies, networks and files as tasks, their data, recipe and baselines."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from nas.api import open_study
from nas.baselines import DEAREST, REFERENCES
from nas.data import Dataset, DataSpec
from nas.errors import RetrainingError, StoreError, StudyError, unknown
from nas.recipe import Recipe
from nas.results import Study
from nas.retraining.images import all_images
from nas.retraining.recipes import final_recipe
from nas.retraining.summary import cost_of
from nas.retraining.tasks import Kind, Order, Task
from nas.store import TrialRecord
from searchspaces import NETWORKS, Architecture, InvalidArchitecture, find_network

Find = Callable[[str, tuple[int, int, int]], Architecture]
"""What a name that is no trial stands for, brought to an image: a network, a file. Raises `NasError`."""

UNTRAINABLE = ("failed", "infeasible")
STRONGEST = 2  # of a study's baselines, the most accurate in the search, are trained again by `auto`


@dataclass(frozen=True)
class Wish:
    """What a person asks for, in words. None is the study's own, or the default of nas.

    `targets`: `STUDY:TRIAL`, networks, files; or with `top` studies. `recipe`: fields by name. `baselines`: `auto`,
    `none`, or names. `validation`: share of the training images held out to choose the best epoch by.
    """

    targets: Sequence[str]
    top: int | None = None
    dataset: str | None = None
    image_size: int | None = None
    fraction: float = 1.0
    validation: float = 0.0
    recipe: Mapping[str, Any] = field(default_factory=dict)
    baselines: str | Sequence[str] = "auto"


@dataclass(frozen=True)
class _Trial:
    study: Study
    record: TrialRecord


def make_order(wish: Wish, storage: str, find: Find, **settings: Any) -> Order:
    """Look everything up and load the data; nothing is trained and no test image read.

    `settings` are the fields of `Order` that say how: seeds, output, device, workers, sync_bn. Raises `NasError`
    with one clear line for what is not there or does not go together.
    """
    found = [each for target in dict.fromkeys(wish.targets) for each in _looked_up(target, wish.top, storage)]
    trials = [each for each in found if isinstance(each, _Trial)]
    spec = _data_spec(wish, trials)
    data = all_images(spec)
    recipe = _recipe(wish, trials, data).with_options(wish.recipe)
    dataset = _plain(PurePath(spec.name.rpartition(":")[2]).name)
    tasks = [
        _task_of(each, "target") if isinstance(each, _Trial) else _named(each, data, dataset, find) for each in found
    ]
    tasks += _baselines(wish, trials, tasks, data, dataset, find)
    return Order(_distinct(tasks), spec, data, recipe, homes=_homes(trials, wish), **settings)


def _looked_up(target: str, top: int | None, storage: str) -> list[_Trial | str]:
    """Trials, or the name itself where it is of no study."""
    head, colon, tail = target.rpartition(":")
    if top is not None:
        if colon and tail.isdigit():
            raise RetrainingError(f"{target} is one trial; with --top give the study: {head}")
        return list(_best(open_study(target, storage), top))
    if not (colon and tail.isdigit()):
        if target not in NETWORKS and not colon and not os.path.exists(target) and _is_study(target, storage):
            raise RetrainingError(f"{target} is a study; give {target}:TRIAL, or a number of its best children (--top)")
        return [target]
    study = open_study(head, storage)
    record = study.store.trial(study.name, int(tail))
    if record.state in UNTRAINABLE:
        reason = f": {record.reason}" if record.reason else ""
        raise RetrainingError(f"trial {record.number} of {study.name} is {record.state}{reason}; give another")
    return [_Trial(study, record)]


def _is_study(name: str, storage: str) -> bool:
    with suppress(StoreError):
        open_study(name, storage)
        return True
    return False


def _best(study: Study, top: int) -> list[_Trial]:
    """The children with the best first objective; of equals those with fewer FLOPs, then the earlier."""
    maximise = study.objectives[0].maximise
    children = [record for record in study.trials if record.kind == "child" and record.state == "complete"]
    if len(children) < top:
        raise RetrainingError(f"{study.name} has {len(children)} complete children; top {top} are wanted")

    def rank(record: TrialRecord) -> tuple[float, int, int]:
        value = study.values(record)[0]
        return (-value if maximise else value, record.flops or 0, record.number)

    distinct = {record.architecture_key: record for record in sorted(children, key=rank, reverse=True)}
    return [_Trial(study, record) for record in sorted(distinct.values(), key=rank)[:top]]


def _data_spec(wish: Wish, trials: Sequence[_Trial]) -> DataSpec:
    """The wish's dataset, else that of the studies, which must be one."""
    if wish.dataset is not None:
        base = DataSpec(wish.dataset)
    else:
        documents = [each.study.spec.dataset for each in trials]
        untrained = next((each.study.name for each in trials if each.study.spec.dataset is None), None)
        if untrained is not None:
            raise RetrainingError(f"{untrained} trained on no dataset of nas; say which one with --dataset")
        if any(document != documents[0] for document in documents):
            raise RetrainingError("these trials are of several datasets; retrain them one by one, or give --dataset")
        base = DataSpec.from_json(documents[0] or {}) if documents else DataSpec("digits")
    size = wish.image_size or base.image_size
    return replace(base, image_size=size, fraction=wish.fraction, validation=wish.validation)


def _recipe(wish: Wish, trials: Sequence[_Trial], data: Dataset) -> Recipe:
    images, size = len(data.train) + len(data.validation), min(data.image[1:])
    ranking = Recipe.for_data(images, size)
    if wish.dataset is None and trials:
        documents = [dict(each.study.spec.recipe) for each in trials]
        if any(document != documents[0] for document in documents):
            raise RetrainingError("these trials are of several recipes; retrain them one by one")
        ranking = Recipe.from_json(documents[0])
    return final_recipe(ranking, images, size)


def _task_of(trial: _Trial, kind: Kind) -> Task:
    study, record = trial.study, trial.record
    own = record.name if kind == "baseline" and record.name else str(record.number)
    return Task(
        name=_plain(f"{study.name}-{own}"),
        source=f"{study.name}:{record.number}" if kind == "target" else str(record.name),
        kind=kind,
        architecture=study.architecture(record.number),
        search_accuracy=record.val_accuracy if record.state == "complete" else None,
    )


def _named(name: str, data: Dataset, dataset: str, find: Find, kind: Kind = "target") -> Task:
    stem = name if name in NETWORKS else PurePath(name).stem
    return Task(_plain(f"{stem}-{dataset}"), name, kind, find(name, data.image))


def _baselines(
    wish: Wish, trials: Sequence[_Trial], tasks: Sequence[Task], data: Dataset, dataset: str, find: Find
) -> list[Task]:
    """The hand-designed networks beside the targets: those named, or by `auto` the strongest rivals.

    Those are the most accurate baselines of the first study, or the first affordable network of each reference
    family, none dearer than four times the dearest target. Hand-designed targets have none.
    """
    if wish.baselines == "none":
        return []
    trained: dict[str, _Trial] = {}
    if trials:
        study = trials[0].study
        records = [each for each in study.trials if each.kind == "baseline" and each.state == "complete" and each.name]
        trained = {str(each.name): _Trial(study, each) for each in records}
    if wish.baselines != "auto":
        names = [wish.baselines] if isinstance(wish.baselines, str) else wish.baselines
        return [_task_of(trained[n], "baseline") if n in trained else _catalogued(n, data, dataset) for n in names]
    if all(task.source in NETWORKS for task in tasks):
        return []
    limit = DEAREST * max(_flops(task, data) for task in tasks)
    if trained:
        affordable = [each for each in trained.values() if (each.record.flops or 0) <= limit]
        affordable.sort(key=lambda each: each.record.val_accuracy or 0.0, reverse=True)
        return [_task_of(each, "baseline") for each in affordable[:STRONGEST]]
    families = ([_catalogued(name, data, dataset) for name in family] for family in REFERENCES)
    chosen = (next((task for task in family if _flops(task, data) <= limit), None) for family in families)
    return [task for task in chosen if task is not None]


def _catalogued(name: str, data: Dataset, dataset: str) -> Task:
    if name not in NETWORKS and ":" not in name:
        raise StudyError(unknown("network", name, NETWORKS) + "; or give module:attribute")
    network = find_network(name).at(min(data.image[1:]))
    return Task(_plain(f"{name}-{dataset}"), name, "baseline", network)


def _flops(task: Task, data: Dataset) -> float:
    try:
        return cost_of(task, data.image, len(data.classes))["flops"]
    except InvalidArchitecture:
        return 0.0 if task.kind == "target" else float("inf")  # a target's error is told when it is priced


def _homes(trials: Sequence[_Trial], wish: Wish) -> tuple[str, ...]:
    specs = [each.study.spec for each in trials]
    names = [name for spec in specs for name in (spec.space, *spec.baselines)]
    if not isinstance(wish.baselines, str):
        names += wish.baselines
    names += [name for name in wish.targets if not name.rpartition(":")[2].isdigit()]
    return tuple(dict.fromkeys(name for name in names if re.fullmatch(r"[\w.]+:\w+", name)))


def _distinct(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Without a network that is there already. Raises `RetrainingError` for two that would share a folder."""
    by_key: dict[str, Task] = {}
    for task in tasks:
        by_key.setdefault(task.architecture.key, task)
    kept = tuple(by_key.values())
    for task in kept:
        twins = [other.source for other in kept if other.name == task.name]
        if len(twins) > 1:
            raise RetrainingError(f"{' and '.join(twins)} would both be trained in {task.name}; one at a time")
    return kept


def _plain(text: str) -> str:
    """A text as the name of a folder."""
    return re.sub(r"[^\w.+-]+", "-", text).strip("-.") or "network"
