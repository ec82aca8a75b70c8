"""A whole search on a GPU: time, images a second, and how near it comes to what the device can do.

python scripts/bench_gpu.py --dataset folder:CIFAR [--children 200] [--epochs 8] [--gpus-per-trial auto]

First measures the device: a large matrix product (multiply-adds a second) and a copy (bytes a second). Then searches,
and prints the children's arithmetic and the tensors that they write and read as shares of these, the GPU's utilisation
as nvidia-smi samples it twice a second, and the front. The bytes are a lower bound: each tensor of a training step
counts as written once, and read and written once more on the way back. `--executor inline` trains one child at a time,
without Ray.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import tempfile
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nas
from nas.data import DataSpec, load
from nas.evaluators import TrainingEvaluator, find_device
from nas.recipe import Recipe

MOVES = 3  # of a tensor: written going forward, read and its gradient written going back


class Utilisation:
    """What nvidia-smi says of the first GPU, twice a second: percent of the time a kernel ran, and MiB in use."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []

    def __enter__(self) -> Self:
        query = ["--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "--id=0", "-lms", "500"]
        self._process = subprocess.Popen(["nvidia-smi", *query], stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            busy, used = line.split(",")
            self.samples.append((float(busy), float(used)))

    def __str__(self) -> str:
        if len(self.samples) < 2:
            return "not measured"
        busy, used = zip(*self.samples, strict=True)
        return (
            f"{statistics.mean(busy):.0f} ± {statistics.stdev(busy):.0f} % of the time "
            f"(n = {len(busy)}), {max(used) / 1024:.1f} GiB at most"
        )


def limits(device: Any, side: int, size: int) -> tuple[float, float]:
    """Multiply-adds a second of a product of square matrices, and bytes a second of a copy (read and written)."""
    import torch

    narrow = torch.bfloat16 if device.type == "cuda" else torch.float32
    left, right = (torch.randn(side, side, device=device, dtype=narrow) for _ in range(2))
    source = torch.zeros(size, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)

    def best(work: Any) -> float:
        times = []
        for _ in range(8):
            begun = time.perf_counter()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - begun)
        return min(times)

    return side**3 / best(lambda: left @ right), 2 * size / best(lambda: target.copy_(source))


def main() -> None:
    """Measure the device, search, and print both."""
    parser = argparse.ArgumentParser(description="A whole search on a GPU, against the limits of the device.")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--space", default="resnext")
    parser.add_argument("--controller", default="pareto")
    parser.add_argument("--children", type=int, default=200)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--constraint", action="append", default=[])
    parser.add_argument("--executor", choices=("ray", "inline"), default="ray")
    parser.add_argument("--gpus-per-trial", default="auto")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    import torch

    device = find_device(arguments.device)
    cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if cuda else f"{platform.processor() or platform.machine()}, no GPU"
    print(f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; torch {torch.__version__}")
    peak, bandwidth = limits(device, 8192 if cuda else 2048, 2**30 if cuda else 2**27)
    print(f"limits measured here: {peak / 1e12:.3g} T multiply-adds a second, {bandwidth / 1e9:.3g} GB/s")

    spec = DataSpec(arguments.dataset, fraction=arguments.fraction)
    data = load(spec)
    recipe = Recipe.for_data(len(data.train), min(data.image[1:]))
    if arguments.epochs:
        recipe = recipe.with_options({"epochs": str(arguments.epochs)})
    options: dict[str, Any] = {}
    if arguments.executor == "ray" and cuda:
        share = arguments.gpus_per_trial
        options["gpus_per_trial"] = share if share == "auto" else float(share)
    utilisation = Utilisation()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        with utilisation if cuda else nullcontext():
            study = nas.search(
                arguments.space,
                evaluator=TrainingEvaluator(spec, arguments.device),
                controller=arguments.controller,
                budget=arguments.children,
                constraints=arguments.constraint,
                baselines="none",
                recipe=recipe,
                executor=arguments.executor,
                executor_options=options,
                storage=Path(folder) / "nas.db",
            )
        seconds = time.perf_counter() - begun
        report(study, len(data.train), recipe, seconds, peak, bandwidth)
    print(f"GPU utilisation: {utilisation if cuda else 'no GPU, not measured'}")


def report(study: nas.Study, images: int, recipe: Recipe, seconds: float, peak: float, bandwidth: float) -> None:
    """Print what the children came to, and the front."""
    trained = [trial for trial in study.trials if trial.epochs]
    states = {state: sum(trial.state == state for trial in study.trials) for state in ("complete", "failed")}
    epochs = sum(trial.epochs for trial in trained)
    flops = float((study.record.spent or {}).get("training_flops") or 0)
    width = 4 if recipe.precision == "float32" else 2  # bytes an element, where the device has narrow numbers
    moved = sum(MOVES * trial.cost["memory"] / 4 * width * images * trial.epochs for trial in trained)
    print(f"{states['complete']} children complete, {states['failed']} failed, {epochs} epochs of {images} images")
    print(f"{seconds:.0f} s, {60 * states['complete'] / seconds:.1f} children a minute")
    print(f"{images * epochs / seconds:,.0f} training images a second")
    print(
        f"{flops / seconds / 1e12:.3g} T multiply-adds a second: {100 * flops / seconds / peak:.1f} % of the product's"
    )
    print(f"{moved / seconds / 1e9:.3g} GB/s at least: {100 * moved / seconds / bandwidth:.1f} % of the copy's")
    for trial in study.front:
        accuracy, cost = 100 * (trial.val_accuracy or 0.0), trial.cost
        print(f"{trial.number:5}  {accuracy:6.2f} %  {cost['flops'] / 1e6:9.2f} M  {cost['params'] / 1e3:9.1f} K")


if __name__ == "__main__":
    main()
