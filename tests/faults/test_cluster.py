"""A real Ray cluster: a head and workers in processes of their own, one killed in the middle, another joining.

All on this machine, each node under a loopback address of its own (127.0.0.0/8), so that Ray takes them for machines.
A cluster is ended by the process groups that were started for it: `ray stop` would end every Ray of this machine.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nas.errors

pytestmark = [pytest.mark.faults(only_long=True), pytest.mark.timeout(240)]

ROOT = Path(nas.errors.__file__).parents[1]
NAS = [sys.executable, "-c", "from nas.cli import main; main()"]
RAY = [sys.executable, "-c", "from ray.scripts.scripts import main; main()"]
BUDGET = 14


class Cluster:
    """Nodes of Ray, each with its process group and its address."""

    def __init__(self, place: Path, *, cpus: int = 0) -> None:
        """A head with so many CPUs for children."""
        self.place = place
        self._groups: dict[str, subprocess.Popen[bytes]] = {}
        # Three numbers of the address are drawn, so that clusters of tests that run at once do not meet.
        self._hosts = f"127.{random.randrange(10, 250)}.{random.randrange(250)}"
        self.head = f"{self._hosts}.1"
        with socket.socket() as free:
            free.bind((self.head, 0))
            self.address = f"{self.head}:{free.getsockname()[1]}"
        (place / "token").write_text(secrets.token_hex(32))
        self.environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(place / "token"),
            "RAY_TMPDIR": str(place),  # also for the file in which Ray keeps the address of the newest cluster
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        port = f"--port={self.address.partition(':')[2]}"
        self.start(1, "--head", port, f"--num-cpus={cpus}", "--include-dashboard=False")

    def start(self, number: int, *options: str) -> str:
        """A node at the address of that number; a worker has one CPU."""
        host = f"{self._hosts}.{number}"
        joins = options or (f"--address={self.address}", "--num-cpus=1")
        folder = self.place / f"n{number}"  # where its workers are
        folder.mkdir()
        with open(self.place / f"{number}.log", "wb") as log:
            self._groups[host] = subprocess.Popen(
                [*RAY, "start", *joins, f"--node-ip-address={host}", "--object-store-memory=80000000", "--block"],
                cwd=folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_the_test,
            )
        wait(f"node {host}", lambda: b"Ray runtime started" in (self.place / f"{number}.log").read_bytes())
        return host

    def kill(self, host: str) -> None:
        """End every process of a node at once, as a machine that loses its power."""
        processes, group = self.processes(host), self._groups.pop(host)
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        group.wait(timeout=10)

    def processes(self, host: str) -> list[int]:
        """Every process of a node, by its id."""
        return [*_descendants(self._groups[host].pid), self._groups[host].pid]

    def close(self) -> None:
        for host in reversed(list(self._groups)):
            self.kill(host)


def _end_with_the_test() -> None:
    """A node whose test is killed is told to end by the system: `ray start --block` then ends what it has started."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _descendants(pid: int) -> list[int]:
    """The processes below one that this test started; Ray gives some of them groups of their own."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def wait(what: str, done: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"{what} did not come in {seconds:g} s"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    place = Path(tempfile.mkdtemp(prefix="nc", dir="/tmp"))  # short, for Ray's sockets
    made = Cluster(place)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(place, ignore_errors=True)


# What the user has in the current directory, and no other: a space, an evaluator, and a module that they import.
SPACE = """
from __future__ import annotations
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import own_words
from searchspaces import Architecture, Block, OneOf, Space, Stage
from searchspaces.documents import Kernel
from searchspaces.ends import ConvStem, PoolHead

@dataclass(frozen=True)
class Wiggle(Block):
    kernel: Kernel = 3

    def draw(self, g, x, width, stride):
        return g.unit(x, width, self.kernel, stride, act=own_words.ACT)

def space(image=8):
    stages = tuple(Stage(Wiggle(OneOf(f"k{i}", (1, 3, 5))), OneOf(f"d{i}", (1, 2)), 8) for i in range(3))
    return Space("own_space:space", Architecture(ConvStem(8, 3, 1, False), stages, PoolHead()))

def meet(node):
    "Wait for children on the nodes that are named in the file, when there is one."
    wanted = Path(own_words.PLACE, "meet")
    if wanted.exists():
        Path(own_words.PLACE, "at-" + node).touch()
        end = time.monotonic() + 60
        while not all(Path(own_words.PLACE, "at-" + name).exists() for name in wanted.read_text().split()):
            if time.monotonic() > end:
                raise TimeoutError("the nodes did not meet")
            time.sleep(0.05)

