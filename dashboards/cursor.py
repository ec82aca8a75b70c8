"""Where a listener is: the cursor that makes the next answer one of changes only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from dashboards.archive import Archive
from dashboards.filters import Filter
from dashboards.studies import StudyView


def question_of(archive: Archive, studies: Sequence[StudyView], wanted: Filter, *how: str | int) -> str:
    """What is asked, in few characters: other studies, another filter or another process make another question."""
    shown = [(study.record.id, study.name, study.record.created_at, study.dataset) for study in studies]
    ranges, axes = sorted(wanted.ranges.items()), sorted((name, sorted(of)) for name, of in wanted.axes.items())
    told = repr((shown, wanted.states, wanted.kind, ranges, axes, how))
    return f"{archive.tag}{hashlib.sha256(told.encode('utf-8', 'replace')).hexdigest()[:16]}"


def write_cursor(question: str, now: int) -> str:
    """The cursor of an answer that saw everything up to `now` of `dashboards.columns.CLOCK`."""
    return f"{question}-{now}"


def read_cursor(cursor: str, question: str) -> int | None:
    """That moment; None for a cursor of another question, or for what is none."""
    told, _, moment = cursor.partition("-")
    return int(moment) if told == question and moment.isascii() and moment.isdecimal() and len(moment) < 19 else None
