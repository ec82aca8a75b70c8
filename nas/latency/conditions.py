"""`Conditions`: under what a latency was measured. Two latencies compare only where all of these are equal."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from nas import options
from nas.errors import LatencyError, unknown
from nas.objectives import LATENCY, Constraint, Objective

PRECISIONS = ("float32", "bfloat16", "float16")
MOST_THREADS, MOST_IMAGES = 1024, 65536


@dataclass(frozen=True)
class Conditions:
    """Machine, device, CPU threads, images a batch and number format of a measurement.

    `machine` names the processor that computes, and PyTorch's version; make it with `here`. Raises `LatencyError`.
    """

    machine: str
    device: str = "cpu"
    threads: int = 1
    batch: int = 1
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name, most in (("threads", MOST_THREADS), ("batch", MOST_IMAGES)):
            if options.whole("latency", name, getattr(self, name), 1, LatencyError) > most:
                raise LatencyError(f"latency: {name} = {getattr(self, name)}; at most {most}")
        if self.precision not in PRECISIONS:
            raise LatencyError(unknown("precision", self.precision, PRECISIONS))

    @classmethod
    def here(cls, device: str = "auto", threads: int = 1, batch: int = 1, precision: str = "float32") -> Conditions:
        """Those of this machine; `device` "auto" is the GPU where there is one. Raises `NasError` for another."""
        from nas.evaluators import find_device

        found = str(find_device(device))
        return cls(machine(found), found, threads, batch, precision)

    @classmethod
    def of_options(cls, given: Mapping[str, Any]) -> Conditions:
        """Those of this machine with options by name: device, threads, batch, precision. Raises `LatencyError`."""
        known = {entry.name: entry.default for entry in fields(cls) if entry.name != "machine"}
        options.check("latency", given, known, LatencyError)
        values = dict(given)
        for name in ("threads", "batch"):
            if isinstance(text := values.get(name), str):
                if not text.isascii() or not text.isdigit():
                    raise LatencyError(f"latency: {name} = {text!r}; a whole number, at least 1")
                values[name] = int(text[:9])
        return cls.here(**values)

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    @property
    def key(self) -> str:
        """12 hex digits that only equal conditions share."""
        return blake2b(repr(sorted(self.to_json().items())).encode(), digest_size=6).hexdigest()

    def check_here(self) -> None:
        """Raise `LatencyError` unless this is the machine that they name, and has the device."""
        from nas.evaluators import find_device

        find_device(self.device)
        now = machine(self.device)
        if now != self.machine:
            raise LatencyError(
                f"the study's latencies are those of {self.machine!r}, and this is {now!r}; "
                "latencies of two machines do not compare: resume it there, or start another study here"
            )

    def __str__(self) -> str:
        threads = f", {self.threads} thread{'s' if self.threads > 1 else ''}" if self.device == "cpu" else ""
        return f"{self.machine}; {self.device}{threads}, {self.precision}"


def machine(device: str) -> str:
    """The processor behind a torch device in words, and PyTorch's version: `AMD EPYC 7B13, 8 cores, torch 2.7.1`."""
    import torch

    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return f"{processor()}, {os.cpu_count() or 1} cores, torch {torch.__version__}"


@cache
def processor(listing: Path = Path("/proc/cpuinfo")) -> str:
    """The model of the CPU; with family and model number, since a virtual machine's name may say neither."""
    found: dict[str, str] = {}
    try:
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            found.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    name = found.get("model name") or platform.processor() or platform.machine() or "unknown CPU"
    numbers = [f"{word} {found[key]}" for word, key in (("family", "cpu family"), ("model", "model")) if key in found]
    return f"{name} ({' '.join(numbers)})" if numbers else name


def asked_for(
    objectives: Sequence[Objective], constraints: Sequence[Constraint], given: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """The conditions of a study as JSON values, with the options that were given; None if it asks for no latency.

    Raises `LatencyError` for options without an objective or constraint, and for two latencies at once.
    """
    asked = any(objective.timed for objective in objectives) or any(rule.name == LATENCY for rule in constraints)
    if not asked:
        if given:
            raise LatencyError(
                "options of latency go with the objective 'latency', or a constraint such as 'latency<=5ms'"
            )
        return None
    if any(objective.name == LATENCY and not objective.timed for objective in objectives):
        raise LatencyError(
            "a latency with a direction, as in 'latency:min', is a metric of the evaluator's own, and the measured one "
            "is asked for as well; give the metric another name"
        )
    return Conditions.of_options(given or {}).to_json()
