"""The images of one split with their labels, read ahead in chunks, each in all sizes that are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from nas.data import DataSpec, load
from nas.data.folder import FOLDER, folder_source
from nas.data.images import THREADS, ArrayImages, FileImages, in_colour, open_file
from nas.data.parts import Source
from nas.data.splits import choose
from nas.data.streamed import StreamedImages
from nas.errors import EvaluationError, unknown
from nas.evaluation.views import Prepared, middle

if TYPE_CHECKING:
    from PIL import Image

SplitName: TypeAlias = Literal["test", "validation", "train", "all"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)

Pixels: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some images, in order: their labels, and for each preparation the pixels (C, H, W) of each."""

    labels: NDArray[np.int64]
    pixels: dict[Prepared, list[Pixels]]


@dataclass(frozen=True, eq=False)
class Pictures:
    """A split to evaluate on; `chosen`: the positions of its images in `images`."""

    images: FileImages | ArrayImages
    chosen: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each label."""
        return self.images.classes

    def chunks(self, prepared: Sequence[Prepared], size: int) -> Iterator[Chunk]:
        """All images, `size` at a time; the next are read while the caller has these. Raises `DataError`."""
        parts = [self.chosen[start : start + size] for start in range(0, len(self), size)]
        with ThreadPoolExecutor(1, "read") as ahead, ThreadPoolExecutor(THREADS, "prepare") as pool:
            waiting = [ahead.submit(self._chunk, part, prepared, pool) for part in parts[:1]]
            for part in [*parts[1:], None]:
                if part is not None:
                    waiting.append(ahead.submit(self._chunk, part, prepared, pool))
                yield waiting.pop(0).result()

    def _chunk(self, part: NDArray[np.int64], prepared: Sequence[Prepared], pool: ThreadPoolExecutor) -> Chunk:
        pixels: dict[Prepared, list[Pixels]] = {}
        for way in prepared:
            if not way.short:  # to the last bit what training sees
                pixels[way] = [image for chunk in self.images.decode(part, way.shape) for image in chunk.pixels]
        resized = [way for way in prepared if way.short]
        if resized:
            found = list(pool.map(lambda position: self._resized(int(position), resized), part))
            pixels |= {way: [image[index] for image in found] for index, way in enumerate(resized)}
        return Chunk(self.images.labels[part], pixels)

    def _resized(self, position: int, ways: Sequence[Prepared]) -> list[Pixels]:
        """One image, opened once, in each of these sizes."""
        image = self._open(position, max(way.channels for way in ways))
        return [_brought(in_colour(image, way.channels), way) for way in ways]

    def _open(self, position: int, channels: int) -> Image.Image:
        if isinstance(self.images, FileImages):
            return open_file(self.images.files[position], channels)
        from PIL import Image

        pixels = self.images.pixels[position]
        return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def read_pictures(spec: DataSpec, split: str) -> Pictures:
    """The images of a split: test, validation, train, or all images of a folder that has no splits.

    Validation images are those that a search of the same spec holds out. Raises `DataError`, and `EvaluationError`
    for a split that there is not.
    """
    if split not in SPLITS:
        raise EvaluationError(unknown("split", split, SPLITS))
    if spec.name.startswith(FOLDER):
        return _in_folder(spec, split)
    if split == "all":
        raise EvaluationError(f"split all is for a {FOLDER}PATH with class folders; {spec.name} has test images")
    data = load(replace(spec, image_size=None))
    found = data.test() if split == "test" else data.validation if split == "validation" else data.train
    if isinstance(found.images, StreamedImages):
        raise TypeError("only folders are streamed")
    return _some(Pictures(ArrayImages(data.classes, found.labels, found.images), np.arange(len(found))), spec, split)


def _in_folder(spec: DataSpec, split: str) -> Pictures:
    path = Path(spec.name.removeprefix(FOLDER))
    source = folder_source(path)
    if split == "all":
        if source.validation or source.test or (path / "train").is_dir():
            raise EvaluationError(f"{spec.name} has splits; choose test, validation or train, or give a folder of it")
        return _whole(source.train.open())
    if split == "test":
        if source.test is None:
            raise EvaluationError(f"{spec.name} has no test split (test/<class>/); there is {_others(source)}")
        return _whole(source.test().open())
    if split == "validation" and source.validation is not None:
        return _whole(source.validation.open())
    images = source.train.open()
    held = 0 if source.validation else spec.validation
    train, validation = choose(images.labels, images.classes, fraction=spec.fraction, validation=held, seed=spec.seed)
    return _some(Pictures(_files(images), train if split == "train" else validation), spec, split)


def _whole(images: object) -> Pictures:
    files = _files(images)
    return Pictures(files, np.arange(len(files.labels)))


def _files(images: object) -> FileImages:
    if not isinstance(images, FileImages):
        raise TypeError(f"a folder has files, not {type(images).__name__}")
    return images


def _others(source: Source) -> str:
    if source.validation is not None:
        return "--split validation (val/<class>/) or train"
    return "--split validation (held out of the training images), train, or all"


def _some(pictures: Pictures, spec: DataSpec, split: str) -> Pictures:
    if not len(pictures):
        raise EvaluationError(f"the {split} split of {spec.name} is empty: no images were held out of training")
    return pictures


def _brought(image: Image.Image, way: Prepared) -> Pixels:
    """The shorter side to `way.short`, and the centre, as torchvision's presets round; (C, H, W)."""
    from PIL import Image

    width, height = image.size
    short, long = min(width, height), max(width, height)
    longer = int(way.short * long / short)
    size = (way.short, longer) if width <= height else (longer, way.short)
    if size != image.size:
        image = image.resize(size, Image.Resampling[way.interpolation.upper()])
    if way.square:
        left, top = middle(size[0] - way.square), middle(size[1] - way.square)
        image = image.crop((left, top, left + way.square, top + way.square))
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
