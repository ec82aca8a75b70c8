"""The store: what every search did, in any database that SQLAlchemy reaches. See `open_store`.

Imports SQLAlchemy, so import it where it is used. Alembic is imported only to migrate an old database.
"""

from nas.store.records import (
    CurveRecord,
    EpochRecord,
    LatencyRecord,
    NewTrial,
    StudyRecord,
    TrialRecord,
)
from nas.store.store import Store, open_store

__all__ = [
    "CurveRecord",
    "EpochRecord",
    "LatencyRecord",
    "NewTrial",
    "Store",
    "StudyRecord",
    "TrialRecord",
    "open_store",
]
