"""A study's trials as numpy columns, kept between requests and brought up to date by reading only what may be new."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nas.store import Store, bulk
from nas.store.bulk import ENDED, Table
from nas.store.records import KINDS, STATES

Read: TypeAlias = Callable[[int, Collection[int]], Table]  # (after, again) -> rows, ascending in number

COMPLETE, RUNNING = STATES.index("complete"), STATES.index("running")
CHILD, BASELINE = KINDS.index("child"), KINDS.index("baseline")
COSTS = ("flops", "params", "activations", "memory")


class Clock:
    """Counts the looks at the database that found something, of all studies of this process together."""

    def __init__(self) -> None:
        self.now = 0
        self._turn = threading.Lock()

    def tick(self) -> int:
        """The next number."""
        with self._turn:
            self.now += 1
            return self.now


CLOCK = Clock()


class Growing:
    """Rows ascending in `number`, of which the ended ones are read once.

    `stamps` has for each row when by `CLOCK` it was last seen to change.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self.rows: Table = read(-1, ())
        self.stamps = np.full(len(self.rows), CLOCK.tick(), dtype=np.int32)

    def refresh(self, open_numbers: Collection[int]) -> Table:
        """Read again the numbers that were open at the last look, add the new ones, and give what was read."""
        last = int(self.rows["number"][-1]) if len(self.rows) else -1
        found = self._read(last, open_numbers)
        if not len(found):
            return found
        old = found["number"] <= last
        places = np.searchsorted(self.rows["number"], found["number"][old])
        differ = [one.tobytes() != other.tobytes() for one, other in zip(self.rows[places], found[old], strict=True)]
        if any(differ):
            places = places[differ]
            self.rows, self.stamps = self.rows.copy(), self.stamps.copy()  # a request may be reading those of before
            self.rows[places] = found[old][differ]
            self.stamps[places] = CLOCK.tick()
        if not old.all():
            self.rows = np.concatenate([self.rows, found[~old]])
            new = np.full(len(self.rows) - len(self.stamps), CLOCK.tick(), dtype=np.int32)
            self.stamps = np.concatenate([self.stamps, new])
        return found


class StudyColumns:
    """The columns of one study. Metrics and choices are read when first asked for. Thread-safe."""

    def __init__(self, store: Store, study_id: int) -> None:
        self._store, self._id = store, study_id
        self._turn = threading.RLock()
        self._trials = Growing(lambda after, again: bulk.read_trials(store, study_id, after, again))
        self._metrics: dict[str, tuple[Growing, list[int]]] = {}
        self._choices: tuple[tuple[str, ...], Growing] | None = None
        self.names: dict[int, str] = {}  # of the baselines, by number
        self._name(self._trials.rows)

    def refresh(self) -> Table:
        """The rows of `bulk.TRIALS` as the database has them now."""
        return self.refresh_stamped()[0]

    def refresh_stamped(self, count: int | None = None) -> tuple[Table, npt.NDArray[np.int32]]:
        """The same rows, and when by `CLOCK` each was last seen to change.

        `count`: how many trials the study is known to have. The database is asked only if those read are fewer, or if
        one of them had not ended: an ended trial never changes.
        """
        with self._turn:
            still = self._open()
            if still or count is None or len(self._trials.rows) != count:
                self._name(self._trials.refresh(still))
            return self._trials.rows, self._trials.stamps

    def metric(self, name: str, trials: Table) -> npt.NDArray[np.float64]:
        """A final metric of these trials, NaN where there is none."""
        with self._turn:
            if name in self._metrics:
                kept, was_open = self._metrics[name]
                if was_open or len(kept.rows) < len(self._trials.rows):
                    kept.refresh(was_open)
            else:
                kept = Growing(lambda after, again: bulk.read_metric(self._store, self._id, name, after, again))
            self._metrics[name] = kept, self._open()
            found: npt.NDArray[np.float64] = _at(kept.rows, trials)["value"]
            return found

    def choices(self, axes: Sequence[str], trials: Table) -> npt.NDArray[np.int16]:
        """The choices of these trials, one column an axis, -1 where a trial lacks the axis."""
        with self._turn:
            if self._choices is None or self._choices[0] != tuple(axes):
                wanted = tuple(axes)
                self._choices = (
                    wanted,
                    Growing(lambda after, _: bulk.read_choices(self._store, self._id, wanted, after)),
                )
            elif len(self._choices[1].rows) < len(self._trials.rows):
                self._choices[1].refresh(())  # a point never changes
            found: npt.NDArray[np.int16] = _at(self._choices[1].rows, trials)["choices"]
            return found

    @property
    def bytes(self) -> int:
        """Memory of all columns."""
        kept = [self._trials, *(growing for growing, _ in self._metrics.values())]
        if self._choices is not None:
            kept.append(self._choices[1])
        return sum(growing.rows.nbytes + growing.stamps.nbytes for growing in kept) + 100 * len(self.names)

    def _open(self) -> list[int]:
        rows = self._trials.rows
        found: list[int] = rows["number"][~ENDED[rows["state"]]].tolist()
        return found

    def _name(self, fresh: Table) -> None:
        numbers: list[int] = fresh["number"][fresh["kind"] == BASELINE].tolist()
        new = [number for number in numbers if number not in self.names]
        if new:
            self.names = {**self.names, **bulk.names(self._store, self._id, new)}


def quantity(columns: StudyColumns, trials: Table, name: str) -> npt.NDArray[np.float64]:
    """A quantity of these trials as floats, NaN where it is not known: accuracy, a cost, epochs, number or a metric."""
    if name == "accuracy":
        return np.asarray(trials["accuracy"])
    if name in COSTS:
        exact = trials[name]
        return np.where(exact < 0, np.nan, exact)
    if name in ("epochs", "number"):
        return trials[name].astype(np.float64)
    return columns.metric(name, trials)


def _at(rows: Table, trials: Table) -> Any:
    """The rows of these trials; both ascend in number, and rows has at least those of trials."""
    if len(rows) == len(trials):
        return rows
    return rows[np.searchsorted(rows["number"], trials["number"])]
