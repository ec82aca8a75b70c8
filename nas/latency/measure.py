"""How long a network takes: timed runs in interleaved rounds, their median and quartiles.

A run is one forward pass of one batch, in inference mode, with the recipe's memory order (channels last). The rounds of
several networks are interleaved, so that a moment in which the machine is busy falls on all of them alike.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, TypeAlias

from nas.errors import LatencyError

if TYPE_CHECKING:
    import torch

    from nas.latency.conditions import Conditions
    from searchspaces import Graph

Run: TypeAlias = Callable[[], Sequence[float]]  # runs once and gives the seconds that it took, or its parts did


@dataclass(frozen=True)
class Timing:
    """Seconds a batch: the median of `runs` runs, and the lower and upper quartile."""

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Timing:
        """The statistics of single runs, in seconds. Raises `LatencyError` without any."""
        if not samples:
            raise LatencyError("a latency needs at least one run")
        low, _, high = quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else [samples[0]] * 3
        return cls(median(samples), low, high, len(samples))


@dataclass(frozen=True)
class Effort:
    """How often a network is run: untimed for `warmup` seconds, and at least `fewest` times in `seconds`.

    Timed runs are `least` to `most`, as many as fit into `seconds`, in `rounds` rounds.
    """

    seconds: float = 1.0
    warmup: float = 0.2
    least: int = 10
    most: int = 200
    rounds: int = 5

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and self.warmup >= 0 and 1 <= self.least <= self.most and self.rounds >= 1):
            raise LatencyError(f"latency: {self}; seconds above 0, and 1 <= least <= most runs in at least 1 round")


BUSY = 0.25  # quartiles further apart, as a share of the median, are those of a busy machine
TRIES = 3
NETWORK = Effort()
BLOCK = Effort(seconds=0.1, warmup=0.0, least=9, most=21, rounds=3)


def time_runs(runs: Sequence[Run], effort: Effort = NETWORK) -> list[list[Timing]]:
    """The timings of what each run gives, measured in interleaved rounds: round after round, each gets its turn."""
    shares = []
    for run in runs:
        used, last, count = 0.0, 0.0, 0
        while count < 2 or (used < effort.warmup and count < effort.most):
            last = sum(run())
            used, count = used + last, count + 1
        wanted = min(max(round(effort.seconds / max(last, 1e-9)), effort.least), effort.most)
        shares.append(-(-wanted // effort.rounds))
    samples: list[list[Sequence[float]]] = [[] for _ in runs]
    for _ in range(effort.rounds):
        for run, share, found in zip(runs, shares, samples, strict=True):
            run()  # another network was in the caches
            found += [run() for _ in range(share)]
    return [[Timing.of(column) for column in zip(*found, strict=True)] for found in samples]


def measure(graphs: Sequence[Graph], conditions: Conditions, effort: Effort = NETWORK) -> list[Timing]:
    """The timing of each network, on random images. Raises `LatencyError` where the memory is not enough."""
    with quiet(conditions):
        return [timings[0] for timings in time_runs([whole(graph, conditions) for graph in graphs], effort)]


def measure_module(
    module: torch.nn.Module, shapes: Sequence[Sequence[int]], conditions: Conditions, effort: Effort = NETWORK
) -> Timing:
    """The timing of any module whose inputs have these shapes (without the batch); it is moved to the device."""
    with quiet(conditions):
        return time_runs([_alone(module, shapes, conditions)], effort)[0][0]


def measure_parts(graph: Graph, conditions: Conditions, effort: Effort = BLOCK) -> list[Timing]:
    """The timing of each part of the network, the image first, while the network runs part after part.

    So a block finds the caches as it does in a network; alone, again and again, it would be up to a third faster.
    While something else uses the machine it is measured again, up to `TRIES` times; the least median of a part counts.
    """
    with quiet(conditions):
        run = in_parts(graph, conditions)
        return least_disturbed(lambda: time_runs([run], effort)[0])


def least_disturbed(measuring: Callable[[], list[Timing]]) -> list[Timing]:
    """The parts' timings of a quiet moment, or the best of `TRIES` that are not."""
    found = measuring()
    for _ in range(TRIES - 1):
        if not is_busy(found):
            break
        found = [min(pair, key=lambda timing: timing.median) for pair in zip(found, measuring(), strict=True)]
    return found


