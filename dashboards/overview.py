"""`/api/studies`: every study with its tallies."""

from __future__ import annotations

from typing import Any

from dashboards.archive import Archive
from dashboards.groups import is_imagenet
from dashboards.selection import axes_of, metrics_of
from dashboards.studies import StudyView


def studies(archive: Archive) -> dict[str, Any]:
    """The document: the studies, oldest first, and how the database is called."""
    return {"studies": [study_json(archive, study) for study in archive.studies()], "database": archive.label}


def study_json(archive: Archive, study: StudyView) -> dict[str, Any]:
    """One study."""
    record, spec = study.record, study.spec
    return {
        "name": study.name,
        "space": spec.get("space"),
        "dataset": study.dataset,
        "imagenet": is_imagenet(spec),
        "controller": spec.get("controller"),
        "objectives": [str(objective) for objective in study.objectives],
        "constraints": study.constraints,
        "budget": study.budget,
        "scheduler": study.scheduler,
        "scheduler_options": spec.get("scheduler_options") or {},
        "seed": spec.get("seed"),
        "created": record.created_at.isoformat(),
        "finished": record.finished_at.isoformat() if record.finished_at else None,
        "state": "finished" if record.finished else "open",
        "counts": dict(record.counts),
        "trials": record.trials,
        "reused": record.reused,
        "best_accuracy": record.best_accuracy,
        "baseline_accuracy": record.baseline_accuracy,
        "axes": list(axes_of(archive, study).names),
        "metrics": metrics_of(archive, study),
    }
