"""The open database: its studies, and the columns of those looked at last, within a bound of memory."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

from dashboards.columns import CLOCK, StudyColumns
from dashboards.errors import BadParameter, NotThere
from dashboards.filters import Filter
from dashboards.studies import StudyView, views
from nas.errors import StoreError, unknown
from nas.store import Store, bulk
from nas.store.reading import ChangeSign, open_reader

MEMORY = 96 * 2**20  # bytes of columns that are kept between requests


class Archive:
    """What is in a database, read when asked. The database may appear later than the dashboard. Thread-safe."""

    def __init__(self, url: str, memory: int = MEMORY) -> None:
        self.url, self.memory = url, memory
        self._turn = threading.RLock()
        self._store: Store | None = None
        self._sign: ChangeSign | None = None
        self._studies: list[StudyView] = []
        self._columns: OrderedDict[tuple[int, datetime], StudyColumns] = OrderedDict()
        self.tag = secrets.token_hex(4)  # of this process: what it stamped says nothing to another

    @property
    def label(self) -> str:
        """How to name the database, without a password."""
        from nas.store import address

        return address.label(address.parse(self.url))

    @property
    def found(self) -> Store | None:
        """The store; None while there is no database. Raises `StoreError` where it cannot be read."""
        with self._turn:
            if self._store is None:
                self._store = open_reader(self.url)
                self._sign = None if self._store is None else ChangeSign(self._store)
            return self._store

    @property
    def store(self) -> Store:
        """The store. Raises `StoreError` while there is no database."""
        if (found := self.found) is None:
            raise StoreError(f"there is no database {self.label!r} yet; a search makes it")
        return found

    def studies(self) -> list[StudyView]:
        """All studies, oldest first, counted again only if something was written."""
        with self._turn:
            store = self.found
            if store is not None and (self._sign is None or self._sign.changed()):
                self._studies = views(store.studies())
            return self._studies

    def study(self, name: str) -> StudyView:
        """The study of this name. Raises `NotThere` with the nearest name."""
        studies = {study.name: study for study in self.studies()}
        if name not in studies:
            raise NotThere(unknown("study", name, studies) if studies else f"unknown study {name!r}; there are none")
        return studies[name]

    def chosen(self, wanted: Filter) -> list[StudyView]:
        """The studies that a filter names, oldest first. Raises `BadParameter` for one that does not exist."""
        studies = self.studies()
        for what, given, known in (
            ("study", wanted.studies, {study.name for study in studies}),
            ("dataset", wanted.datasets, {study.dataset for study in studies}),
        ):
            for name in given:
                if name not in known:
                    hint = unknown(what, name, known) if known else f"unknown {what} {name!r}; there are none"
                    raise BadParameter(hint)
        return [
            study
            for study in studies
            if (not wanted.studies or study.name in wanted.studies)
            and (not wanted.datasets or study.dataset in wanted.datasets)
        ]

    def columns(self, study: StudyView) -> StudyColumns:
        """The columns of a study, those not looked at for longest dropped where they exceed the bound."""
        key = study.record.id, study.record.created_at  # a database may give a deleted study's id to a new one
        with self._turn:
            kept = self._columns.get(key)
        if kept is None:
            kept = StudyColumns(self.store, study.record.id)
        with self._turn:
            kept = self._columns.setdefault(key, kept)
            self._columns.move_to_end(key)
            self._drop(keep=1)
        return kept

    def moment(self, studies: Sequence[StudyView]) -> int:
        """A moment of `dashboards.columns.CLOCK` up to which whoever reads these studies next sees every change.

        So they are brought up to date first; but where they do not all fit in memory, each would be read twice.
        """
        if sum(study.record.trials for study in studies) * bulk.TRIALS.itemsize < self.memory:
            for study in studies:
                self.columns(study).refresh_stamped(study.record.trials)
        return CLOCK.now

    def close(self) -> None:
        """Close the database."""
        with self._turn:
            if self._sign is not None:
                self._sign.close()
            if self._store is not None:
                self._store.close()

    def _drop(self, keep: int) -> None:
        sizes = [columns.bytes for columns in self._columns.values()]
        total = sum(sizes)
        for size in sizes[: len(sizes) - keep]:
            if total <= self.memory:
                return
            self._columns.popitem(last=False)
            total -= size


def names_of(studies: Sequence[StudyView]) -> list[str]:
    """The names of some studies, in their order."""
    return [study.name for study in studies]
