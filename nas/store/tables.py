"""The tables, as SQLAlchemy Core sees them. A change here needs a migration (see migrations/env.py)."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

VERSION_TABLE = "nas_alembic_version"
KEY = String(64)
NAME = String(255)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: timezone-aware UTC in Python, whatever the database keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the database UTC; only PostgreSQL keeps the zone, so the others get none."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give Python an aware moment in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Named constraints: a migration can only alter or drop what has a name.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

studies = Table(
    "nas_studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("spec", JSON, nullable=False),
    Column("spent", JSON(none_as_null=True)),  # what the search has cost so far
)

architectures = Table(
    "nas_architectures",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("document", JSON, nullable=False),
)

recipes = Table(
    "nas_recipes",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("document", JSON, nullable=False),
)

trials = Table(
    "nas_trials",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", Integer, ForeignKey(studies.c.id), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", NAME),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("architecture_key", KEY, ForeignKey(architectures.c.key), nullable=False),
    Column("graph_key", KEY),
    Column("point", JSON(none_as_null=True)),
    Column("evaluator_key", NAME, nullable=False),
    Column("recipe_key", KEY, ForeignKey(recipes.c.key), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("params", BigInteger),
    Column("flops", BigInteger),
    Column("activations", BigInteger),
    Column("memory", BigInteger),
    Column("metrics", JSON(none_as_null=True)),
    Column("val_accuracy", Float(53)),
    Column("epochs", Integer, nullable=False),
    Column("asked", Integer),
    Column("told", Integer),
    Column("reused_from", Integer, ForeignKey("nas_trials.id")),
    Column("worker", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("failures", Integer, nullable=False, server_default=text("0")),  # runs that broke and were tried again
    Column("traceback", Text),  # the end of the last one
    UniqueConstraint("study_id", "number"),
    # Two processes that run one study at once would both take the next position: the second one is refused.
    UniqueConstraint("study_id", "asked"),
    UniqueConstraint("study_id", "told"),
)
# Is this child known? Ended by id (SQLite does so by itself): the first match answers, however many follow.
Index(
    "ix_nas_trials_known",
    *(trials.c[name] for name in ("graph_key", "evaluator_key", "recipe_key", "seed", "state", "id")),
)
# Gives the trials of one state in number order, and covers the tallies: they are counted without reading one trial.
Index(
    "ix_nas_trials_tally",
    *(trials.c[name] for name in ("study_id", "state", "number", "kind", "val_accuracy", "reused_from")),
)
# The best accuracy of a study's children, and of its baselines: the end of a range.
Index("ix_nas_trials_best", *(trials.c[name] for name in ("study_id", "state", "kind", "val_accuracy")))

epochs = Table(
    "nas_epochs",
    metadata,
    Column("trial_id", Integer, ForeignKey(trials.c.id), primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("metrics", JSON, nullable=False),
    Column("val_accuracy", Float(53)),
    Column("seconds", Float(53)),
    sqlite_with_rowid=False,  # rows lie in the order of the key: a learning curve is one short read
)

curves = Table(
    "nas_curves",
    metadata,
    Column("study_id", Integer, ForeignKey(studies.c.id), primary_key=True, autoincrement=False),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("values", JSON, nullable=False),
    sqlite_with_rowid=False,
)

claims = Table(
    "nas_claims",
    metadata,
    Column("study_id", Integer, ForeignKey(studies.c.id), primary_key=True, autoincrement=False),
    Column("host", NAME, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", KEY, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

latencies = Table(
    "nas_latencies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("machine", NAME, nullable=False),
    Column("device", String(64), nullable=False),
    Column("threads", Integer, nullable=False),
    Column("batch", Integer, nullable=False),
    Column("precision", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("key", KEY, nullable=False),
    Column("median", Float(53), nullable=False),
    Column("low", Float(53), nullable=False),
    Column("high", Float(53), nullable=False),
    Column("runs", Integer, nullable=False),
    Column("measured_at", UtcDateTime, nullable=False),
    UniqueConstraint("machine", "device", "threads", "batch", "precision", "kind", "key", name="uq_nas_latencies_what"),
)

# Alembic's own table, as Alembic makes it; apart, so that migrations do not see it as one of ours.
versions = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
