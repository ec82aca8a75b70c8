"""One dataset is in memory once a machine: the decoded file is mapped, and its pages are those of the page cache."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import nas

MakeFolder = Callable[..., Path]

CODE = """
import sys, torch
from nas.data import DataSpec, load
from nas.training.placement import place
placed = place(load(DataSpec("folder:{folder}")), torch.device("cpu"))
total = sum(int(placed.train.take(slice(i, i + 16))[0].sum()) for i in range(0, len(placed.train), 16))
print(total, flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="Linux says what a process shares")
def test_two_workers_share_the_decoded_images(make_folder: MakeFolder) -> None:
    folder = make_folder(train=200, val=1, size=(64, 64))
    size = 400 * 3 * 64 * 64
    environment = {**os.environ, "PYTHONPATH": str(Path(nas.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CODE.format(folder=folder)]
    running = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        sums = {process.stdout.readline() for process in running if process.stdout}
        assert len(sums) == 1
        assert int(sums.pop()) > 0
        for process in running:
            held = _mapped(process.pid, "images.npy")
            # All pages were read by both and copied by neither; dirty are those not yet written to the disk.
            assert held["Rss"] >= size
            assert held["Shared_Clean"] + held["Shared_Dirty"] >= 0.95 * size
            assert held["Anonymous"] == 0
            assert held["Pss"] <= 0.6 * held["Rss"]  # its share, when each page is divided by its users
    finally:
        for process in running:
            process.communicate("\n", timeout=60)
    assert [process.returncode for process in running] == [0, 0]


def _mapped(pid: int, name: str) -> dict[str, int]:
    """Bytes of a process's mappings of a file, by kind."""
    held: dict[str, int] = {}
    inside = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(name)
        elif inside and (found := re.match(r"(\w+): +(\d+) kB", line)):
            held[found[1]] = held.get(found[1], 0) + 1024 * int(found[2])
    return held
