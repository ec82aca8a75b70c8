"""`load`: from a `DataSpec` to a `Dataset`, decoding at most once.

The stored order is the training images, then the validation images, so that both splits are plain slices of one
mapped file which all processes on a machine share, however many workers train. The price is that
another seed, fraction or validation share decodes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import blake2b
from itertools import chain
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.data.cache import Cache, Writer, address
from nas.data.dataset import Dataset, Split
from nas.data.folder import FOLDER, folder_source
from nas.data.images import Chunk, Shape
from nas.data.parts import Part, Source
from nas.data.sources import DATASETS
from nas.data.spec import DataSpec
from nas.data.splits import choose

SMALLEST_STD = 1 / 255


def load(spec: DataSpec) -> Dataset:
    """The dataset that `spec` names; its test split is not touched until `Dataset.test()`. Raises DataError."""
    root = spec.directory()
    source = _source(spec, root)
    official = source.validation
    share = None if official else spec.validation
    name = address(
        source.train.identity, official and official.identity, spec.image_size, spec.fraction, share, spec.seed
    )
    cache = Cache(root)
    entry = cache.entry(name, partial(_write_training, spec, source))
    facts = entry.facts
    count = facts["train"]
    channels, height, width = facts["image"]
    image = (channels, height, width)
    content = address(facts["content"], facts["classes"], image, spec.fraction, share, spec.seed)
    read_test = None if source.test is None else partial(_read_test, cache, source.test, image)
    return Dataset(
        name=spec.name,
        key=_key(spec, image, share, content),
        image=image,
        classes=tuple(facts["classes"]),
        train=Split(entry.images[:count], entry.labels[:count]),
        validation=Split(entry.images[count:], entry.labels[count:]),
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        read_test=read_test,
    )


def _source(spec: DataSpec, root: Path) -> Source:
    if spec.name.startswith(FOLDER):
        return folder_source(Path(spec.name.removeprefix(FOLDER)))
    return DATASETS[spec.name](root)


def _key(spec: DataSpec, image: Shape, share: float | None, digest: str) -> str:
    """Such as `digits-8px-v0.1-s0-3fa9c1d2`; without a folder's name, since a copy may be called otherwise."""
    _, height, width = image
    return "-".join(
        (
            "folder" if spec.name.startswith(FOLDER) else spec.name,
            f"{height}px" if height == width else f"{height}x{width}px",
            *([f"f{spec.fraction:g}"] if spec.fraction < 1 else []),
            "val" if share is None else f"v{share:g}",
            f"s{spec.seed}",
            digest[:8],
        )
    )


def _write_training(spec: DataSpec, source: Source, writer: Writer) -> None:
    images = source.train.open()
    official = source.validation and source.validation.open()
    train, held = choose(
        images.labels,
        images.classes,
        fraction=spec.fraction,
        validation=0 if official else spec.validation,
        seed=spec.seed,
    )
    shape = images.shape(np.concatenate([train, held]), spec.image_size)
    if official:
        held = np.arange(len(official.labels))
    labels = np.concatenate([images.labels[train], (official or images).labels[held]])
    count = _Count(shape[0])
    content = blake2b(labels.astype("<i8").tobytes(), digest_size=16)
    chunks = chain(_counted(images.decode(train, shape), count), (official or images).decode(held, shape))

    def facts() -> dict[str, object]:
        return {
            "image": shape,
            "classes": images.classes,
            "train": len(train),
            "content": content.hexdigest(),
            "mean": count.mean,
            "std": count.std,
        }

    writer.write(shape, labels, _hashed(chunks, content), facts)


def _read_test(cache: Cache, open_part: Callable[[], Part], shape: Shape) -> Split:
    part = open_part()
    entry = cache.entry(address(part.identity, shape), partial(_write_test, part, shape))
    return Split(entry.images, entry.labels)


def _write_test(part: Part, shape: Shape, writer: Writer) -> None:
    images = part.open()
    chunks = (chunk.pixels for chunk in images.decode(np.arange(len(images.labels)), shape))
    writer.write(shape, images.labels, chunks, dict)


class _Count:
    """Mean and standard deviation of each channel; its sums are whole numbers, so that all machines agree."""

    def __init__(self, channels: int) -> None:
        self._pixels = 0
        self._sum = [0] * channels
        self._squares = [0] * channels

    def add(self, pixels: NDArray[np.uint8]) -> None:
        """Count the pixels of these images, N,C,H,W."""
        self._pixels += pixels.size // pixels.shape[1]
        for channel in range(pixels.shape[1]):
            levels = np.bincount(pixels[:, channel].ravel(), minlength=256)
            self._sum[channel] += int(levels @ np.arange(256))
            self._squares[channel] += int(levels @ np.arange(256) ** 2)

    @property
    def mean(self) -> list[float]:
        return [total / self._pixels / 255 for total in self._sum]

    @property
    def std(self) -> list[float]:
        """At least 1/255, so that one may divide by it."""
        variances = (
            (squares * self._pixels - total**2) / self._pixels**2
            for total, squares in zip(self._sum, self._squares, strict=True)
        )
        return [max(sqrt(variance) / 255, SMALLEST_STD) for variance in variances]


def _counted(chunks: Iterable[Chunk], count: _Count) -> Iterator[Chunk]:
    for chunk in chunks:
        count.add(chunk.pixels)
        yield chunk


def _hashed(chunks: Iterable[Chunk], content: blake2b) -> Iterator[NDArray[np.uint8]]:
    for chunk in chunks:
        content.update(chunk.content)
        yield chunk.pixels