def is_busy(timings: Sequence[Timing]) -> bool:
    """Whether runs differ so much that something else must have used the machine: quartiles `BUSY` apart."""
    return sum(one.high - one.low for one in timings) > BUSY * sum(one.median for one in timings)


def whole(graph: Graph, conditions: Conditions) -> Run:
    """A run of the network as one module."""
    from nas.build import build

    return _alone(build(graph, 0), [graph.nodes[0].shape], conditions)


def in_parts(graph: Graph, conditions: Conditions) -> Run:
    """A run of the network part after part, each a module of its own."""
    from nas.build import build
    from nas.latency.blocks import block_graph

    modules = [_moved(build(block_graph(part.fragment), 0), conditions) for part in graph.parts]
    # The image's part takes the image and gives it back.
    sources = [(0,), *((source + 1 for source in part.sources) for part in graph.parts[1:])]
    places = [tuple(entering) for entering in sources]
    last = {place: index for index, entering in enumerate(places) for place in entering}
    image = _batch(graph.nodes[0].shape, conditions)
    stamp, between = _stamps(conditions)

    def run() -> Sequence[float]:
        values: list[Any] = [image]
        stamps = [stamp()]
        for index, (module, entering) in enumerate(zip(modules, places, strict=True)):
            values.append(module(*(values[place] for place in entering)))
            for place in entering:
                if last[place] == index:
                    values[place] = None  # freed where the whole module frees it
            stamps.append(stamp())
        return between(stamps)

    return run


def _alone(module: torch.nn.Module, shapes: Sequence[Sequence[int]], conditions: Conditions) -> Run:
    module = _moved(module, conditions)
    inputs = [_batch(shape, conditions) for shape in shapes]
    stamp, between = _stamps(conditions)

    def run() -> Sequence[float]:
        begun = stamp()
        module(*inputs)
        return between([begun, stamp()])

    return run


def _moved(module: torch.nn.Module, conditions: Conditions) -> torch.nn.Module:
    import torch

    kind = getattr(torch, conditions.precision)
    return module.eval().to(conditions.device, kind).to(memory_format=torch.channels_last)


def _batch(shape: Sequence[int], conditions: Conditions) -> torch.Tensor:
    """Random images, the same for all."""
    import torch

    rng = torch.Generator().manual_seed(0)
    values = torch.randn((conditions.batch, *shape), generator=rng)
    values = values.to(conditions.device, getattr(torch, conditions.precision))
    return values.contiguous(memory_format=torch.channels_last) if values.ndim == 4 else values


def _stamps(conditions: Conditions) -> tuple[Callable[[], Any], Callable[[Sequence[Any]], list[float]]]:
    """How a moment is marked on the device, and the seconds between one mark and the next.

    On a GPU a mark is an event on the stream: between two lie its work, and its waiting for the CPU.
    """
    import torch

    if not conditions.device.startswith("cuda"):
        return time.perf_counter, lambda marks: [after - before for before, after in pairwise(marks)]

    def mark() -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(conditions.device))
        return event

    def between(marks: Sequence[torch.cuda.Event]) -> list[float]:
        marks[-1].synchronize()
        return [before.elapsed_time(after) / 1e3 for before, after in pairwise(marks)]

    return mark, between


@contextmanager
def quiet(conditions: Conditions) -> Iterator[None]:
    """Nothing in here that would disturb a measurement: no gradients, no collection of garbage, these threads."""
    import torch

    from nas.evaluators import cpu_threads, keep_freed_memory

    if conditions.device == "cpu":
        keep_freed_memory()  # training in this process does so: latencies before and after it would differ
    collecting = gc.isenabled()
    with cpu_threads(conditions.threads), torch.inference_mode():
        gc.disable()
        try:
            yield
        except torch.OutOfMemoryError:
            raise LatencyError(
                f"{conditions.device} has not enough memory for this network on batches of {conditions.batch}"
            ) from None
        finally:
            if collecting:
                gc.enable()
