"""A search in a process of its own whose evaluator does what the first try of a child is told to do.

python broken_search.py FOLDER JSON     with the settings below; FOLDER holds the database and the traces
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nas
from nas.executors import process
from nas.store import TrialRecord, open_store
from searchspaces import Architecture

EPOCHS = 3
OUTCOME = ("architecture_key", "state", "val_accuracy", "epochs")


def exhaust() -> None:
    """Ask for more memory than this process may have."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 256 * 2**20, before[1]))
    try:
        kept = [bytearray(64 * 2**20) for _ in range(64)]
        print(len(kept))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def error() -> None:
    raise ValueError("a bug of the user's")


DEEDS: dict[str, Any] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(3),
    "segfault": lambda: ctypes.string_at(0),
    "hang": lambda: time.sleep(3600),
    "block": lambda: sum(range(10**14)),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "memory": exhaust,
    "error": error,
    "nan": lambda: float("nan"),
    "garbage": lambda: "high",
}
AGAIN = {"kill", "exit", "segfault", "hang", "block", "stop", "memory"}  # another try may go better


class Evaluator:
    """`deeds`: done by the children in the order of a number made of their key; each writes down what it finished."""

    key = "broken"
    image = (1, 8, 8)
    classes = 10

    def __init__(self, folder: str, deeds: list[str], pause: float, always: bool) -> None:
        self.folder, self.deeds, self.pause, self.always = Path(folder), deeds, pause, always

    def deed(self, key: str) -> str:
        """What the first try of this child does; empty for nothing."""
        number = zlib.crc32(key.encode())
        return self.deeds[number // 5 % len(self.deeds)] if self.deeds and number % 5 < 2 else ""

    def run(self, architecture: Architecture, recipe: Any, seed: int) -> Iterator[dict[str, float]]:
        """Three epochs."""
        key = architecture.key
        for epoch in range(1, EPOCHS + 1):
            self.write("epochs.log", key)
            end = time.monotonic() + self.pause
            while time.monotonic() < end:
                time.sleep(min(0.02, self.pause))
            value: Any = 0.3 * epoch + zlib.crc32(key.encode()) / 2**32 / 20
            trace = self.folder / "tried" / key
            if epoch == 2 and self.deed(key) and (self.always or not trace.exists()):
                trace.touch()
                value = DEEDS[self.deed(key)]()
            if epoch == EPOCHS:
                self.write("trained.log", key)
            yield {"val_accuracy": value}

    def write(self, name: str, line: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write(line + "\n")


def search(
    folder: str,
    *,
    budget: int = 12,
    controller: str = "evolution",
    scheduler: str = "asha",
    executor: str = "inline",
    executor_options: dict[str, Any] | None = None,
    deeds: list[str] | None = None,
    pause: float = 0.0,
    always: bool = False,
    term_seconds: float = process.TERM_SECONDS,
) -> nas.Study:
    """Begin the study of the folder, or go on with it."""
    process.TERM_SECONDS = term_seconds
    (Path(folder) / "tried").mkdir(exist_ok=True)
    evaluator = Evaluator(folder, deeds or [], pause, always)
    path = Path(folder) / "nas.db"
    with open_store(path) as store:
        known = bool(store.studies())
    if known:
        return nas.resume("s", path, evaluator=evaluator)
    return nas.search(
        "resnext",
        name="s",
        storage=path,
        evaluator=evaluator,
        budget=budget,
        controller=controller,
        scheduler=scheduler,
        baselines="none",
        recipe={"epochs": str(EPOCHS)},
        seed=5,
        executor=executor,
        executor_options=executor_options or {},
    )


def command(folder: Path, **settings: Any) -> list[str]:
    """What runs this search in a process of its own."""
    return [sys.executable, __file__, str(folder), json.dumps(settings)]


def begin(folder: Path, **settings: Any) -> subprocess.Popen[str]:
    """This search in a process group of its own, as a shell starts it."""
    environment = {**os.environ, "PYTHONPATH": str(Path(nas.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command(folder, **settings), text=True, stdout=pipe, stderr=pipe, env=environment, start_new_session=True
    )


def lines(folder: Path, name: str = "trained.log") -> list[str]:
    """The keys of the children that were trained to their end, in order; or of the epochs that were begun."""
    path = folder / name
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def trials(folder: Path) -> list[TrialRecord]:
    """All trials; none while there is no study yet."""
    try:
        with open_store(folder / "nas.db", create=False) as store:
            return nas.open_study("s", store).trials
    except nas.NasError:
        return []


def outcome(folder: Path) -> list[tuple[object, ...]]:
    """What the search came to, without what tells of its troubles."""
    return [tuple(getattr(trial, name) for name in OUTCOME) for trial in trials(folder)]


if __name__ == "__main__":
    try:
        search(sys.argv[1], **json.loads(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(130)
