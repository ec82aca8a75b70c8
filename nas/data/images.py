"""Labelled images that are not decoded yet: `Images`, in memory or in files, and their way to uint8 arrays.

Whatever an image was, it becomes C,H,W in uint8: turned upright (EXIF), grey or RGB, and, where its size is
not the wanted one, scaled until it covers that and cropped at the centre. 16-bit grey is scaled to 8 bits;
transparency is dropped; of several frames the first is taken.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from statistics import median_low
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nas.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

Shape = tuple[int, int, int]  # channels, height, width

LARGEST_DEFAULT = 224
LARGEST_COMMON = 1024
SAMPLE = 1024
BATCH = 64
BATCH_BYTES = 8 * 2**20
THREADS = min(8, os.cpu_count() or 1)
ORIENTATION = 0x0112
MOST_PIXELS = 2**30 // 12  # as Pillow warns of: decoded, 256 MiB
MOST_BYTES = 512 * 2**20  # of one file; more is no image of a data set
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")


class Chunk(NamedTuple):
    """Some images in order: uint8 N,C,H,W, and bytes that stand for what they were decoded from."""

    pixels: NDArray[np.uint8]
    content: bytes


class Images(Protocol):
    """Labelled images that are not decoded yet."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each label."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The label of each image."""

    def shape(self, chosen: NDArray[np.int64], size: int | None) -> Shape:
        """What the images at these positions become; `size`: pixels of a side, None: as they are."""

    def decode(self, chosen: NDArray[np.int64], shape: Shape) -> Iterator[Chunk]:
        """The images at these positions, in this order, in chunks that fit in memory. Raises DataError."""


@dataclass(frozen=True)
class ArrayImages:
    """Images that a library already decoded: uint8 N,C,H,W."""

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    pixels: NDArray[np.uint8]

    def shape(self, chosen: NDArray[np.int64], size: int | None) -> Shape:
        """Their own shape, or a square one of `size` pixels."""
        channels, height, width = self.pixels.shape[1:]
        return (channels, size, size) if size else (channels, height, width)

    def decode(self, chosen: NDArray[np.int64], shape: Shape) -> Iterator[Chunk]:
        """Resize them where `shape` asks for it."""
        if shape == self.pixels.shape[1:]:
            return (Chunk(part, part.tobytes()) for part in (self.pixels[batch] for batch in _batches(chosen, shape)))
        return _threaded(lambda position: self._resized(position, shape), chosen, shape)

    def _resized(self, position: int, shape: Shape) -> tuple[NDArray[np.uint8], bytes]:
        from PIL import Image

        pixels = self.pixels[position]
        image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
        return _pixels(image, shape), pixels.tobytes()


@dataclass(frozen=True)
class FileImages:
    """Images in files."""

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    files: Sequence[str]

    def shape(self, chosen: NDArray[np.int64], size: int | None) -> Shape:
        """Grey if all of them are, else RGB; as high and wide as `sampled_shape` says."""
        channels, height, width = self.sampled_shape(size)
        grey = channels == 1 and all(_head(self.files[i]).grey for i in chosen)
        return (1 if grey else 3, height, width)

    def sampled_shape(self, size: int | None) -> Shape:
        """What the images become, from the headers of a sample: grey if all of it is, else RGB; their size.

        Up to 1,024 images spread over all files, not over the chosen ones, decide the size, so that it is the same
        for every fraction: the common size if they share one of at most 1,024 pixels, else a square of
        the median shorter side, at most 224.
        """
        last = len(self.files) - 1
        sample = sorted({round(i * last / (SAMPLE - 1)) for i in range(SAMPLE)})
        heads = [_head(self.files[i]) for i in sample]
        grey = all(head.grey for head in heads)
        sizes = {(head.height, head.width) for head in heads}
        height, width = next(iter(sizes))
        if size:
            height = width = size
        elif len(sizes) > 1 or max(height, width) > LARGEST_COMMON:
            height = width = min(LARGEST_DEFAULT, median_low(min(head.height, head.width) for head in heads))
        return (1 if grey else 3, height, width)

    def decode(self, chosen: NDArray[np.int64], shape: Shape) -> Iterator[Chunk]:
        """Read and decode the files in a few threads."""
        return _threaded(lambda position: self._decoded(self.files[position], shape), chosen, shape)

    def _decoded(self, file: str, shape: Shape) -> tuple[NDArray[np.uint8], bytes]:
        data = _bytes(file)
        return _fitted(file, data, shape), blake2b(data, digest_size=16).digest()


def decode_file(file: str, shape: Shape) -> NDArray[np.uint8]:
    """The image in a file as C,H,W, the same as `FileImages.decode` gives. Raises DataError."""
    return _fitted(file, _bytes(file), shape)


def open_file(file: str, channels: int) -> Image.Image:
    """The image in a file at its own size, upright, grey for one channel and else RGB. Raises DataError."""
    from PIL import Image

    data = _bytes(file)
    try:
        with Image.open(BytesIO(data)) as image:
            return in_colour(_upright(image), channels)
    except MemoryError:
        raise
    except Exception as error:  # a broken file makes a decoder raise anything
        raise _corrupt(file, error) from error


def _fitted(file: str, data: bytes, shape: Shape) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(BytesIO(data)) as image:
            _check_size(image)
            if min(image.size) >= 4 * max(shape[1:]):
                image.draft(None, (2 * shape[2], 2 * shape[1]))  # a JPEG can be decoded at a lower scale, faster
            return _pixels(_upright(image), shape)
    except MemoryError:
        raise
    except Exception as error:  # a broken file makes a decoder raise anything
        raise _corrupt(file, error) from error


class _Head(NamedTuple):
    grey: bool
    height: int
    width: int


def _head(file: str) -> _Head:
    from PIL import Image

    try:
        with Image.open(file) as image:
            _check_size(image)
            width, height = image.size
            turned = _orientation(image) >= 5
            return _Head(image.mode in GREY_MODES, *((width, height) if turned else (height, width)))
    except PermissionError as error:
        raise _unreadable(file, error) from error
    except Exception as error:  # as in decoding
        raise _corrupt(file, error) from error


def _check_size(image: Image.Image) -> None:
    """Before anything is decoded: a small file may hold, or claim, gigabytes of pixels."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width}×{height} pixels, at most {MOST_PIXELS:,} are allowed")


