"""Opening a database: every form of address, and every way that it can be refused."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from store_writer import train

import nas.errors
from nas.errors import StoreError
from nas.store import Store, database, open_store, schema
from nas.store.address import label, masked, parse
from nas.store.reading import open_reader

ROOT = Path(nas.errors.__file__).parents[1]


def refusal(url: str | os.PathLike[str], **options: bool) -> str:
    """The one line with which a database is refused."""
    with pytest.raises(StoreError) as caught:
        open_store(url, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class TestAddresses:
    @pytest.mark.parametrize(
        "form", ["{folder}/a b%20.db", "sqlite:///{folder}/x.db", "sqlite+pysqlite:///{folder}/x.db"]
    )
    def test_a_path_and_a_url_name_a_file_that_stays(self, tmp_path: Path, form: str) -> None:
        url = form.format(folder=tmp_path)
        with open_store(url) as store:
            store.create_study("kept", {})
        with open_store(url, create=False) as store:
            assert store.study("kept").name == "kept"
        assert Path(store.label).is_file()

    def test_a_path_object_and_a_relative_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        for url in (Path("a.db"), "b.db", "sqlite:///c.db", "~/d.db", "sqlite:///~/e.db"):
            open_store(url).close()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "b.db", "c.db", "d.db", "e.db"]

    @pytest.mark.parametrize("url", [None, ":memory:", "sqlite://", "sqlite:///:memory:"])
    def test_memory_leaves_no_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str | None) -> None:
        monkeypatch.chdir(tmp_path)
        with open_store(url) as store:
            store.create_study("gone", {})
            assert store.label == "in memory"
        assert list(tmp_path.iterdir()) == []

    def test_postgres_means_psycopg_3(self) -> None:
        for url in ("postgres://me:secret@host/nas", "postgresql://me:secret@host/nas"):
            assert parse(url).drivername == "postgresql+psycopg"
            assert label(parse(url)) == "postgresql+psycopg://me:***@host/nas"

    def test_passwords_are_masked_wherever_they_stand(self) -> None:
        assert masked("x://me:se@cret@host/db") == "x://me:***@host/db"
        assert "secret" not in label(parse("postgresql://host/nas?user=me&password=secret"))


class TestSqlite:
    def test_the_file_is_set_up_for_a_writer_and_readers(self, tmp_path: Path) -> None:
        with open_store(tmp_path / "x.db") as store:
            for transaction in (store.database.read, store.database.write):
                with transaction() as connection:
                    values = {
                        name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                        for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
                    }
                assert values == {
                    "journal_mode": "wal",
                    "foreign_keys": 1,
                    "synchronous": 1,
                    "busy_timeout": 30_000,
                }

    def test_a_reader_does_not_wait_for_a_writer(self, tmp_path: Path) -> None:
        with open_store(tmp_path / "x.db") as writer, open_store(tmp_path / "x.db") as reader:
            study = writer.create_study("first", {})
            with writer.database.write() as connection:
                connection.exec_driver_sql("DELETE FROM nas_studies")
                assert reader.study("first") == study
            assert reader.studies() == []

    def test_a_lock_that_is_never_given_back(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
        with open_store(tmp_path / "x.db") as store, closing(sqlite3.connect(tmp_path / "x.db")) as other:
            store.database.patience = 0
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match=r"cannot write database .*x\.db: database is locked"):
                store.create_study("first", {})
            other.rollback()
            store.create_study("first", {})

    def test_tables_of_other_programs_are_left_alone(self, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "x.db")) as other:
            other.execute("CREATE TABLE theirs (x)")
            other.execute("INSERT INTO theirs VALUES (1)")
            other.commit()
        with open_store(tmp_path / "x.db") as store:
            train(store, store.create_study("first", {}).id, 0)
        with closing(sqlite3.connect(tmp_path / "x.db")) as other:
            assert other.execute("SELECT x FROM theirs").fetchall() == [(1,)]


class TestRefusals:
    def test_a_directory_that_is_not_there(self, tmp_path: Path) -> None:
        assert "does not exist; create it" in refusal(tmp_path / "no" / "x.db")
        assert not (tmp_path / "no").exists()

    def test_a_directory(self, tmp_path: Path) -> None:
        assert "it is a directory" in refusal(tmp_path)

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "x.db").write_text("accuracy,flops\n" * 100)
        assert "not an SQLite database; choose another path" in refusal(tmp_path / "x.db")
        assert (tmp_path / "x.db").read_text() == "accuracy,flops\n" * 100

    def test_a_file_or_a_folder_that_may_not_be_written(self) -> None:
        import tempfile

        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            folder.chmod(0o755)
            open_store(folder / "x.db").close()
            (folder / "x.db").chmod(0o444)
            folder.chmod(0o555)
            with as_nobody():
                assert "no permission to write the file" in refusal(folder / "x.db")
                assert "no permission to write in" in refusal(folder / "new.db")
            folder.chmod(0o755)

    def test_an_address_that_cannot_be_read(self) -> None:
        assert "has no address; give a path" in refusal("  ")
        message = refusal("postgresql://me:secret@host:port/nas")
        assert message.startswith("cannot read the database address 'postgresql://me:***@host:port/nas'")

    def test_an_unknown_driver(self) -> None:
        message = refusal("mango://me:secret@host/nas")
        assert message.startswith("unknown database driver 'mango' in 'mango://me:***@host/nas'; give a path,")
        assert "unknown database driver 'sqlite+nope'" in refusal("sqlite+nope:///x.db")

    @pytest.mark.parametrize(
        "url",
        [
            "mysql+pymysql://me:secret@host/nas",
            "oracle://me:secret@host/nas",
            "postgresql+asyncpg://me:secret@host/nas",
            "sqlite+pysqlcipher://:secret@/x.db",
            "shillelagh://",
            "file:///etc/passwd",
            "http://me:secret@host/nas.db",
            "sqlite:///x.db?uri=true&vfs=unix-none",
            "sqlite:///x.db?enable_load_extension=1",
            "sqlite:///x.db?plugin=os",
            "sqlite:///file:x.db?mode=memory&cache=shared&uri=true",
            "postgresql://me:secret@host/nas?plugin=os",
            "postgresql://me:secret@host/nas?options=-csession_preload_libraries%3Devil",
            "postgresql://me:secret@host/nas?service=other",
            "postgresql://me@host/nas?passfile=/etc/passwd&password=secret",
            "x\0.db",
            "x\n.db",
            "sqlite:///x\x1b[31m.db",
            "sqlite://host:1/x.db",
            "x" * 5000,
            "sqlite:///" + "x" * 5000,
            "://",
            "postgresql://",
            "postgresql://me:secret@127.0.0.1:1/nas",
            "postgresql://127.0.0.1:1/nas?user=me&password=secret",
            "/dev/null",
            "/dev/stdin",
        ],
    )
    @pytest.mark.parametrize("opened", [open_store, open_reader])
    def test_hostile_and_strange_addresses(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, opened: Callable[[str], Store | None]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("PGHOST", "PGPORT", "PGSERVICE"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(StoreError) as caught:
            opened(url)
        message = str(caught.value)
        assert "\n" not in message
        assert "\x1b" not in message
        assert "secret" not in message
        assert len(message) < 500
        assert list(tmp_path.iterdir()) == []

    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.db")
        for opened in (open_store, open_reader):
            with pytest.raises(StoreError, match="it is a device or a pipe"):
                opened(tmp_path / "pipe.db")

    def test_a_driver_that_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "psycopg", None)
        message = refusal("postgresql://me:secret@host/nas")
        assert "needs the package 'psycopg': pip install 'nas[postgres]'" in message
        assert "secret" not in message

    def test_a_database_of_a_newer_program(self, tmp_path: Path) -> None:
        open_store(tmp_path / "x.db").close()
        with closing(sqlite3.connect(tmp_path / "x.db")) as other:
            other.execute("UPDATE nas_alembic_version SET version_num = '0999'")
            other.commit()
        newest = schema.REVISIONS[-1]
        assert f"schema version '0999', newer than this program knows (up to '{newest}')" in refusal(tmp_path / "x.db")

    def test_tables_without_a_version(self, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "x.db")) as other:
            other.execute("CREATE TABLE nas_studies (x)")
        assert "has a table 'nas_studies' but no schema version" in refusal(tmp_path / "x.db")

    def test_a_reader_makes_no_database(self, tmp_path: Path) -> None:
        assert "there is no database" in refusal(tmp_path / "mistyped.db", create=False)
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "empty.db").touch()
        assert "holds no studies" in refusal(tmp_path / "empty.db", create=False)

    def test_a_refused_database_is_closed(self, tmp_path: Path) -> None:
        (tmp_path / "empty.db").touch()
        refusal(tmp_path / "empty.db", create=False)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.db"]


def test_neither_torch_nor_ray_nor_alembic_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from nas.store import open_store, queries; url = sys.argv[1]\n"
        "open_store(url).close(); open_store(url).close()\n"
        "print([name for name in ('torch', 'ray', 'alembic', 'numpy', 'optuna') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.db")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "[]"
