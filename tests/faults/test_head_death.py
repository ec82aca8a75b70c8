"""The head of a Ray cluster dies in the middle of a search, which ends with one line and goes on on another cluster."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_cluster import NAS, SPACE, Cluster, ended, shown, trained, wait

pytestmark = [pytest.mark.faults(only_long=True), pytest.mark.timeout(240)]

BUDGET = 10
PATIENCE = 10  # seconds; Ray is told to wait twice as long
BEGIN = """
import sys
import own_space, nas
nas.search(own_space.space(), evaluator=own_space.judge, image=(1, 8, 8), budget=int(sys.argv[2]), controller="random",
           baselines="none", name="s", storage=sys.argv[3], executor=sys.argv[4],
           executor_options={"address": sys.argv[1]} if sys.argv[4] == "ray" else {})
"""
GO_ON = """
import sys
import own_space, nas
nas.resume("s", "nas.db", space=own_space.space(), evaluator=own_space.judge, executor_options={"address": sys.argv[1]})
"""


@pytest.fixture
def clusters() -> Iterator[list[Cluster]]:
    """Two, each with a CPU for children on the head and one on another machine; the second starts when it is needed."""
    made: list[Cluster] = []
    try:
        yield made
    finally:
        for cluster in made:
            cluster.close()
            shutil.rmtree(cluster.place, ignore_errors=True)


def another(clusters: list[Cluster]) -> Cluster:
    clusters.append(Cluster(Path(tempfile.mkdtemp(prefix="nc", dir="/tmp")), cpus=1))
    clusters[-1].start(2)
    return clusters[-1]


def user(cluster: Cluster) -> Path:
    folder = cluster.place / "user"
    folder.mkdir()
    (folder / "own_space.py").write_text(SPACE)
    (folder / "own_words.py").write_text(f'ACT = "tanh"\nPLACE = {str(cluster.place)!r}\n')
    (folder / "begin.py").write_text(BEGIN)
    (folder / "go_on.py").write_text(GO_ON)
    return folder


def process(command: list[str], folder: Path, cluster: Cluster) -> subprocess.Popen[str]:
    env = {**cluster.environment, "RAY_gcs_rpc_server_reconnect_timeout_s": str(2 * PATIENCE)}
    return subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def ends(search: subprocess.Popen[str], seconds: float) -> str:
    """What it says on stderr until it ends, within so many seconds; ended here in any case."""
    try:
        return search.communicate(timeout=seconds)[1]
    finally:
        search.kill()


def kill_head(cluster: Cluster, what: str) -> None:
    if what == "machine":
        cluster.kill(cluster.head)
        return
    servers = [
        pid for pid in cluster.processes(cluster.head) if b"gcs_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert len(servers) == 1
    os.kill(servers[0], signal.SIGKILL)


def rows(shown: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(row["trial"], row["architecture"], row["state"], row["values"]) for row in shown["trials"]]


@pytest.mark.parametrize("what", ["machine", "server"])
def test_no_child_pays_for_the_head_and_the_study_goes_on_elsewhere(clusters: list[Cluster], what: str) -> None:
    """One of the two children in flight has its worker on the machine of the head."""
    first = another(clusters)
    folder = user(first)
    search = process([sys.executable, "begin.py", first.address, str(BUDGET), "nas.db", "ray"], folder, first)
    try:
        wait("some children", lambda: len(trained(first)) >= 3 or ended(search))
        (first.place / "meet").write_text("nobody")  # from now on children wait
        wait("children of both", lambda: all((first.place / f"at-n{node}").exists() for node in (1, 2)))
        time.sleep(1.0)  # what has ended before is recorded
        kill_head(first, what)
        begun = time.monotonic()
    finally:
        errors = ends(search, 100)
    assert PATIENCE - 3 < time.monotonic() - begun < PATIENCE + 40
    assert search.returncode == 1
    assert f"ClusterLost: the head of Ray at {first.address} has not answered for {PATIENCE} s" in errors
    half = shown(folder, first)["trials"]
    assert Counter(trial["state"] for trial in half) == {"complete": len(trained(first)), "waiting": 2}
    assert all(trial["failures"] == 0 for trial in half)
    first.close()  # the machines that are left, where one child waits
    (first.place / "meet").unlink()

    second = another(clusters)
    errors = ends(resumed := process([sys.executable, "go_on.py", second.address], folder, second), 100)
    assert resumed.returncode == 0, errors
    whole = shown(folder, second)
    errors = ends(
        alone := process([sys.executable, "begin.py", "", str(BUDGET), "alone.db", "inline"], folder, first), 60
    )
    assert alone.returncode == 0, errors
    (folder / "nas.db").rename(folder / "broken.db")
    (folder / "alone.db").rename(folder / "nas.db")
    assert rows(whole) == rows(shown(folder, first)), "it is the same search as an undisturbed one"
    assert all(trial["failures"] == 0 for trial in whole["trials"])
    here = [key for key, node in trained(first) if node != "user"]  # `user` is where the undisturbed one ran
    assert sorted(here) == sorted(trial["architecture"] for trial in whole["trials"]), (
        "each was trained to its end once"
    )


def test_the_command_line_says_one_line_and_resume_takes_another_address(clusters: list[Cluster]) -> None:
    first = another(clusters)
    folder = user(first)
    words = "search --space own_space:space --budget 4 --recipe epochs=12 --controller random --baselines none --name d"
    search = process([*NAS, *words.split(), "--ray-address", first.address, "--quiet"], folder, first)
    try:
        wait("a child", lambda: "complete" in states(folder, first) or ended(search), 120)
        kill_head(first, "machine")
    finally:
        errors = ends(search, 100)
    assert search.returncode == 1
    assert errors.splitlines()[-1] == (
        f"nas: the head of Ray at {first.address} has not answered for {PATIENCE} s: the cluster is lost. "
        "Finished trials are kept, and the children in flight wait. "
        "Go on with: nas resume d, on another cluster with --ray-address HOST:PORT"
    )
    assert "Traceback" not in errors
    before = shown(folder, first, "d")["trials"]
    assert set(states(folder, first)) == {"complete", "waiting"}
    first.close()

    refused = process([*NAS, "resume", "d"], folder, first)
    assert f"nas: no Ray at '{first.address}'" in ends(refused, 100)
    assert refused.returncode == 1
    second = another(clusters)
    errors = ends(resumed := process([*NAS, "resume", "d", "--ray-address", second.address], folder, second), 150)
    assert resumed.returncode == 0, errors
    after = shown(folder, second, "d")
    assert [trial["state"] for trial in after["trials"]] == ["complete"] * 4
    assert all(trial["failures"] == 0 for trial in after["trials"])
    kept = {trial["trial"]: trial["finished"] for trial in before if trial["state"] == "complete"}
    assert kept.items() <= {trial["trial"]: trial["finished"] for trial in after["trials"]}.items()
    assert after["study"]["spec"]["executor_options"]["address"] == second.address


def states(folder: Path, cluster: Cluster) -> list[str]:
    return [trial["state"] for trial in shown(folder, cluster, "d")["trials"]]
