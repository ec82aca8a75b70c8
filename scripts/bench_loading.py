"""Images per second from JPEG files: the streaming path of nas beside torchvision's ImageFolder and a DataLoader.

All give normalised float batches of one size from as many worker processes, warm, in turns in one run. `stock` is
Resize, CenterCrop, ToTensor, Normalize: the same work on the same pixels. `random crop` is what training scripts for
ImageNet have instead of the first two (RandomResizedCrop, RandomHorizontalFlip); nas does such on the device. CPU time
is of this process and its workers, and says more than images per second where others use the machine. Without --folder,
photographs are made: smooth fields with noise.

    python scripts/bench_loading.py --images 400 --repeats 5
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from nas.data import DataSpec, load
from nas.evaluators import keep_freed_memory
from nas.training.decoders import WORKERS_VARIABLE
from nas.training.placement import place

CLASSES = 4
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def make_photographs(folder: Path, images: int, width: int, height: int) -> int:
    """Write so many JPEG files into class folders; gives the mean number of bytes."""
    rng = np.random.default_rng(0)
    sizes = []
    for number in range(images):
        coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
        field = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.int16)
        pixels = np.clip(field + rng.normal(0, 12, field.shape), 0, 255).astype(np.uint8)
        file = folder / f"train/class{number % CLASSES}/{number:06}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file, quality=88)
        sizes.append(file.stat().st_size)
    return round(statistics.mean(sizes))


def stock(folder: Path, options: argparse.Namespace, *, random: bool) -> Callable[[], Iterator[Tensor]]:
    """A training script's usual loader."""
    size = options.size
    if random:
        moves = [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip()]
    else:
        moves = [transforms.Resize(size), transforms.CenterCrop(size)]
    pipeline = transforms.Compose([*moves, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    loader = DataLoader(
        datasets.ImageFolder(str(folder / "train"), pipeline),
        batch_size=options.batch,
        shuffle=True,
        num_workers=options.workers,
        persistent_workers=True,
        pin_memory=options.device.startswith("cuda"),
    )
    device = torch.device(options.device)
    return lambda: (images.to(device, non_blocking=True) for images, _ in loader)


def ours(folder: Path, options: argparse.Namespace) -> Callable[[], Iterator[Tensor]]:
    """The streaming path, as `nas.training.train.train` uses it."""
    os.environ[WORKERS_VARIABLE] = str(options.workers)
    spec = DataSpec(f"folder:{folder}", image_size=options.size, validation=0, streamed=True)
    placed = place(load(spec), torch.device(options.device))
    part = placed.train
    rng = torch.Generator().manual_seed(0)

    def epoch() -> Iterator[Tensor]:
        order = part.nearby(torch.randperm(len(part), generator=rng))
        for start in range(0, len(part), options.batch):
            yield placed.normalised(part.take(order[start : start + options.batch])[0])

    return epoch


def cpu_seconds() -> float:
    """CPU time that this process and its living children have used."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in ("self", *children))
    return sum(int(stat[11]) + int(stat[12]) for stat in fields) / os.sysconf("SC_CLK_TCK")


def pace(epoch: Callable[[], Iterator[Tensor]], options: argparse.Namespace) -> tuple[float, float]:
    """Images per second of an epoch, and CPU milliseconds per image."""
    start, used = time.perf_counter(), cpu_seconds()
    count = sum(len(images) for images in epoch())
    if options.device.startswith("cuda"):
        torch.cuda.synchronize()
    return count / (time.perf_counter() - start), 1000 * (cpu_seconds() - used) / count


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=400, help="photographs to make")
    parser.add_argument("--pixels", default="500x375", help="their width and height")
    parser.add_argument("--folder", type=Path, help="a folder with train/<class>/ instead")
    parser.add_argument("--size", type=int, default=224, help="pixels of a side that networks see")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the cores decode
    device = torch.cuda.get_device_name() if options.device.startswith("cuda") else "no GPU"
    print(
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores seen, {device}; torch {torch.__version__}; "
        f"{options.workers} loader processes, batch {options.batch}, to {options.size} px"
    )
    with tempfile.TemporaryDirectory(prefix="nas-loading-") as temporary:
        os.environ["NAS_DATA"] = f"{temporary}/root"
        folder = options.folder
        if folder is None:
            folder = Path(temporary, "photographs")
            width, height = map(int, options.pixels.split("x"))
            size = make_photographs(folder, options.images, width, height)
            print(f"{options.images} photographs of {width}×{height}, {size / 1e3:.0f} kB each")
        measure(folder, options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Each loader once to warm up, then all in turns."""
    loaders = {
        "ImageFolder, stock": stock(folder, options, random=False),
        "ImageFolder, random crop": stock(folder, options, random=True),
        "nas, streamed": ours(folder, options),
    }
    for epoch in loaders.values():
        pace(epoch, options)  # stock workers are forked before `keep_freed_memory`, which scripts do not have
        if options.device == "cpu" and epoch is loaders["ImageFolder, random crop"]:
            keep_freed_memory()
    paces: dict[str, list[tuple[float, float]]] = {name: [] for name in loaders}
    for _ in range(options.repeats):
        for name, epoch in loaders.items():
            paces[name].append(pace(epoch, options))
    print(f"{'loader':<26}{'n':>3}  {'images/s':>16}  {'CPU ms an image':>16}  nas: images/s, CPU")
    mine = [statistics.mean(column) for column in zip(*paces["nas, streamed"], strict=True)]
    for name, values in paces.items():
        columns = list(zip(*values, strict=True))
        means = [statistics.mean(column) for column in columns]
        spreads = [statistics.stdev(column) if len(column) > 1 else 0.0 for column in columns]
        cells = "  ".join(f"{mean:>8.2f} ± {spread:<5.2f}" for mean, spread in zip(means, spreads, strict=True))
        print(f"{name:<26}{len(values):>3}  {cells}  {mine[0] / means[0]:.2f} ×, {mine[1] / means[1]:.2f} ×")


if __name__ == "__main__":
    main()
