"""`/api/trials/STUDY/NUMBER`: everything that is known of one trial."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np

from dashboards.archive import Archive
from dashboards.columns import BASELINE, COMPLETE, quantity
from dashboards.errors import NotThere
from dashboards.nearest import labels_of, nearest, point_of
from dashboards.packing import number as finite
from dashboards.studies import StudyView
from dashboards.trial_rows import iso
from nas import pareto
from nas.errors import StoreError
from nas.store import TrialRecord
from nas.store.queries import address_of
from searchspaces import Architecture, InvalidArchitecture, layer_table
from searchspaces.summary import summarise

COMMANDS = {  # name on the page: the command of nas, and what follows it
    "show": ("show", ""),
    "describe": ("describe", ""),
    "draw": ("describe", " --draw network.svg"),
    "retrain": ("retrain", ""),
    "export": ("export", " --format onnx"),
}
MOST = 2**31 - 1  # trial numbers are 32 bits in every database


def find(archive: Archive, name: str, number: int) -> tuple[StudyView, TrialRecord]:
    """A trial and its study. Raises `NotThere`."""
    study = archive.study(name)
    try:
        if number > MOST:
            raise StoreError(f"study {name!r} has no trial {number}")
        return study, archive.store.trial(name, number)
    except StoreError as error:
        raise NotThere(str(error)) from None


def trial_page(archive: Archive, name: str, number: int, commands: Sequence[str]) -> dict[str, Any]:
    """The document; `commands` are the names that this nas has. Raises `NotThere`."""
    study, trial = find(archive, name, number)
    architecture = read_architecture(archive, trial)
    source = None if trial.reused_from is None else address_of(archive.store, trial.reused_from)
    point = point_of(study, trial, architecture)
    seconds = None
    if trial.started_at and trial.finished_at:
        seconds = (trial.finished_at - trial.started_at).total_seconds()
    return {
        "study": study.name,
        "number": trial.number,
        "dataset": study.dataset,
        "kind": trial.kind,
        "name": trial.name,
        "state": trial.state,
        "reason": trial.reason,
        "accuracy": trial.val_accuracy,
        **{cost: trial.cost.get(cost) for cost in ("flops", "params", "activations", "memory")},
        "metrics": dict(trial.metrics or {}),
        "values": _values(study, trial),
        "summary": None if architecture is None else summarise(architecture),
        "architecture": archive.store.architecture(trial.architecture_key),
        "architecture_key": trial.architecture_key,
        "axes": labels_of(study, point),
        "layers": layers(study, architecture),
        "curve": curve(archive, trial),
        "recipe": archive.store.recipe(trial.recipe_key),
        "seed": trial.seed,
        "epochs": trial.epochs,
        "worker": trial.worker,
        "times": {
            "created": iso(trial.created_at),
            "started": iso(trial.started_at),
            "finished": iso(trial.finished_at),
            "seconds": seconds,
        },
        "reused_from": None if source is None else {"study": source[0], "number": source[1]},
        "nearest": nearest(study, point),
        "dominates": dominated(archive, study, trial),
        "commands": _commands(archive, f"{study.name}:{trial.number}", commands),
    }


def read_architecture(archive: Archive, trial: TrialRecord) -> Architecture | None:
    """The architecture of a trial; None where a block of it is not known here."""
    try:
        return Architecture.from_json(archive.store.architecture(trial.architecture_key))
    except InvalidArchitecture:
        return None


def layers(study: StudyView, architecture: Architecture | None) -> list[dict[str, Any]]:
    """The layer table on the study's images; empty where it cannot be drawn."""
    classes = study.spec.get("classes")
    if architecture is None or study.image is None or not isinstance(classes, int):
        return []
    try:
        return [layer.to_json() for layer in layer_table(architecture.draw(study.image, classes))]
    except InvalidArchitecture:
        return []


def curve(archive: Archive, trial: TrialRecord) -> dict[str, Any]:
    """The learning curve: `epoch`, and `metrics`, each with one value an epoch (None: not measured)."""
    epochs = archive.store.epochs(trial.id)
    names = dict.fromkeys(name for epoch in epochs for name in epoch.metrics if name != "epoch")
    return {
        "epoch": [epoch.epoch for epoch in epochs],
        "metrics": {name: [epoch.metrics.get(name) for epoch in epochs] for name in names},
    }


def dominated(archive: Archive, study: StudyView, trial: TrialRecord) -> list[str] | None:
    """The baselines of its study that a complete trial dominates by the study's objectives; None for any other."""
    if trial.state != "complete" or not study.objectives:
        return None
    columns = archive.columns(study)
    trials = columns.refresh()
    wanted = (trials["state"] == COMPLETE) & ((trials["kind"] == BASELINE) | (trials["number"] == trial.number))
    rows = trials[wanted]

    values = np.column_stack([quantity(columns, rows, objective.name) for objective in study.objectives])
    maximise = [objective.maximise for objective in study.objectives]
    own = values[rows["number"] == trial.number]
    if not len(own):
        return None
    return [
        columns.names.get(number, str(number))
        for number, value in zip(rows["number"].tolist(), values, strict=True)
        if number != trial.number and pareto.dominates(own[0], value, maximise)
    ]


def _values(study: StudyView, trial: TrialRecord) -> dict[str, float | None]:
    known = {"accuracy": trial.val_accuracy, **trial.cost, **(trial.metrics or {})}
    return {objective.name: finite(known.get(objective.name)) for objective in study.objectives}


def _commands(archive: Archive, target: str, known: Sequence[str]) -> dict[str, str]:
    storage = "" if "***" in archive.label else f" --storage {shlex.quote(archive.label)}"
    return {
        title: f"nas {command} {shlex.quote(target)}{rest}{storage}"
        for title, (command, rest) in COMMANDS.items()
        if command in known
    }