def _orientation(image: Image.Image) -> int:
    """How EXIF says the camera was held, 1 to 8; 1 when it does not say, or is itself broken."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # the picture may be sound although its EXIF is not
        return 1
    return orientation if orientation in range(1, 9) else 1


def _upright(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image) if _orientation(image) > 1 else image


def in_colour(image: Image.Image, channels: int) -> Image.Image:
    """An image as 8-bit grey for one channel, else RGB. Raises ValueError for floating-point pixels."""
    from PIL import Image

    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range")
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip at 255
        image = Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    image.load()  # even where nothing is to be changed: the file is closed next
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _pixels(image: Image.Image, shape: Shape) -> NDArray[np.uint8]:
    """C,H,W of an image, fitted to `shape`."""
    from PIL import Image, ImageOps

    channels, height, width = shape
    image = in_colour(image, channels)
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _bytes(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            if os.fstat(stream.fileno()).st_size > MOST_BYTES:
                raise DataError(f"cannot decode the image {file}: larger than {MOST_BYTES // 2**20} MiB; remove it")
            return stream.read()
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: str, error: OSError) -> DataError:
    return DataError(f"cannot read {file}: {error.strerror or error}; make it readable or remove it")


def _corrupt(file: str, error: Exception) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    if "cannot identify image file" in reason:  # Pillow adds the address of a buffer
        reason = "not an image"
    return DataError(f"cannot decode the image {file}: {reason}; replace or remove it")


def _batches(chosen: NDArray[np.int64], shape: Shape) -> list[NDArray[np.int64]]:
    step = max(1, min(BATCH, BATCH_BYTES // (shape[0] * shape[1] * shape[2])))
    return [chosen[start : start + step] for start in range(0, len(chosen), step)]


def _threaded(
    one: Callable[[int], tuple[NDArray[np.uint8], bytes]], chosen: NDArray[np.int64], shape: Shape
) -> Iterator[Chunk]:
    """Apply `one` to each position; in order, a few batches ahead of who reads."""

    def batch(positions: NDArray[np.int64]) -> Chunk:
        images = [one(int(position)) for position in positions]
        return Chunk(np.stack([pixels for pixels, _ in images]), b"".join(content for _, content in images))

    waiting: deque[Future[Chunk]] = deque()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="decode") as pool:
        for positions in _batches(chosen, shape):
            waiting.append(pool.submit(batch, positions))
            if len(waiting) > 2 * THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
