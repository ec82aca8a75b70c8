"""Children a minute, beside a plain script of stock Ray Tune, torchvision transforms and DataLoader, in the same run.

python scripts/bench_children.py [--dataset digits] [--fraction 1.0] [--space resnext] [--children 16] [--max-flops 5M]

Both train the same children from the same seeds with the same recipe on the same images, on all cores, one thread a
child, and both times are of a whole search from nothing: Ray's start included. The stock script is what a person would
write: a function for `tune.Tuner`, one process a trial, PIL images, transforms one image at a time, two loading
processes (`--workers`), the schedule in the loop. Both means of validation accuracy are printed.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from typing import Any

import nas
from nas.data import DataSpec, load
from nas.objectives import Constraint
from nas.recipe import Recipe
from searchspaces import find_space, price


def stock_trial(config: dict[str, Any]) -> None:
    """One child as a stock script trains it; reports the accuracy of each epoch to Tune."""
    import torch
    from PIL import Image
    from ray import tune
    from torch import nn
    from torch.utils.data import DataLoader
    from torchvision import transforms

    from nas.build import build
    from searchspaces import Architecture

    torch.manual_seed(0)
    torch.set_num_threads(1)
    recipe = Recipe.from_json(config["recipe"])
    data = load(DataSpec(**config["data"]))

    class Images(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __init__(self, split: Any, transform: Any) -> None:
            self.split, self.transform = split, transform

        def __len__(self) -> int:
            return len(self.split)

        def __getitem__(self, index: int) -> tuple[Any, int]:
            pixels = self.split.images[index].transpose(1, 2, 0)
            image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
            return self.transform(image), int(self.split.labels[index])

    side = data.image[1]
    moves: list[Any] = [transforms.RandomCrop(side, padding=recipe.crop)] if recipe.crop else []
    moves += [transforms.RandomHorizontalFlip()] if recipe.flip else []
    last = [transforms.ToTensor(), transforms.Normalize(data.mean, data.std)]
    training = DataLoader(
        Images(data.train, transforms.Compose([*moves, *last])),
        batch_size=recipe.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=config["workers"],
    )
    validation = DataLoader(
        Images(data.validation, transforms.Compose(last)), batch_size=256, num_workers=config["workers"]
    )
    architecture = Architecture.from_json(config["architecture"])
    model = build(architecture.draw(data.image, len(data.classes)), 0)
    criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )
    step, steps = 0, recipe.epochs * len(training)
    for _ in range(recipe.epochs):
        model.train()
        for images, labels in training:
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr_at(step, steps)
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            if recipe.clip:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            step += 1
        model.eval()
        with torch.no_grad():
            found = sum(int((model(images).argmax(1) == labels).sum()) for images, labels in validation)
        tune.report({"val_accuracy": found / len(data.validation)})


def stock(children: list[dict[str, Any]], recipe: Recipe, data: dict[str, Any], workers: int) -> tuple[float, float]:
    """Seconds, and the mean of the last accuracies."""
    begun = time.perf_counter()
    os.environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, sys.path))
    import ray
    from ray import tune

    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(stock_trial, {"cpu": 1}),
            param_space={
                "architecture": tune.grid_search(children),
                "recipe": recipe.to_json(),
                "data": data,
                "workers": workers,
            },
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        results = tuner.fit()
        accuracies = [result.metrics["val_accuracy"] for result in results if result.metrics]
    ray.shutdown()
    if len(accuracies) < len(children):
        raise SystemExit(f"only {len(accuracies)} of the stock script's {len(children)} children ended")
    return time.perf_counter() - begun, statistics.mean(accuracies)


class Given:
    """A controller that proposes given points in their order."""

    curves: dict[str, float] = {}  # noqa: RUF012 - empty for good

    def __init__(self, points: list[Any]) -> None:
        self.points, self.asked = points, 0

    def ask(self) -> Any:
        """The next point."""
        from nas.controllers import Proposal

        self.asked += 1
        return Proposal(self.asked - 1, self.points[self.asked - 1])

    def tell(self, id: int, values: Any) -> None:
        """Nothing to learn."""


def ours(space: str, points: list[Any], recipe: Recipe, data: DataSpec) -> tuple[float, float]:
    """The same by `nas.search`."""
    from nas.controllers import CONTROLLERS

    CONTROLLERS["given"] = lambda problem, seed: Given(points)
    begun = time.perf_counter()
    study = nas.search(
        space,
        dataset=data,
        controller="given",
        budget=len(points),
        baselines="none",
        recipe=recipe,
        executor="ray",
        storage=os.path.join(tempfile.mkdtemp(), "nas.db"),
    )
    seconds = time.perf_counter() - begun
    found = [trial.val_accuracy or 0.0 for trial in study.trials if trial.state == "complete"]
    if len(found) < len(points):
        raise SystemExit(f"only {len(found)} of our {len(points)} children ended")
    return seconds, statistics.mean(found)


def main() -> None:
    """Train the same children both ways, in turns, and print children a minute."""
    parser = argparse.ArgumentParser(description="Children a minute beside stock Ray Tune.")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--space", default="resnext")
    parser.add_argument("--children", type=int, default=16)
    parser.add_argument("--max-flops", default="1T")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    spec = DataSpec(arguments.dataset, fraction=arguments.fraction)
    data = load(spec)
    recipe = Recipe.for_data(len(data.train), min(data.image[1:]))
    if arguments.epochs:
        recipe = recipe.with_options({"epochs": arguments.epochs})
    import random

    space, rng = find_space(arguments.space, min(data.image[1:])), random.Random(0)
    bound = Constraint.parse(f"flops<={arguments.max_flops.replace('T', '000G')}")
    points: dict[Any, None] = {}
    keys: set[str] = set()
    while len(points) < arguments.children:
        point = space.sample(rng)
        graph = space.decode(point).draw(data.image, len(data.classes))
        if bound.holds(price(graph).to_json()) and graph.key not in keys:
            keys.add(graph.key)
            points[point] = None
    documents = [space.decode(point).to_json() for point in points]
    print(
        f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {len(points)} children of "
        f"{space.name} on {spec.name}, {len(data.train)} images, {recipe.epochs} epochs, batch {recipe.batch_size}"
    )
    rows: dict[str, list[tuple[float, float]]] = {"nas": [], "stock": []}
    for _ in range(arguments.runs):
        rows["nas"].append(ours(arguments.space, list(points), recipe, spec))
        rows["stock"].append(stock(documents, recipe, spec.to_json(), arguments.workers))
    for name, runs in rows.items():
        paces = [60 * len(points) / seconds for seconds, _ in runs]
        spread = f" ± {statistics.stdev(paces):.1f}" if len(paces) > 1 else ""
        accuracy = statistics.mean(accuracy for _, accuracy in runs)
        print(f"{name:6} {statistics.mean(paces):7.1f}{spread} children a minute, mean accuracy {100 * accuracy:.2f} %")
    ratio = statistics.mean(own[0] for own in rows["stock"]) / statistics.mean(own[0] for own in rows["nas"])
    print(f"{ratio:.2f} times as fast")


if __name__ == "__main__":
    main()
