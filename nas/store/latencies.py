"""The statements behind measured latencies: one row for each machine, condition and network or block."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, and_, select, update

from nas.errors import StoreError, unknown
from nas.store.database import insert_missing
from nas.store.records import LATENCY_KINDS, LatencyRecord
from nas.store.tables import latencies

_COLUMNS = tuple(latencies.c[field.name] for field in dataclasses.fields(LatencyRecord))


def under(connection: Connection, conditions: Mapping[str, Any]) -> dict[str, LatencyRecord]:
    """All that was measured under these conditions, by key."""
    wanted = select(*_COLUMNS).where(*(latencies.c[name] == value for name, value in conditions.items()))
    return {record.key: record for record in (LatencyRecord(*row) for row in connection.execute(wanted))}


def keep(connection: Connection, what: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
    """Write a measurement over an earlier one of the same thing. Raises StoreError for what cannot be a latency."""
    if what["kind"] not in LATENCY_KINDS:
        raise StoreError(unknown("kind of latency", what["kind"], LATENCY_KINDS))
    low, median, high = (measured[name] for name in ("low", "median", "high"))
    if not 0 <= low <= median <= high < math.inf or measured["runs"] < 1:
        raise StoreError(
            f"a latency of {median!r} s (quartiles {low!r} and {high!r}, {measured['runs']} runs) cannot be kept; "
            "give finite seconds with low <= median <= high, and at least 1 run"
        )
    there = and_(*(latencies.c[name] == value for name, value in what.items()))
    if connection.execute(update(latencies).where(there).values(**measured)).rowcount == 0:
        # Of two processes that measure the same thing at the same moment, one row stays: either is a measurement.
        insert_missing(connection, latencies, {**what, **measured})
