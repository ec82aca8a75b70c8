"""The head of Ray as an executor sees it: asked by a thread, here with made-up answers."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from nas.errors import ClusterLost, ExecutorError
from nas.executors import make
from nas.executors.flight import Flight
from nas.executors.head import LAST_RESORT, RAYS_NAME, Head, patience, reach, unhurried


class Answers:
    """One machine as long as there is a head; the count of the questions."""

    def __init__(self) -> None:
        self.there, self.asked = True, 0

    def __call__(self, seconds: float) -> list[dict[str, float]]:
        self.asked += 1
        if not self.there:
            raise RuntimeError("timed out")
        return [{"CPU": self.asked}]


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_waits_for_an_answer_is_done_at_once_while_there_is_a_head() -> None:
    ask, done = Answers(), list[int]()
    with Head(ask, "here", seconds=60, every=60) as head:
        for number in range(3):
            begun = time.monotonic()
            head.before(lambda number=number: done.append(ask.asked))  # type: ignore[misc]
            assert len(done) == number + 1
            assert time.monotonic() - begun < 0.4
        assert done == sorted(set(done)), "each has waited for a question of its own"
        assert head.settled()
        assert head.loss is None
    assert head.machines == [{"CPU": ask.asked}]


def test_silence_defers_and_an_answer_catches_up_in_order() -> None:
    ask, done = Answers(), list[str]()
    with Head(ask, "here", seconds=60, every=0.05) as head:
        until(lambda: head.machines)
        ask.there = False
        until(lambda: not head.answers)
        head.before(lambda: done.append("first"))
        head.before(lambda: done.append("second"))
        head.look()
        assert done == []
        assert head.loss is None
        ask.there = True
        until(lambda: head.answers)
        head.look()
        assert done == ["first", "second"]


def test_a_head_that_is_silent_for_too_long_is_lost() -> None:
    ask, done = Answers(), list[str]()
    ask.there = False
    with Head(ask, "10.0.0.1:6379", seconds=2.5, every=0.05) as head:
        begun = time.monotonic()
        assert not head.settled()
        assert 2 < time.monotonic() - begun < 8
        head.before(lambda: done.append("never"))
    assert done == []
    assert isinstance(head.loss, ClusterLost)
    assert isinstance(head.loss, ExecutorError)
    assert str(head.loss).startswith("the head of Ray at 10.0.0.1:6379 has not answered for 2.5 s: the cluster is lost")


def test_after_the_end_nothing_is_done_and_nobody_waits() -> None:
    done: list[str] = []
    with Head(Answers(), "here", seconds=60) as head:
        pass
    begun = time.monotonic()
    head.before(lambda: done.append("never"))
    assert done == []
    assert time.monotonic() - begun < 0.4


@pytest.mark.parametrize(
    ("environment", "seconds"), [({}, 30), ({RAYS_NAME: "20"}, 10), ({RAYS_NAME: "0"}, 1), ({RAYS_NAME: "soon"}, 30)]
)
def test_it_is_lost_before_other_processes_of_ray_give_up(environment: dict[str, str], seconds: float) -> None:
    assert patience(environment) == seconds


def test_ray_gives_up_later_than_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RAYS_NAME, "20")
    assert unhurried() == {RAYS_NAME: str(LAST_RESORT)}
    monkeypatch.setenv(RAYS_NAME, "3600")
    assert unhurried() == {RAYS_NAME: "7200"}


def test_an_interruption_comes_before_the_loss() -> None:
    loss, stop = ClusterLost("lost"), KeyboardInterrupt()
    for interrupted in (False, True):
        flight = Flight(None, slots=1)  # type: ignore[arg-type]  # never called
        flight.interrupted_by = stop if interrupted else None
        flight.lose(loss)
        assert flight.ended_by is (stop if interrupted else loss)


def test_where_nothing_listens_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # as where no other test has started it here
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"  # bound: no other takes the port meanwhile
        begun = time.monotonic()
        for way in (lambda: reach(address), lambda: reach("auto", {"RAY_ADDRESS": address})):
            with pytest.raises(ExecutorError, match=f"^no Ray at '{address}': connection refused$"):
                way()
        with pytest.raises(ExecutorError, match=f"^no Ray at '{address}': connection refused$"):
            _ = make("ray", None, address=address).slots  # type: ignore[arg-type]  # never called
        assert time.monotonic() - begun < 30
        server.listen()
        reach(address)
        reach("auto", {"RAY_ADDRESS": address})


@pytest.mark.parametrize("address", ["auto", "local", "somewhere", ":6379", "host:", "host:99999", "host:port"])
def test_what_is_no_host_and_port_is_left_to_ray(address: str) -> None:
    reach(address, {})
