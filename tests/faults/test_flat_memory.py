"""The driver of a search does not grow: its memory and its open files stay flat over thousands of trials."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nas

MOST = 40e6  # bytes
PAGE = os.sysconf("SC_PAGE_SIZE")


class Nothing:
    """An evaluator that does nothing."""

    key = "nothing"
    image = (1, 8, 8)
    classes = 10

    def run(self, architecture: Any, recipe: Any, seed: int) -> Iterator[dict[str, float]]:
        """One epoch in no time."""
        yield {"val_accuracy": 0.5}


class Gauge:
    """An observer that notes the resident memory (bytes) and the open files after so many children."""

    def __init__(self, *marks: int) -> None:
        self.marks, self.ended = marks, 0
        self.memory: list[int] = []
        self.files: list[int] = []

    def changed(self, loop: Any, trial: Any) -> None:
        """Count an end."""
        if trial.state != "complete":
            return
        self.ended += 1
        if self.ended in self.marks:
            gc.collect()
            self.memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE)
            self.files.append(len(os.listdir("/proc/self/fd")))


def search(folder: Path, gauge: Gauge) -> None:
    nas.search(
        "mobilenet",
        evaluator=Nothing(),
        controller="random",
        budget=gauge.marks[-1],
        baselines="none",
        executor="inline",
        recipe={"epochs": "1"},
        storage=folder / "nas.db",
        observer=gauge,
    )
    assert gauge.ended == gauge.marks[-1]


@pytest.mark.faults
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the kernel of this system does not say")
def test_memory_and_open_files_stay_flat(tmp_path: Path, long: bool) -> None:
    gauge = Gauge(1000, 5000) if long else Gauge(150, 300)
    search(tmp_path, gauge)
    said = f"memory {[f'{size / 1e6:.0f} MB' for size in gauge.memory]}, open files {gauge.files}"
    print(said)
    assert gauge.files[1] <= gauge.files[0] + 3, (
        said
    )  # the sign of life has a connection of its own from ten seconds on
    # Some kilobytes a child are kept: what a controller was told, and caches of drawn fragments that are still filling.
    assert gauge.memory[1] - gauge.memory[0] < MOST, said
