"""The latencies of a model card: the network on this machine, by device and images a batch."""

from __future__ import annotations

from dataclasses import dataclass

from nas.errors import LatencyError
from nas.export.subject import Subject
from nas.latency.conditions import Conditions
from nas.latency.measure import Effort, Timing, measure_module

BATCHES = (1, 8, 32)
EFFORT = Effort(seconds=0.5, warmup=0.1, least=5, most=100, rounds=1)
LONGEST = 2.0  # seconds that a batch may take: at least eight are run


@dataclass(frozen=True)
class Latency:
    """The timing under some conditions, or why there is none."""

    conditions: Conditions
    timing: Timing | None
    why: str = ""


def latencies(subject: Subject, threads: int = 1) -> list[Latency]:
    """Latencies on the CPU, with `threads` threads, and on a GPU where there is one.

    A batch that would take long, as the batch before it shows, is left out. Raises `LatencyError` for bad threads.
    """
    import torch

    found: list[Latency] = []
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        last: Latency | None = None
        for batch in BATCHES:
            conditions = Conditions.here(device, threads, batch)
            last = _one(subject, conditions, last)
            found.append(last)
    subject.network.to("cpu").to(memory_format=torch.contiguous_format)
    return found


def _one(subject: Subject, conditions: Conditions, before: Latency | None) -> Latency:
    if before is not None:
        if before.timing is None:
            return Latency(conditions, None, "not measured")
        expected = before.timing.median * conditions.batch / before.conditions.batch
        if expected > LONGEST:
            return Latency(conditions, None, f"not measured; about {expected:.0f} s a batch")
    try:
        return Latency(conditions, measure_module(subject.network, [subject.image], conditions, EFFORT))
    except LatencyError:
        raise
    except RuntimeError as error:  # not enough memory
        return Latency(conditions, None, f"not measured: {str(error).strip().splitlines()[0][:60]}")
