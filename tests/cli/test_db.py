"""`nas db`: upgrade, check and backup, with good and bad databases; no password in any output."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nas.cli import main
from nas.store import NewTrial, Store, open_store, tables

DATABASES = Path(__file__).parents[1] / "store" / "databases"


@pytest.fixture
def nas(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process: exit code, stdout, stderr."""
    monkeypatch.delenv("NAS_STORAGE", raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["nas", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return (code if isinstance(code, int) else 0, *capfd.readouterr())

    return run


def new_trial(content: int) -> NewTrial:
    return NewTrial(
        architecture_key=f"{content:016x}",
        architecture={"stages": [content]},
        graph_key=f"{content:016x}",
        evaluator_key="digits",
        recipe_key="r",
        recipe={"epochs": 1},
        seed=0,
        params=1,
        flops=1,
        activations=1,
        memory=1,
    )


def train(store: Store, study_id: int, content: int) -> None:
    trial = store.add_trial(study_id, new_trial(content))
    store.start(trial.id)
    store.record_epoch(trial.id, 1, {"epoch": 1, "val_accuracy": 0.5})
    store.end(trial.id, "complete")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with one study of three complete trials and one that runs."""
    path = tmp_path / "nas.db"
    with open_store(path) as store:
        study = store.create_study("one", {}).id
        for content in range(3):
            train(store, study, content)
        store.start(store.add_trial(study, new_trial(3)).id)
    return path


def old(tmp_path: Path, revision: str) -> Path:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript((DATABASES / f"{revision}.sql").read_text(encoding="utf-8"))
    return path


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_upgrade_says_from_where_to_where(nas: Any, tmp_path: Path, revision: str) -> None:
    path = old(tmp_path, revision)
    code, out, _ = nas("db", "check", "--storage", path)
    assert (code, f"schema {revision}, not 0003: run `nas db upgrade`" in out) == (1, True)
    code, out, error = nas("db", "upgrade", "--storage", path, "--json")
    assert (code, json.loads(out), error) == (0, {"from": revision, "to": "0003"}, "")
    assert nas("db", "upgrade", "--storage", path)[:2] == (0, "schema 0003 already\n")
    code, out, _ = nas("db", "check", "--storage", path, "--json")
    assert (code, json.loads(out)["counts"]["trials"]) == (0, 5)


def test_a_sound_database(nas: Any, path: Path) -> None:
    before = path.read_bytes()
    code, out, error = nas("db", "check", "--storage", path, "--json")
    document = json.loads(out)
    assert (code, error) == (0, "")
    assert document == {
        "database": str(path),
        "schema": "0003",
        "newest": "0003",
        "integrity": [],
        "references": 0,
        "findings": [],
        "dead": [],
        "counts": {"studies": 1, "trials": 4, "epochs": 3, "architectures": 4, "recipes": 1, "latencies": 0},
        "ok": True,
    }
    assert path.read_bytes() == before
    code, out, _ = nas("db", "check", "--storage", path)
    assert out.splitlines()[-2:] == [
        "1 studies, 4 trials, 3 epochs, 4 architectures, 1 recipes, 0 latencies",
        "ok",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE nas_trials SET state = 'lost' WHERE number = 1", "in a state that does not exist, such as one:1"),
        ("UPDATE nas_trials SET finished_at = NULL WHERE number = 2", "1 trials ended without a time of the end"),
        ("UPDATE nas_trials SET finished_at = created_at WHERE number = 3", "not ended, with a time of the end"),
        ("UPDATE nas_trials SET started_at = NULL WHERE number = 3", "running without a time of the start"),
        ("UPDATE nas_trials SET state = 'waiting' WHERE number = 3", "waiting after a start"),
        ("UPDATE nas_trials SET metrics = NULL", "impossible: 3 trials complete without metrics, such as one:0"),
        ("UPDATE nas_trials SET reused_from = 1 WHERE number = 3", "reused without being complete"),
        ("UPDATE nas_trials SET reused_from = 4 WHERE number = 0", "answered by a trial that was not trained"),
        ("DELETE FROM nas_epochs WHERE trial_id = 2", "another number of epochs than its learning curve"),
        ("UPDATE nas_trials SET flops = NULL WHERE number = 0", "without costs, though trained"),
        ("DELETE FROM nas_recipes", "damaged: 4 rows refer to one that is not there"),
    ],
)
def test_what_no_search_writes_is_found(nas: Any, path: Path, change: str, said: str) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(change)
        raw.commit()
    code, out, error = nas("db", "check", "--storage", path)
    assert (code, error) == (1, "")
    assert said in out
    assert out.endswith("not ok\n")
    assert json.loads(nas("db", "check", "--storage", path, "--json")[1])["ok"] is False


@pytest.mark.parametrize(("first", "said"), [(0.96, "damaged: "), (0.1, "database disk image is malformed")])
def test_a_damaged_file(nas: Any, path: Path, first: float, said: str) -> None:
    content = bytearray(path.read_bytes())
    for start in range(4096 * int(first * len(content) / 4096), len(content), 4096):
        content[start : start + 512] = b"\xff" * 512
    path.write_bytes(content)
    code, out, error = nas("db", "check", "--storage", path)
    assert code == 1
    assert said in out + error
    assert "Traceback" not in out + error


def test_a_study_whose_process_died_is_named(nas: Any, path: Path) -> None:
    with open_store(path) as store, store.claimed(store.study("one").id):
        assert json.loads(nas("db", "check", "--storage", path, "--json")[1])["dead"] == []
        with store.database.write() as connection:
            connection.execute(tables.claims.update().values(started="1"))
        code, out, _ = nas("db", "check", "--storage", path)
        assert (code, "interrupted: study one; go on with `nas resume one`" in out) == (0, True)


def test_a_backup_is_taken_while_a_search_writes(nas: Any, path: Path, tmp_path: Path) -> None:
    done, failures = threading.Event(), []

    def write() -> None:
        try:
            with open_store(path) as store:
                study, content = store.study("one").id, 100
                while not done.is_set():
                    train(store, study, content)
                    content += 1
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    sizes = []
    try:
        for n in range(5):
            target = tmp_path / f"backup {n}.db"
            code, out, error = nas("db", "backup", target, "--storage", path, "--json")
            assert (code, error) == (0, "")
            assert json.loads(out) == {"file": str(target), "bytes": target.stat().st_size}
            document = json.loads(nas("db", "check", "--storage", target, "--json")[1])
            assert document["ok"], document
            sizes.append(document["counts"]["trials"])
    finally:
        done.set()
        writer.join()
    assert failures == []
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1], "the search wrote meanwhile"
    with open_store(tmp_path / "backup 4.db") as store:
        train(store, store.study("one").id, 9)
    assert not [name for name in tmp_path.iterdir() if name.name.startswith(".")]


def test_a_backup_overwrites_nothing(nas: Any, path: Path, tmp_path: Path) -> None:
    (tmp_path / "there.db").write_text("mine")
    (tmp_path / "dangling.db").symlink_to(tmp_path / "nowhere")
    for target in ("there.db", "dangling.db", "nas.db"):
        code, out, error = nas("db", "backup", tmp_path / target, "--storage", path)
        assert (code, out) == (1, "")
        assert error == f"nas: {str(tmp_path / target)!r} exists already; name a new file for the backup\n"
    assert (tmp_path / "there.db").read_text() == "mine"
    code, _, error = nas("db", "backup", tmp_path / "no" / "x.db", "--storage", path)
    assert (code, "does not exist; create it" in error) == (1, True)


@pytest.mark.parametrize("command", [("upgrade",), ("check",), ("backup", "new.db")])
@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("missing.db", "there is no database 'missing.db'"),
        ("empty.db", "holds no studies"),
        ("text.db", "not an SQLite database"),
        (".", "is a directory"),
        ("mysql://me:secret@host/x", "unknown database driver 'mysql' in 'mysql://me:***@host/x'"),
        ("postgresql://me:secret@127.0.0.1:1/x", "postgresql+psycopg://me:***@127.0.0.1:1/x"),
    ],
)
def test_bad_addresses_are_one_line(
    nas: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], storage: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.db").touch()
    (tmp_path / "text.db").write_text("accuracy,flops\n" * 100)
    code, out, error = nas("db", *command, "--storage", storage)
    assert (code, out) == (1, "")
    assert error.startswith("nas: ")
    assert error.count("\n") == 1
    assert said in error
    assert not (tmp_path / "new.db").exists()


def test_a_server_is_backed_up_by_its_own_tool(nas: Any) -> None:
    code, out, error = nas("db", "backup", "x.db", "--storage", "postgresql://me:secret@host/nas")
    assert (code, out) == (1, "")
    assert error == (
        "nas: database postgresql+psycopg://me:***@host/nas is kept by a server; back it up with the server's pg_dump\n"
    )


@pytest.mark.parametrize(
    "command",
    [
        ("studies",),
        ("show", "x"),
        ("show", "x:1"),
        ("pareto", "x"),
        ("describe", "x:1"),
        ("resume", "x"),
        ("baseline", "x", "resnet8"),
        ("search", "--space", "resnext", "--budget", "1"),
        ("report", "x"),
        ("dashboard", "--port", "0"),
    ],
)
@pytest.mark.parametrize(
    "storage",
    [
        "postgresql://me:s3cret@127.0.0.1:1/nas",
        "postgresql://127.0.0.1:1/nas?user=me&password=s3cret",
        "postgresql://me:s3cret@127.0.0.1:port/nas",
        "mysql://me:s3cret@127.0.0.1/nas",
    ],
)
def test_no_password_is_printed(nas: Any, command: tuple[str, ...], storage: str) -> None:
    code, out, error = nas(*command, "--storage", storage)
    assert code == 1, (out, error)
    assert "s3cret" not in out + error
    assert error.splitlines()[-1].startswith("nas: ")
