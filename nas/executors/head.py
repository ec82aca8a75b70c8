"""Whether the head of Ray still answers, asked by a thread of its own, and what has to wait for its answer.

Without its head a cluster is over, but nothing says so: calls that need the head block for a minute or for ever, and
workers that were on the head's machine look like any that crashed. So nothing is asked of a head that may be gone.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from nas.errors import ClusterLost, ExecutorError
from nas.executors.resources import RECOUNT, Machines

REACH_SECONDS = 10.0  # until a machine that does not answer at all is given up
ASK_SECONDS = 3.0  # that one question may take
AT_ONCE = 0.5  # seconds to wait for an answer before the run goes on without it; usually it takes a millisecond
RAYS_NAME = "RAY_gcs_rpc_server_reconnect_timeout_s"
RAYS_PATIENCE = 60.0  # seconds, its default: then each process of Ray that has lost the head ends itself
LAST_RESORT = 600  # seconds, for the process of the search, which is to end in its own way


def patience(environment: Mapping[str, str] = os.environ) -> float:
    """Seconds without an answer after which the head is lost: half of what Ray's nodes wait, which must still live."""
    try:
        seconds = float(environment[RAYS_NAME])
    except (KeyError, ValueError):
        seconds = RAYS_PATIENCE
    return max(seconds, 2.0) / 2


def unhurried() -> dict[str, str]:
    """Environment variables with which Ray does not end the process of the search before it has noticed itself."""
    return {RAYS_NAME: str(round(max(LAST_RESORT, 4 * patience())))}


def reach(address: str, environment: Mapping[str, str] = os.environ) -> None:
    """Raise `ExecutorError` if nothing listens at the address, `auto` or HOST:PORT.

    Ray itself tries for minutes, and may end the process then. What is no HOST:PORT is Ray's to understand.
    """
    named = environment.get("RAY_ADDRESS", "") if address == "auto" else address
    host, _, port = named.rpartition(":")
    if not (host and port.isdecimal() and int(port) < 2**16):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except OSError as error:
        raise ExecutorError(f"no Ray at {named!r}: {(error.strerror or str(error)).lower()}") from error


class Head:
    """The head of a cluster while children run. `ask` gives the machines within the seconds it is given, or raises.

    Silence is counted in questions without an answer, not by the clock: a process that slept has asked nothing.
    """

    def __init__(self, ask: Callable[[float], Machines], name: str, seconds: float, every: float = RECOUNT) -> None:
        self.machines: Machines = []  # as they were at the last answer
        self._ask, self._name, self._patience, self._every = ask, name, seconds, every
        self._silence = 0.0
        self._asked = self._answered = 0  # the numbers of the last question, and of the last one that was answered
        self._deferred: list[tuple[int, Callable[[], None]]] = []
        self._wake, self._ended = threading.Event(), threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._watch, name="nas-head", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._wake.set()
        self._thread.join(2 * ASK_SECONDS)  # before Ray is left, which it asks

    @property
    def answers(self) -> bool:
        """Whether the last question was answered. While not, nothing is to be begun that needs the head."""
        return self._silence == 0

    @property
    def loss(self) -> ClusterLost | None:
        """What to raise when it has not answered for too long."""
        if self._silence < self._patience:
            return None
        return ClusterLost(
            f"the head of Ray at {self._name} has not answered for {self._patience:g} s: the cluster is lost. "
            "Finished trials are kept, and the children in flight wait"
        )

    def before(self, action: Callable[[], None]) -> None:
        """Do it once the head has answered a question that begins now: at once as a rule, else in `look`, or never."""
        if self._ended.is_set():
            return
        self._deferred.append((self._asked, action))
        self._wake.set()
        with self._changed:
            self._changed.wait_for(lambda: self._answered > self._deferred[-1][0] or not self.answers, AT_ONCE)
        self.look()

    def settled(self) -> bool:
        """Wait until it has answered a question that begins now, or is lost; whether it has answered."""
        now = self._asked
        self._wake.set()
        with self._changed:
            self._changed.wait_for(lambda: self._answered > now or self.loss is not None, self._patience + ASK_SECONDS)
        return self._answered > now

    def look(self) -> None:
        """Do what has waited for an answer, in order; never called by two threads."""
        while self._deferred and self._deferred[0][0] < self._answered:
            self._deferred.pop(0)[1]()

    def _watch(self) -> None:
        while not self._ended.is_set():
            self._wake.clear()
            self._asked += 1
            begun = time.monotonic()
            try:
                machines = self._ask(ASK_SECONDS)
            except Exception:
                # It may fail at once, as when another head has taken the address.
                self._ended.wait(max(0.0, 1.0 - (time.monotonic() - begun)))
                with self._changed:
                    self._silence += min(time.monotonic() - begun, 2 * ASK_SECONDS)
                    self._changed.notify_all()
                continue
            with self._changed:
                self.machines, self._silence, self._answered = machines, 0.0, self._asked
                self._changed.notify_all()
            self._wake.wait(self._every)
