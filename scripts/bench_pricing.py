"""How fast a child is priced, beside building its module and counting with torch, in one run on one core.

    python scripts/bench_pricing.py --points 10000 --modules 100

The children are random points of the space `resnext` on 224 pixels. Ours: decode the point, draw it, price it,
starting with nothing remembered. The rival gets the drawn graph, builds the module on torch's meta device, which
computes nothing, and counts with `FlopCounterMode`. Both must find the same parameters and FLOPs.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from nas.build import build
from searchspaces import SPACES, Graph, Point, price

IMAGE, CLASSES = (3, 224, 224), 1000
T = TypeVar("T")
Numbers = tuple[int, int]


def built_and_counted(graph: Graph) -> Numbers:
    """Parameters and FLOPs of the module, counted by torch."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        module = build(graph, seed=0).eval()
        module(torch.empty(1, *IMAGE))
    # torch counts a multiply-add as two
    return sum(parameter.numel() for parameter in module.parameters()), counter.get_total_flops() // 2


def timed(work: Callable[[T], Numbers], items: Sequence[T]) -> tuple[list[Numbers], list[float]]:
    """What `work` gives for each item, and the seconds that each took."""
    found, seconds = [], []
    for item in items:
        start = time.perf_counter()
        found.append(work(item))
        seconds.append(time.perf_counter() - start)
    return found, seconds


def report(what: str, seconds: Sequence[float]) -> None:
    """One line: n, mean ± standard deviation, rate."""
    each, spread = 1e3 * mean(seconds), 1e3 * stdev(seconds)
    print(f"{what:<30} n = {len(seconds):>6}   {each:8.3f} ± {spread:.3f} ms   {1 / mean(seconds):8.0f} a second")


def processor() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def more_than_one(text: str) -> int:
    """A count that has a standard deviation."""
    if not text.isdigit() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 2")
    return int(text)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--points", type=more_than_one, default=10_000, help="children to price (default 10,000)")
    parser.add_argument("--modules", type=more_than_one, default=100, help="modules to build (default 100)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.set_num_threads(1)
    space, rng = SPACES["resnext"](IMAGE[1]), random.Random(options.seed)
    points = [space.sample(rng) for _ in range(options.points)]

    def draw(point: Point) -> Graph:
        return space.decode(point).draw(IMAGE, CLASSES)

    def priced(point: Point) -> Numbers:
        cost = price(draw(point))
        return cost.params, cost.flops

    ours, our_seconds = timed(priced, points)
    graphs = [draw(point) for point in points[: options.modules]]
    built_and_counted(graphs[0])  # torch's own first-time work is not the rival's price
    theirs, their_seconds = timed(built_and_counted, graphs)
    if theirs != ours[: len(theirs)]:
        sys.exit("the two disagree on the parameters or FLOPs of a child")

    versions = f"python {platform.python_version()}, torch {torch.__version__}"
    print(f"{processor()}, {os.cpu_count()} cores seen, one thread; {versions}; {space}")
    report("decode, draw and price", our_seconds)
    report("build and count (meta device)", their_seconds)
    print(f"same numbers; {mean(their_seconds) / mean(our_seconds):.0f} times as fast")


if __name__ == "__main__":
    main()
