"""Images a second of training one child, beside a stock PyTorch loop and a tight one by hand, in turns in one run.

    python scripts/bench_training.py --set cifar --networks resnet20 mobilenet_v2_x0_25 --images 1024 --repeats 5
    python scripts/bench_training.py --set cifar --networks resnet20 --sweep
    python scripts/bench_training.py --set cifar --images 512 --augmentation

`nas` is `nas.training.train` with the recipe for such data. `stock` is what a tutorial writes: a Dataset of PIL
images, torchvision transforms one image at a time, a DataLoader, default SGD, the loss read each step. `tight` is the
least a loop can do: floats on the device in the right layout, no augmentation, no smoothing, no clipping, fused SGD, no
reading. Images are random, of the size and number of the set, since only the time is measured; no validation.
`--clock cpu` counts the processor time of this process, not that of loading processes: for a machine that is busy.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms

from nas.build import build
from nas.data import Dataset, Split
from nas.evaluators import find_device, keep_freed_memory
from nas.recipe import Recipe
from nas.training.augmentation import Moves, augmented
from nas.training.placement import place
from nas.training.train import batch_of, train
from searchspaces import NETWORKS, price

# Channels, side, and the number of training images that the recipe is chosen for.
SETS = {
    "digits": (1, 8, 1150),
    "cifar": (3, 32, 45_000),
    "small-cifar": (3, 32, 4_500),
    "photographs": (3, 128, 100_000),
}
CLASSES = 10


def made_up(channels: int, side: int, count: int) -> Dataset:
    """Random images."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, channels, side, side), dtype=np.uint8)
    split = Split(images, rng.integers(0, CLASSES, count))
    none = Split(images[:0], split.labels[:0])
    names = tuple(str(i) for i in range(CLASSES))
    return Dataset(
        "made up", "made up", (channels, side, side), names, split, none, (0.5,) * channels, (0.25,) * channels
    )


def module_of(name: str, data: Dataset, device: torch.device) -> nn.Module:
    """A network of the catalogue for these images."""
    graph = NETWORKS[name].architecture.draw(data.image, CLASSES)
    return build(graph, 0).to(device)


def ours(name: str, data: Dataset, recipe: Recipe, device: torch.device) -> Iterator[object]:
    """An epoch of nas at a time."""
    yield from train(module_of(name, data, device), data, recipe, seed=0, device=device)


