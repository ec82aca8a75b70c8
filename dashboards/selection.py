"""The rows that a filter leaves: one definition for every chart, table and export."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboards.archive import Archive
from dashboards.columns import StudyColumns, quantity
from dashboards.errors import BadParameter
from dashboards.filters import Filter
from dashboards.studies import StudyView
from nas.errors import unknown
from nas.objectives import EXACT
from nas.store import bulk
from nas.store.bulk import Table
from nas.store.records import KINDS, STATES

_SMALL = re.compile(r"loss|error|latency|seconds")
HIDDEN = ("epoch", "val_accuracy")  # metrics that have another name here


@dataclass(frozen=True)
class Axes:
    """The axes of a study: their names, and what each choice is called."""

    names: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Rows:
    """The trials of one study that pass a filter, ascending in number.

    `stamps`: when by `dashboards.columns.CLOCK` each was last seen to change. `outside`: the numbers of those that do
    not pass, and `outside_stamps` theirs.
    """

    study: StudyView
    columns: StudyColumns
    trials: Table
    stamps: npt.NDArray[np.int32]
    outside: npt.NDArray[np.int32]
    outside_stamps: npt.NDArray[np.int32]

    def quantity(self, name: str) -> npt.NDArray[np.float64]:
        """One number a trial, NaN where it is not known."""
        return quantity(self.columns, self.trials, name)


def select(
    archive: Archive, wanted: Filter, default: Sequence[str] = ("complete",), children: bool = False
) -> Iterator[Rows]:
    """For each study that is meant, its rows that pass; `default` states hold where the filter names none.

    `children` leaves out the baselines. Raises `BadParameter` for a study, dataset, axis or label that does not exist.
    """
    studies = archive.chosen(wanted)
    _check_axes(archive, wanted, studies)
    for study in studies:
        columns = archive.columns(study)
        trials, stamps = columns.refresh_stamped(study.record.trials)
        kept = _mask(archive, wanted, study, columns, trials, default)
        if children:
            kept &= trials["kind"] == KINDS.index("child")
        inside = trials if kept.all() else trials[kept]
        yield Rows(study, columns, inside, stamps[kept], trials["number"][~kept], stamps[~kept])


def axes_of(archive: Archive, study: StudyView) -> Axes:
    """The axes of a study's space; where it cannot be loaded here, those of its trials, with numbers as labels."""
    space = study.space
    if space is not None:
        labels = tuple(tuple(str(label) for label in axis.labels) for axis in space.axes)
        return Axes(tuple(axis.name for axis in space.axes), labels)
    names = tuple(bulk.axis_names(archive.store, study.record.id))
    columns = archive.columns(study)
    choices = columns.choices(names, columns.refresh())
    most = choices.max(axis=0, initial=-1).tolist() if len(names) else []
    return Axes(names, tuple(tuple(f"choice {index}" for index in range(last + 1)) for last in most))


def metrics_of(archive: Archive, study: StudyView) -> list[str]:
    """The metrics by which a study's trials can be plotted, besides accuracy and the costs."""
    known = bulk.metric_names(archive.store, study.record.id)
    named = [objective.name for objective in study.objectives if objective.name not in ("accuracy", *EXACT)]
    return list(dict.fromkeys([*named, *(name for name in known if name not in HIDDEN)]))


def maximised(studies: Sequence[StudyView], name: str, otherwise: bool) -> bool:
    """Whether more of a quantity is better: as nas says, as a study's objectives say, or as it is called.

    Losses, errors and times are better when small; of any other metric `otherwise` says.
    """
    if name == "accuracy" or name in EXACT:
        return name == "accuracy"
    for study in studies:
        for objective in study.objectives:
            if objective.name == name:
                return objective.maximise
    return otherwise and _SMALL.search(name) is None


def check_quantity(archive: Archive, studies: Sequence[StudyView], parameter: str, name: str) -> None:
    """Refuse a word that is no quantity of these studies. Raises `BadParameter`."""
    if name in ("accuracy", *EXACT):
        return
    allowed = ["accuracy", *EXACT, *(metric for study in studies for metric in metrics_of(archive, study))]
    if name not in allowed:
        raise BadParameter(unknown(f"quantity for {parameter!r}", name, set(allowed)))


def _mask(
    archive: Archive, wanted: Filter, study: StudyView, columns: StudyColumns, trials: Table, default: Sequence[str]
) -> npt.NDArray[np.bool_]:
    states = [STATES.index(state) for state in STATES if state in (wanted.states or default)]
    kept: npt.NDArray[np.bool_] = np.isin(trials["state"], states)
    if wanted.kind is not None:
        kept &= trials["kind"] == KINDS.index("child" if wanted.kind == "child" else "baseline")
    for name, (least, most) in wanted.ranges.items():
        values = quantity(columns, trials, name)
        kept &= (values >= least) & (values <= most)  # a NaN passes no bound
    if wanted.axes:
        axes = axes_of(archive, study)
        choices = columns.choices(axes.names, trials)
        for name, labels in wanted.axes.items():
            if name not in axes.names:
                return np.zeros(len(trials), dtype=bool)
            index = axes.names.index(name)
            allowed = [number for number, label in enumerate(axes.labels[index]) if label in labels]
            kept &= np.isin(choices[:, index], allowed)
    return kept


def _check_axes(archive: Archive, wanted: Filter, studies: Sequence[StudyView]) -> None:
    if not wanted.axes:
        return
    known: dict[str, set[str]] = {}
    for study in studies:
        axes = axes_of(archive, study)
        for name, labels in zip(axes.names, axes.labels, strict=True):
            known.setdefault(name, set()).update(labels)
    for name, asked in wanted.axes.items():
        if name not in known:
            raise BadParameter(unknown("axis", name, known))
        for label in sorted(asked - known[name]):
            raise BadParameter(unknown(f"label of axis {name!r}", label, known[name]))
