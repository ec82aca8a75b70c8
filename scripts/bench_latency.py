"""How far the sum of measured blocks lies from the latency of whole networks that were not measured before.

    python scripts/bench_latency.py --space resnext --image 3,32,32 --known 400 --networks 24

The blocks of `--known` random networks of the space are measured. Then other random networks, all of whose blocks are
known by then, are measured whole. Printed are the error of the sums, and the rank correlation of the whole latency with
the sum, and with the FLOPs for comparison. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import random
import time

from nas.latency.blocks import Blocks
from nas.latency.conditions import Conditions
from nas.latency.survey import mean_absolute_error, rank_correlation, spearman, survey
from searchspaces import Graph, InvalidArchitecture, Space, find_space


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="resnext")
    parser.add_argument("--image", default="3,32,32", help="channels, height, width")
    parser.add_argument("--known", type=int, default=400, help="networks whose blocks are measured")
    parser.add_argument("--networks", type=int, default=24, help="networks that are measured whole")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    channels, height, width = (int(part) for part in given.image.split(","))
    image, rng = (channels, height, width), random.Random(given.seed)
    space = find_space(given.space, min(height, width))
    here = Conditions.here(given.device, given.threads, given.batch)
    blocks = Blocks(here)
    begun = time.perf_counter()
    for _ in range(given.known):
        if (graph := draw(space, rng, image)) is not None:
            blocks.add(graph)
    print(f"{space.name} at {given.image}, batches of {here.batch} on {here}")
    print(f"{blocks.measured} blocks of {given.known} networks measured in {time.perf_counter() - begun:.0f} s")
    others: dict[str, Graph] = {}
    for _ in range(200 * given.networks):
        graph = draw(space, rng, image)
        if graph is not None and not blocks.missing(graph):
            others.setdefault(graph.key, graph)
        if len(others) == given.networks:
            break
    found = list(survey(others, blocks))
    if len(found) < 3:
        parser.exit(1, "too few networks consist of known blocks; raise --known\n")
    errors = sorted(one.error for one in found)
    flops = spearman([one.cost.flops for one in found], [one.timing.median for one in found])
    medians = [1e3 * one.timing.median for one in found]
    print(f"{len(found)} networks of known blocks, {min(medians):.2f} to {max(medians):.2f} ms")
    print(f"mean absolute error {mean_absolute_error(found):.1%}, from {errors[0]:+.1%} to {errors[-1]:+.1%}")
    print(f"rank correlation with the whole latency: sum of blocks {rank_correlation(found):.3f}, FLOPs {flops:.3f}")
    if busy := sum(one.busy for one in found):
        print(f"something else used the machine during {busy} of them")


def draw(space: Space, rng: random.Random, image: tuple[int, int, int]) -> Graph | None:
    """A random network of the space; None for one that does not fit the image."""
    try:
        return space.decode(space.sample(rng)).draw(image, 10)
    except InvalidArchitecture:
        return None


if __name__ == "__main__":
    main()