class Pictures(torch.utils.data.Dataset[Any]):
    """Images as PIL, one at a time."""

    def __init__(self, split: Split, transform: Any) -> None:
        self.split, self.transform = split, transform

    def __len__(self) -> int:
        return len(self.split.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        pixels = np.asarray(self.split.images[index]).transpose(1, 2, 0)
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        return self.transform(image), int(self.split.labels[index])


def stock(name: str, data: Dataset, recipe: Recipe, device: torch.device, workers: int) -> Iterator[object]:
    """An epoch at a time of a plain loop with the same augmentation."""
    module, side = module_of(name, data, device), data.image[1]
    moves: list[Any] = []
    if recipe.resized_crop:
        moves.append(transforms.RandomResizedCrop(side, scale=(recipe.resized_crop, 1)))
    if recipe.crop:
        moves.append(transforms.RandomCrop(side, padding=recipe.crop))
    if recipe.flip:
        moves.append(transforms.RandomHorizontalFlip())
    if recipe.jitter:
        moves.append(transforms.ColorJitter(*[recipe.jitter] * 3))
    moves += [transforms.ToTensor(), transforms.Normalize(data.mean, data.std)]
    size = batch_of(len(data.train.labels), recipe.batch_size)
    loader = DataLoader(
        Pictures(data.train, transforms.Compose(moves)), size, shuffle=True, drop_last=True, num_workers=workers
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9, weight_decay=recipe.weight_decay)
    module.train()
    while True:
        total = 0.0
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = loss_of(module(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
        yield total


def tight(name: str, data: Dataset, recipe: Recipe, device: torch.device) -> Iterator[object]:
    """An epoch at a time of the least that a loop can do."""
    module = module_of(name, data, device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.from_numpy(np.asarray(data.train.images)).to(device).float().div(127.5).sub(1)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(np.asarray(data.train.labels)).to(device)
    size = batch_of(len(labels), recipe.batch_size)
    optimizer = torch.optim.SGD(
        module.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True
    )
    narrow = device.type == "cuda" and torch.cuda.is_bf16_supported()
    module.train()
    while True:
        order = torch.randperm(len(labels), device=device)
        for i in range(0, len(labels) - size + 1, size):
            which = order[i : i + size]
            with torch.autocast(device.type, torch.bfloat16, enabled=narrow):
                scores = module(images[which])
            loss = nn.functional.cross_entropy(scores.float(), labels[which])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        yield None


CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


def in_turns(loops: dict[str, Iterator[object]], repeats: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Seconds of so many epochs of each loop, one of each at a time, after one that does not count."""
    seconds: dict[str, list[float]] = {what: [] for what in loops}
    for number in range(repeats + 1):
        for what, loop in loops.items():
            start = clock()
            next(loop)
            if number:
                seconds[what].append(clock() - start)
    return seconds


def line(label: str, seconds: list[float], images: int, beside: float | None = None) -> str:
    """Images a second, mean and deviation over the epochs, and the ratio of medians to another loop's."""
    rates = [images / taken for taken in seconds]
    deviation = statistics.stdev(rates) if len(rates) > 1 else 0.0
    ratio = "" if beside is None else f"   {beside / statistics.median(seconds):6.2f} times tight"
    return f"{label:30s} n = {len(rates)} {statistics.mean(rates):10.1f} ± {deviation:6.1f} images/s{ratio}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, default="cifar")
    parser.add_argument("--networks", nargs="+", default=["resnet20", "mobilenet_v2_x0_25"])
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="of the stock loop's DataLoader")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--sweep", action="store_true", help="threads, layout and batch size of nas instead")
    parser.add_argument("--augmentation", action="store_true", help="what each change of the images takes instead")
    arguments = parser.parse_args()
    device = find_device(arguments.device)
    if device.type == "cpu":
        keep_freed_memory()
    channels, side, number = SETS[arguments.set]
    data = made_up(channels, side, arguments.images)
    recipe = replace(Recipe.for_data(number, side), epochs=arguments.repeats + 1)
    torch.set_num_threads(arguments.threads)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    print(
        f"{where}, {os.cpu_count()} cores seen, load {os.getloadavg()[0]:.1f}; torch {torch.__version__}; "
        f"{arguments.set}, {arguments.images} images of {side} px, batch {recipe.batch_size}, "
        f"{arguments.threads} thread(s), {arguments.clock} clock"
    )
    if arguments.augmentation:
        changes(data, device, arguments.repeats, CLOCKS[arguments.clock])
        return
    for name in arguments.networks:
        cost = price(NETWORKS[name].architecture.draw(data.image, CLASSES))
        print(f"{name}: {cost.flops:,} FLOPs, {cost.params:,} parameters")
        if arguments.sweep:
            sweep(name, data, recipe, device, arguments.repeats)  # by the wall, since threads are compared
            continue
        bare = replace(recipe, crop=0, flip=False, label_smoothing=0.0, clip=0.0, resized_crop=0.0, jitter=0.0, ema=0.0)
        loops = {"nas": ours(name, data, recipe, device), "nas, without augmentation": ours(name, data, bare, device)}
        loops["tight"] = tight(name, data, recipe, device)
        for workers in arguments.workers:
            loops[f"stock, {workers} loading processes"] = stock(name, data, recipe, device, workers)
        seconds = in_turns(loops, arguments.repeats, CLOCKS[arguments.clock])
        size = batch_of(arguments.images, recipe.batch_size)
        seen = arguments.images // size * size
        for what, taken in seconds.items():
            print(line(what, taken, seen, statistics.median(seconds["tight"])))


def changes(data: Dataset, device: torch.device, repeats: int, clock: Callable[[], float]) -> None:
    """Microseconds an image of each change, all images as one batch; their numbers are drawn too."""
    placed, (_, height, width), count = place(data, device), data.image, len(data.train.labels)
    options: list[dict[str, Any]] = [{}, {"crop": 4, "flip": True}, {"cutout": 8}, {"resized_crop": 0.35}]
    options += [{"jitter": 0.4}, {"randaugment": 2}, {"mixup": 0.2}]
    for given in options:
        recipe, taken = Recipe(**given), []
        for _ in range(repeats + 1):
            start = clock()
            images, labels = placed.train.take(slice(0, count))
            moves = Moves.draw(count, height, width, recipe, torch.Generator().manual_seed(0)).to(device)
            augmented(images, labels, moves, recipe, placed)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            taken.append(1e6 * (clock() - start) / count)
        print(
            f"{given or 'normalised only'!s:32s} n = {repeats} {statistics.median(taken[1:]):8.1f} us an image (median)"
        )


def sweep(name: str, data: Dataset, recipe: Recipe, device: torch.device, repeats: int) -> None:
    """nas with one thread and two, both layouts, several batch sizes; each measured alone, in this order."""
    count = len(data.train.labels)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for channels_last in (True, False):
            for batch in (32, 128, 512):
                if batch > count:
                    continue
                given = replace(recipe, batch_size=batch, channels_last=channels_last)
                seconds = in_turns({"": ours(name, data, given, device)}, repeats, time.perf_counter)[""]
                layout = "channels last" if channels_last else "channels first"
                size = batch_of(count, batch)
                print(line(f"{threads} thread, {layout}, {batch}", seconds, count // size * size))


if __name__ == "__main__":
    main()
