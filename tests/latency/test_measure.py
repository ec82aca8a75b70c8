"""Timing: the statistics on scripted clocks, and small real networks with loose bounds."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from itertools import cycle

import pytest
import torch

from nas.errors import LatencyError
from nas.latency.conditions import Conditions
from nas.latency.measure import (
    Effort,
    Run,
    Timing,
    in_parts,
    least_disturbed,
    measure,
    measure_module,
    measure_parts,
    quiet,
    time_runs,
    whole,
)
from searchspaces import NETWORKS, Graph
from searchspaces.resnet import CIFAR_STEM, Basic, resnet

QUICK = Effort(seconds=0.01, warmup=0.0, least=3, most=5, rounds=1)


@pytest.fixture(scope="module")
def here() -> Conditions:
    return Conditions.here("cpu")


def network(width: int = 8, side: int = 8) -> Graph:
    return resnet(Basic(), (1, 1), (width, 2 * width), CIFAR_STEM).draw((3, side, side), 10)


def scripted(name: str, times: Sequence[float], calls: list[str]) -> Run:
    """A run that takes these seconds, over and over, by no clock at all."""
    ticks: Iterator[float] = cycle(times)

    def run() -> tuple[float]:
        calls.append(name)
        return (next(ticks),)

    return run


@pytest.mark.parametrize(
    ("samples", "low", "median", "high"),
    [
        ([5.0], 5.0, 5.0, 5.0),
        ([1.0, 3.0], 1.5, 2.0, 2.5),
        ([5.0, 1.0, 4.0, 2.0, 3.0], 2.0, 3.0, 4.0),
        ([1.0] * 9 + [100.0], 1.0, 1.0, 1.0),  # one disturbed run changes nothing
    ],
)
def test_a_timing_is_the_median_and_the_quartiles(samples: list[float], low: float, median: float, high: float) -> None:
    assert Timing.of(samples) == Timing(median, low, high, len(samples))


def test_no_runs_are_no_timing() -> None:
    with pytest.raises(LatencyError, match="at least one run"):
        Timing.of([])


def test_rounds_are_interleaved_after_the_warm_up() -> None:
    calls: list[str] = []
    runs = [scripted(name, [0.1], calls) for name in "ab"]
    found = time_runs(runs, Effort(seconds=0.4, warmup=0.3, least=1, most=50, rounds=2))
    # Warm-up: three runs of 0.1 s each; then two rounds, in which a and b each run once untimed and twice timed.
    assert "".join(calls) in ("aaabbb" + "aaabbb" * 2, "aaaabbbb" + "aaabbb" * 2)
    assert [timings[0] for timings in found] == [Timing(0.1, 0.1, 0.1, 4)] * 2


@pytest.mark.parametrize(("seconds", "runs"), [(1e-6, 50), (0.02, 20), (5.0, 5)])
def test_the_number_of_runs_fits_the_time_of_one(seconds: float, runs: int) -> None:
    ((timing,),) = time_runs([scripted("a", [seconds], [])], Effort(seconds=0.4, warmup=0, least=5, most=50, rounds=5))
    assert timing.runs == runs


def test_a_busy_spell_falls_on_all_alike() -> None:
    """Half of the rounds run twice as slowly: medians of both networks keep their ratio."""
    calls: list[str] = []

    def run(name: str, seconds: float) -> Run:
        def one() -> tuple[float]:
            calls.append(name)
            return (seconds * (2 if len(calls) > 60 else 1),)

        return one

    (a,), (b,) = time_runs([run("a", 0.1), run("b", 0.3)], Effort(1.0, 0.0, 10, 10, 10))
    assert b.median / a.median == pytest.approx(3, rel=0.01)


def test_parts_are_timed_apart() -> None:
    ((a, b),) = time_runs([lambda: (1.0, 2.0)], QUICK)
    assert (a.median, b.median) == (1.0, 2.0)


@pytest.mark.parametrize(
    ("tries", "median", "used"),
    [
        ([(1.0, 0.1)], 1.0, 1),
        ([(2.0, 1.0), (1.0, 0.1), (0.5, 0.1)], 1.0, 2),  # quiet again: done
        ([(3.0, 1.5), (2.0, 1.0), (2.5, 1.5), (1.0, 0.1)], 2.0, 3),  # never quiet: the best of three
    ],
)
def test_a_busy_moment_is_measured_again(tries: list[tuple[float, float]], median: float, used: int) -> None:
    left = [[Timing(middle, middle - spread / 2, middle + spread / 2, 9)] for middle, spread in tries]
    (found,) = least_disturbed(lambda: left.pop(0))
    assert (found.median, len(tries) - len(left)) == (median, used)


@pytest.mark.parametrize(
    "wrong", [{"seconds": 0}, {"seconds": float("nan")}, {"least": 0}, {"least": 9, "most": 8}, {"rounds": 0}]
)
def test_an_effort_that_is_none(wrong: dict[str, float]) -> None:
    with pytest.raises(LatencyError, match="least <= most"):
        Effort(**wrong)  # type: ignore[arg-type]


def test_a_larger_network_takes_longer(here: Conditions) -> None:
    small, large = measure([network(4, 8), network(64, 32)], here, Effort(0.05, 0, 5, 10, 2))
    assert 0 < small.low <= small.median <= small.high < 1
    assert large.median > 2 * small.median


def test_a_batch_of_many_takes_longer(here: Conditions) -> None:
    graph = network(16, 32)
    (one,), (many,) = (
        measure([graph], Conditions(here.machine, batch=batch), Effort(0.05, 0, 5, 10, 1)) for batch in (1, 32)
    )
    assert many.median > 3 * one.median


def test_any_module_can_be_measured(here: Conditions) -> None:
    seen: list[tuple[torch.Size, bool, bool, bool]] = []

    class Spy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            last = x.is_contiguous(memory_format=torch.channels_last)
            seen.append((x.shape, last, torch.is_inference_mode_enabled(), self.training))
            return x

    assert measure_module(Spy(), [(3, 8, 8)], Conditions(here.machine, batch=4), QUICK).runs == 5
    assert set(seen) == {(torch.Size([4, 3, 8, 8]), True, True, False)}


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_the_precision_is_that_of_the_conditions(here: Conditions, precision: str) -> None:
    found = []

    class Spy(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found.append((x.dtype, self.weight.dtype))
            return torch.nn.functional.linear(x, self.weight, self.bias)

    measure_module(Spy(4, 2), [(4,)], Conditions(here.machine, precision=precision), QUICK)
    assert set(found) == {(getattr(torch, precision),) * 2}


def test_what_was_there_before_is_there_after(here: Conditions) -> None:
    threads = torch.get_num_threads()
    assert gc.isenabled()
    with quiet(Conditions(here.machine, threads=threads + 1)):
        assert torch.get_num_threads() == threads + 1
        assert not gc.isenabled()
    assert (torch.get_num_threads(), gc.isenabled(), torch.is_inference_mode_enabled()) == (threads, True, False)


@pytest.mark.parametrize("name", ["resnet8", "mobilenet_v2_x0_25", "nasnet_a_mobile", "densenet40_k12"])
def test_part_after_part_is_the_same_network(here: Conditions, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What flows through the parts has the shapes that the graph says, and comes out as the network's scores."""
    graph = NETWORKS[name].at(32).draw((3, 32, 32), 10)
    outputs: list[torch.Size] = []
    forward = torch.fx.GraphModule.__call__

    def spy(self: torch.fx.GraphModule, *inputs: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = forward(self, *inputs)
        outputs.append(result.shape)
        return result

    with quiet(here):
        run = in_parts(graph, here)
        monkeypatch.setattr(torch.fx.GraphModule, "__call__", spy)
        seconds = run()
    assert len(seconds) == len(graph.parts)
    assert all(one > 0 for one in seconds)
    assert outputs == [torch.Size((1, *part.fragment.shape)) for part in graph.parts]


def test_the_parts_of_a_network_take_about_as_long_as_the_whole(here: Conditions) -> None:
    """Of the quickest of many runs: medians on a busy machine may be anything."""
    graph = network(32, 32)
    with quiet(here):
        one, parts = whole(graph, here), in_parts(graph, here)
        wholes = [sum(one()) for _ in range(60)]
        columns = zip(*(parts() for _ in range(60)), strict=True)
    assert sum(min(column) for column in columns) == pytest.approx(min(wholes), rel=0.6)


def test_each_part_has_a_timing(here: Conditions) -> None:
    graph = network()
    assert len(measure_parts(graph, here, QUICK)) == len(graph.parts)
