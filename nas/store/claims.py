"""Which process runs a study: one at a time, known by its signs of life.

A study is claimed for as long as it is searched. The claim says who holds it and when it was last seen alive, so a
search that was killed is told from one that runs, and a second process is refused with a clear word instead of breaking
the first one's sequence.
"""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from nas.errors import StoreError
from nas.store.database import Database
from nas.store.tables import claims

BEAT_SECONDS = 10.0
# Without a sign of life for so long, a process on another machine counts as dead. Several beats, since clocks differ
# and a database may be busy.
SILENT_SECONDS = 60.0

_OF_STUDY = claims.c.study_id == bindparam("of_study")
_CLAIM = select(claims.c.host, claims.c.pid, claims.c.started, claims.c.seen_at).where(_OF_STUDY)
_BEAT = update(claims).where(_OF_STUDY, claims.c.host == bindparam("by"), claims.c.pid == bindparam("of_pid"))
_RELEASE = delete(claims).where(_OF_STUDY, claims.c.host == bindparam("by"), claims.c.pid == bindparam("of_pid"))


@dataclass(frozen=True)
class Claim:
    """A process that runs a study, or did until it died. `started` tells it from a later one of the same number."""

    host: str
    pid: int
    started: str
    seen_at: datetime

    @property
    def silent_seconds(self) -> float:
        """Since its last sign of life."""
        return max(0.0, (datetime.now(UTC) - self.seen_at).total_seconds())

    @property
    def alive(self) -> bool:
        """Whether it still runs: known on this machine, on another believed until it was silent for a minute."""
        if self.host == platform.node():
            return started_at(self.pid) == self.started
        return self.silent_seconds < SILENT_SECONDS

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def started_at(pid: int) -> str | None:
    """When a process of this machine started, in the kernel's own ticks; None if there is no such process.

    Where the kernel does not say (it is not Linux) an empty text for every process that exists.
    """
    try:
        # After the name, which is in brackets and may hold anything, the 20th field (proc(5), 22 in all).
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""


def claim_of(connection: Connection, study_id: int) -> Claim | None:
    """Who runs the study, dead or alive; None if nobody claims it."""
    row = connection.execute(_CLAIM, {"of_study": study_id}).first()
    return None if row is None else Claim(*row)


def running(connection: Connection) -> set[int]:
    """The ids of the studies that some process runs."""
    found = connection.execute(select(claims.c.study_id, *_CLAIM.selected_columns))
    return {row[0] for row in found if Claim(*row[1:]).alive}


@contextmanager
def claimed(database: Database, study_id: int, name: str) -> Iterator[None]:
    """Hold the study in here, with a sign of life every ten seconds.

    Raises StoreError when another process that is alive holds it; what a dead one left is taken over. So may this
    claim be while the database cannot be reached: then the next step that is done after the outage is refused.
    """
    _take(database, study_id, name)

    def still_mine(connection: Connection) -> None:
        if connection.execute(_BEAT, {**_myself(study_id), "seen_at": datetime.now(UTC)}).rowcount != 1:
            raise StoreError(
                f"study {name!r} was taken over by {claim_of(connection, study_id) or 'another process'} "
                "while its database could not be reached; this search ends"
            )

    database.guards.append(still_mine)
    done = threading.Event()
    heart = threading.Thread(target=_beat, args=(database, study_id, done), name="nas-heartbeat", daemon=True)
    heart.start()
    try:
        yield
    finally:
        database.guards.remove(still_mine)
        done.set()
        heart.join()
        with suppress(StoreError), database.write() as connection:  # the database may be gone; then it will seem dead
            connection.execute(_RELEASE, _myself(study_id))


def _take(database: Database, study_id: int, name: str) -> None:
    with database.write() as connection:
        found = connection.execute(_CLAIM.with_for_update(), {"of_study": study_id}).first()
        holder = None if found is None else Claim(*found)
        if holder is not None and holder.alive:
            wait = ""
            if holder.host != platform.node():
                wait = f" (last seen {holder.silent_seconds:.0f} s ago; if it is dead, try again in a minute)"
            raise StoreError(f"study {name!r} is being run by {holder}{wait}; end that search first")
        if holder is not None:
            connection.execute(delete(claims).where(_OF_STUDY), {"of_study": study_id})
        mine: dict[str, Any] = {
            "study_id": study_id,
            "host": platform.node(),
            "pid": os.getpid(),
            "started": started_at(os.getpid()) or "",
            "seen_at": datetime.now(UTC),
        }
        connection.execute(insert(claims), mine)


def _beat(database: Database, study_id: int, done: threading.Event) -> None:
    while not done.wait(BEAT_SECONDS):
        try:
            with database.write() as connection:
                connection.execute(_BEAT, {**_myself(study_id), "seen_at": datetime.now(UTC)})
        except StoreError:
            database.was_gone = True


def _myself(study_id: int) -> dict[str, Any]:
    return {"of_study": study_id, "by": platform.node(), "of_pid": os.getpid()}