def judge(architecture):
    for epoch in range(1, 4):
        time.sleep(0.4)
        meet(Path.cwd().name)
        if epoch == 3:
            with open(own_words.PLACE + "/trained.log", "a") as file:
                file.write(f"{architecture.key} {Path.cwd().name}\\n")
        yield epoch * zlib.crc32(architecture.key.encode()) / 2**32 / 3
"""
SEARCH = """
import sys
import own_space, nas
nas.search(own_space.space(), evaluator=own_space.judge, image=(1, 8, 8), budget=int(sys.argv[2]), controller="random",
           baselines="none", name="s", storage="nas.db", executor="ray", executor_options={"address": sys.argv[1]})
"""


@pytest.fixture(scope="module")
def folder(cluster: Cluster) -> Path:
    """A folder of the user's, where the search is started and no worker is."""
    folder = cluster.place / "user"
    folder.mkdir()
    (folder / "own_space.py").write_text(SPACE)
    (folder / "own_words.py").write_text(f'ACT = "tanh"\nPLACE = {str(cluster.place)!r}\n')
    (folder / "own_search.py").write_text(SEARCH)
    return folder


def shown(folder: Path, cluster: Cluster, study: str = "s") -> dict[str, Any]:
    """The study as it is now; nothing while there is none."""
    command = [*NAS, "show", study, "--json"]
    done = subprocess.run(command, cwd=folder, env=cluster.environment, capture_output=True, timeout=60, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {"trials": []}  # type: ignore[no-any-return]


def trained(cluster: Cluster) -> list[tuple[str, str]]:
    """The children that were trained to their end: architecture and node."""
    log = cluster.place / "trained.log"
    return [(line.split()[0], line.split()[1]) for line in log.read_text().splitlines()] if log.exists() else []


def test_a_node_dies_others_join_and_every_trial_is_there_once(cluster: Cluster, folder: Path) -> None:
    """The user's modules are in a folder of the driver alone: the workers have started in others."""
    second, _ = cluster.start(2), cluster.start(3)
    command = [sys.executable, "own_search.py", cluster.address, str(BUDGET)]
    search = subprocess.Popen(
        command, cwd=folder, env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        wait("a child of each node", lambda: {node for _, node in trained(cluster)} == {"n2", "n3"} or ended(search))
        cluster.kill(second)
        # From now on a child goes on only when three are in flight, one more than there were places at the start.
        (cluster.place / "meet").write_text("n3 n4 n5")
        before = len(trained(cluster))
        cluster.start(4)
        cluster.start(5)
        _, errors = search.communicate(timeout=120)
    finally:
        search.kill()
    assert search.returncode == 0, errors.decode()
    trials = shown(folder, cluster)["trials"]
    assert 2 <= before < BUDGET - 3
    assert Counter(trial["state"] for trial in trials) == {"complete": BUDGET}, trials
    keys = [trial["architecture"] for trial in trials]
    assert len(set(keys)) == BUDGET
    assert sorted(key for key, _ in trained(cluster)) == sorted(keys), "each was trained to its end once"
    assert {node for _, node in trained(cluster)} == {"n2", "n3", "n4", "n5"}


def ended(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


def test_the_command_line_searches_digits_on_a_cluster_with_a_space_of_the_current_directory(
    cluster: Cluster, folder: Path
) -> None:
    cluster.start(6)
    words = "search --space own_space:space --budget 2 --recipe epochs=1 --controller random --baselines none --name d"
    done = subprocess.run(
        [*NAS, *words.split(), "--ray-address", cluster.address, "--json"],
        cwd=folder,
        env=cluster.environment,
        capture_output=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert [trial["state"] for trial in json.loads(done.stdout)["trials"]] == ["complete"] * 2


def test_a_cluster_that_wants_a_token_says_how_to_give_it(cluster: Cluster, folder: Path) -> None:
    done = subprocess.run(
        [*NAS, "search", "--budget", "1", "--ray-address", cluster.address, "--quiet"],
        cwd=folder,
        env={name: value for name, value in cluster.environment.items() if not name.startswith("RAY_AUTH")},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 1
    assert "set RAY_AUTH_MODE=token" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
