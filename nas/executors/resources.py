"""What one child takes of a machine, and how many children fit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from nas.errors import ExecutorError

Machines = Sequence[Mapping[str, float]]  # what each has, as Ray names it: CPU, GPU

RECOUNT = 2.0  # seconds until the machines of a cluster are counted again
ROUNDING = 1e-6  # 1 / 0.1 must come to ten children, not nine


@dataclass(frozen=True)
class Share:
    """CPU cores (a fraction is allowed) and GPUs (a fraction of one, or a whole number) of one child.

    gpus = None is not decided yet: `on` decides. At most `limit` children run at once.
    """

    cpus: float = 1
    gpus: float | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if not (_is_number(self.cpus) and self.cpus > 0):
            raise ExecutorError(f"cpus_per_trial must be positive, got {self.cpus!r}")
        if self.gpus is not None and not (
            _is_number(self.gpus) and (0 <= self.gpus <= 1 or self.gpus == int(self.gpus) > 0)
        ):
            raise ExecutorError(f"gpus_per_trial must be from 0 to 1, or a whole number, got {self.gpus!r}")
        if self.limit is not None and not (_is_number(self.limit) and self.limit == int(self.limit) >= 1):
            raise ExecutorError(f"max_concurrent must be at least 1, got {self.limit!r}")

    def on(self, machines: Machines, evaluator: object) -> Share:
        """With the GPUs decided: one a child, if a machine has one and the evaluator computes on a device of choice."""
        if self.gpus is not None:
            return self
        wanted = getattr(evaluator, "device", "cpu") != "cpu"
        return replace(self, gpus=int(wanted and any(machine.get("GPU", 0) >= 1 for machine in machines)))

    @property
    def threads(self) -> int:
        """How many threads the child computes with."""
        return max(1, int(self.cpus))

    @property
    def bundle(self) -> dict[str, float]:
        """As Ray writes it."""
        return {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}

    def slots(self, machines: Machines) -> int:
        """How many children fit on these machines at once; none at all is an ExecutorError."""
        fitting = self.fitting(machines)
        if not fitting:
            room = ", ".join(f"{m.get('CPU', 0):g} CPUs and {m.get('GPU', 0):g} GPUs" for m in machines)
            raise ExecutorError(
                f"a child wants {self.cpus:g} CPUs and {self.gpus or 0:g} GPUs, but the machines have "
                f"{room or 'none'}; lower cpus_per_trial or gpus_per_trial"
            )
        return fitting

    def fitting(self, machines: Machines) -> int:
        """How many children fit on these machines at once, which may be none."""
        places = sum(
            min(math.floor(machine.get(name, 0) / amount + ROUNDING) for name, amount in self.bundle.items())
            for machine in machines
        )
        return places if self.limit is None else min(places, self.limit)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


class Room:
    """How many children fit on a cluster now: its machines come and go while a search runs."""

    def __init__(self, share: Share, slots: int, machines: Callable[[], Machines]) -> None:
        self._share = share
        self._slots = slots
        self._machines = machines
        self._counted = time.monotonic()

    @property
    def slots(self) -> int:
        """At least one: with no machine left, the next child waits for one that joins."""
        if time.monotonic() - self._counted >= RECOUNT:
            self._slots = max(1, self._share.fitting(self._machines()))
            self._counted = time.monotonic()
        return self._slots
