"""The schema: made at once or by migrations it is the same; old databases are brought up to date unharmed."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from store_freeze import WHERE
from store_writer import EPOCHS, metrics, new_trial, train

from nas.errors import StoreError
from nas.store import Store, open_store, schema
from nas.store.address import parse
from nas.store.database import Database, connect
from nas.store.tables import VERSION_TABLE, metadata

FROZEN = sorted((Path(__file__).parent / "databases").glob("*.sql"))

# What a second revision could be: it rebuilds, on SQLite, the two tables that others refer to.
SECOND = '''
"""A second revision."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("nas_studies", "nas_trials"):
        with op.batch_alter_table(table, recreate="always") as batch:
            batch.add_column(sa.Column("note", sa.String(16), server_default="none", nullable=False))
    {more}


def downgrade() -> None:
    for table in ("nas_studies", "nas_trials"):
        with op.batch_alter_table(table, recreate="always") as batch:
            batch.drop_column("note")
'''


def describe(database: Database) -> dict[str, Any]:
    """All that a database says about our tables, in an order that does not depend on how they were made."""
    with database.read() as connection:
        look = inspect(connection)
        found: dict[str, Any] = {}
        for table in sorted(look.get_table_names()):
            found[table] = {
                "columns": [
                    (column["name"], str(column["type"]), column["nullable"], column["default"])
                    for column in look.get_columns(table)
                ],
                "key": look.get_pk_constraint(table),
                "indexes": sorted((index["name"], index["column_names"]) for index in look.get_indexes(table)),
                "unique": sorted(
                    (unique["name"], unique["column_names"]) for unique in look.get_unique_constraints(table)
                ),
                "references": sorted(
                    (key["name"], key["constrained_columns"], key["referred_table"], key["referred_columns"])
                    for key in look.get_foreign_keys(table)
                ),
                "rowid": "WITHOUT ROWID"
                in connection.execute(
                    text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": table}
                ).scalar_one(),
            }
        return found


def fill(store: Store) -> None:
    study = store.create_study("old", {"seed": 1})
    train(store, study.id, 0)
    running = store.add_trial(study.id, new_trial(1))
    store.start(running.id)
    store.record_epoch(running.id, 1, metrics(1))


def contents(path: Path, without: str = VERSION_TABLE) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as raw:
        names = [row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: raw.execute(f"SELECT * FROM {name}").fetchall() for name in names if name != without}


@pytest.fixture
def second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program with one more revision: the path of its migration, to be changed at will."""
    folder = tmp_path / "100% migrations"
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    script = folder / "versions" / "v9999_second.py"
    script.write_text(SECOND.format(head=schema.REVISIONS[-1], more=""))
    monkeypatch.setattr(schema, "MIGRATIONS", folder)
    monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "9999"))
    return script


def test_the_revisions_are_those_of_the_scripts() -> None:
    scripts = ScriptDirectory(str(schema.MIGRATIONS))
    assert scripts.get_heads() == [schema.REVISIONS[-1]]
    assert [script.revision for script in scripts.walk_revisions()] == list(reversed(schema.REVISIONS))


def test_creating_and_migrating_give_the_same_schema(tmp_path: Path) -> None:
    migrated = connect(parse(tmp_path / "migrated.db"))
    schema.upgrade(migrated)
    with open_store(tmp_path / "created.db") as store:
        made = describe(store.database)
        assert set(made) == {*metadata.tables, VERSION_TABLE}
        assert describe(migrated) == made
    with migrated.read() as connection:
        assert schema.version(connection) == schema.REVISIONS[-1]
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    migrated.close()
    with open_store(tmp_path / "migrated.db") as store:
        fill(store)


def test_down_to_nothing_and_up_again(tmp_path: Path) -> None:
    database = connect(parse(tmp_path / "x.db"))
    schema.upgrade(database)
    before = describe(database)
    schema.downgrade(database, "base")
    assert set(describe(database)) == {VERSION_TABLE}
    schema.upgrade(database)
    assert describe(database) == before
    schema.downgrade(database, "base")
    database.close()
    with open_store(tmp_path / "x.db") as store:
        assert describe(store.database) == before


def test_an_old_database_is_migrated_when_it_is_opened(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = tmp_path / "x.db"
    with open_store(path) as store:
        fill(store)
    before = contents(path)
    request.getfixturevalue("second")
    with open_store(path, create=False) as store:
        assert store.study("old").spec == {"seed": 1}
        assert len(store.epochs(store.trial("old", 0).id)) == EPOCHS
        store.end(store.trial("old", 1).id, "pruned")
        with store.database.read() as connection:
            assert connection.execute(text("SELECT DISTINCT note FROM nas_trials")).scalars().all() == ["none"]
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    schema.downgrade(database := connect(parse(path)), schema.REVISIONS[-2])
    database.close()
    after = contents(path)
    assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}
    assert after["nas_studies"] == before["nas_studies"]
    assert after["nas_epochs"] == before["nas_epochs"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("op.execute('SELECT 1 FROM nowhere')", "cannot migrate database .*no such table: nowhere"),
        ("op.execute('DELETE FROM nas_studies')", "would break the references of nas_trials"),
    ],
)
def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, second: Path, monkeypatch: pytest.MonkeyPatch, more: str, message: str
) -> None:
    path = tmp_path / "x.db"
    with monkeypatch.context() as old:
        old.setattr(schema, "REVISIONS", schema.REVISIONS[:-1])
        with open_store(path) as store:
            fill(store)
            before = describe(store.database)
    rows = contents(path, without="")
    second.write_text(SECOND.format(head=schema.REVISIONS[-2], more=more))
    with pytest.raises(StoreError, match=message):
        open_store(path)
    assert contents(path, without="") == rows
    with monkeypatch.context() as old:
        old.setattr(schema, "REVISIONS", schema.REVISIONS[:-1])
        with open_store(path) as store:
            assert describe(store.database) == before


def test_the_slower_of_two_creators_uses_what_the_quicker_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As on PostgreSQL, where both begin and the second one's CREATE TABLE fails.
    open_store(tmp_path / "x.db").close()
    real, answers = schema.version, iter([None, None])
    monkeypatch.setattr(schema, "version", lambda connection: next(answers, real(connection)))
    with open_store(tmp_path / "x.db") as store:
        fill(store)


def test_there_is_a_frozen_database_of_every_revision() -> None:
    assert [path.stem for path in FROZEN] == list(schema.REVISIONS)


@pytest.mark.parametrize("frozen", FROZEN, ids=lambda path: path.stem)
def test_every_frozen_database_can_be_opened_and_used(tmp_path: Path, frozen: Path) -> None:
    path = tmp_path / "studies.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(frozen.read_text(encoding="utf-8"))
    with open_store(path, create=False) as store, open_store() as fresh:
        assert describe(store.database) == describe(fresh.database)
        study = store.study("frozen")
        assert study.spec == {"space": "resnext", "seed": 3}
        assert [trial.state for trial in store.trials(study.id)] == [
            "complete",
            "complete",
            "infeasible",
            "running",
            "complete",
        ]
        first, reused, infeasible, running, baseline = store.trials(study.id)
        assert first.metrics == metrics(EPOCHS)
        assert store.epochs(reused.id) == store.epochs(first.id)
        assert (infeasible.reason, infeasible.told) == ("flops", 4)
        assert baseline.name == "resnet18"
        assert store.find("0" * 15 + "1", "digits:1a2b", first.recipe_key, 0) == first
        assert [curve.values for curve in store.curves(study.id)] == [{"entropy": 0.5}]
        since = frozen.stem >= "0003"  # what older databases could not hold has its default
        assert (running.failures, running.traceback is not None) == ((1, True) if since else (0, False))
        assert study.spent == ({"seconds": 1.5} if since else None)
        assert len(store.latencies(**WHERE)) == since
        store.requeue(running.id)
        train(store, study.id, 9)


def test_on_postgresql_migrations_give_the_tables_and_go_back_with_their_rows(postgresql: str) -> None:
    database = connect(parse(postgresql))
    schema.upgrade(database)
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
    store = Store(database)
    fill(store)
    before = store.trials(1)
    for revision in reversed(schema.REVISIONS[:-1]):
        schema.downgrade(database, revision)
        with database.read() as connection:
            assert schema.version(connection) == revision
            assert connection.execute(text("SELECT count(*) FROM nas_trials")).scalar() == len(before)
    schema.upgrade(database)
    assert store.trials(1) == before
    schema.downgrade(database, "base")
    with database.read() as connection:
        assert inspect(connection).get_table_names() == [VERSION_TABLE]
    store.close()
