"""The command `nas dashboard` as a person starts it: at once, on this machine only, and stopped by Ctrl-C."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dashboard_data import children, spec
from dashboard_site import Site

from nas.store import open_store

NAS = str(Path(sys.executable).with_name("nas"))


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A dashboard on a free port, and its address."""
    command = [NAS, "dashboard", "--port", "0", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NAS_")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 20)[0], "it says nothing"
        yield process, process.stdout.readline().split()[1]
    finally:
        process.kill()
        process.communicate()


def ask(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read()


def test_the_first_answer_comes_soon_and_ctrl_c_is_a_quiet_end(site: Site) -> None:
    took = []
    for _ in range(3):
        began = time.monotonic()
        with serving("--storage", str(site.path)) as (process, address):
            assert b"<!doctype html>" in ask(address + "/")
            took.append(time.monotonic() - began)
            assert len(json.loads(ask(address + "/api/studies"))["studies"]) == 3
            process.send_signal(signal.SIGINT)
            assert process.wait(5) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""
    assert min(took) < 1.0  # half a second where nothing else runs; scripts/bench_dashboard.py prints it


def test_the_server_imports_neither_torch_nor_ray(site: Site) -> None:
    script = (
        "import sys; from starlette.testclient import TestClient; from dashboards.app import make_app\n"
        f"client = TestClient(make_app({str(site.path)!r}), base_url='http://localhost')\n"
        "for path in ('studies', 'points', 'progress', 'axes', 'trials', 'trials/first/3',"
        " 'trials/first/3/drawing.svg', 'compare?trial=first:3&trial=first:4', 'published',"
        " 'networks/resnet18', 'export.csv'):\n"
        "    assert client.get('/api/' + path).status_code == 200, path\n"
        "print(*sorted({'torch', 'ray', 'optuna', 'pandas', 'torchvision', 'sklearn'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, ""), run.stderr


def test_a_database_that_a_search_makes_later_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "later.db"
    with serving("--storage", str(path)) as (_, address):
        assert json.loads(ask(address + "/api/studies"))["studies"] == []
        with open_store(path) as store:
            children(store, store.create_study("late", spec()), 2)
            found = json.loads(ask(address + "/api/studies"))["studies"]
        assert [(study["name"], study["trials"]) for study in found] == [("late", 2)]


def test_a_stream_of_events_does_not_hold_up_the_end(site: Site) -> None:
    with serving("--storage", str(site.path)) as (process, address):
        stream = urllib.request.urlopen(address + "/api/events", timeout=10)
        assert stream.readline().startswith(b"data: ")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0
        assert time.monotonic() - began < 2
        stream.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (lambda port: ["--host", "0.0.0.0"], "--host 0.0.0.0: others can reach this address; give a --token"),
        (lambda port: ["--port", str(port)], "choose another --port"),
        (lambda port: ["--storage", "nonsense://x"], "unknown database driver"),
        (lambda port: ["--storage", "."], "it is a directory"),
    ],
)
def test_what_cannot_be_served_is_one_line(tmp_path: Path, arguments: Callable[[int], list[str]], said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [NAS, "dashboard", "--port", "0", *arguments(taken.getsockname()[1])]
        run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=30, check=False)
    assert run.returncode == 1
    assert said in run.stderr
    assert run.stderr.count("\n") == 1


def test_many_requests_at_once_agree(site: Site) -> None:
    """Columns are read by several threads while a search adds to them."""
    found: list[int] = []

    def look() -> None:
        found.extend(site.get("/api/points?study=first")["total"] for _ in range(8))

    site.get("/api/studies")
    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    children(site.store, site.store.study("first"), 5, seed=50)
    for thread in threads:
        thread.join()
    assert set(found) <= set(range(14, 20))
    assert site.get("/api/points?study=first")["total"] == 19
