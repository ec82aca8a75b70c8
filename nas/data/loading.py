"""`load`: from a `DataSpec` to a `Dataset`, decoding at most once.

A folder that is too large for that is streamed: its images are decoded whenever they are read, and the cache holds
only their mean and deviation.

The stored order is the training images, then the validation images, so that both splits are plain slices of one
mapped file which all processes on a machine share, however many workers train. The price is that
another seed, fraction or validation share decodes again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.data.cache import Cache, Writer, address
from nas.data.capacity import GIB, usual_limit, wanted_limit
from nas.data.count import Count
from nas.data.dataset import Dataset, Split
from nas.data.folder import FOLDER, folder_source
from nas.data.images import BATCH, Chunk, FileImages, Images, Shape
from nas.data.parts import Part, Source
from nas.data.sources import DATASETS
from nas.data.spec import DataSpec
from nas.data.splits import choose
from nas.data.streamed import StreamedImages

SAMPLED = 2048  # training images that say the mean and deviation of a streamed folder
log = logging.getLogger(__name__)


def load(spec: DataSpec) -> Dataset:
    """The dataset that `spec` names; its test split is not touched until `Dataset.test()`. Raises DataError."""
    root = spec.directory()
    source = _source(spec, root)
    official = source.validation
    share = None if official else spec.validation
    identity = (
        *(source.train.identity, official and official.identity),
        *(spec.image_size, spec.fraction, share, spec.seed),
    )
    cache = Cache(root)
    undecoded = lru_cache(partial(_undecoded, spec, source))  # reads headers, and only if it is asked for
    if _streams(spec, undecoded, address(*identity) in cache):
        return _streamed(spec, source, undecoded(), cache, identity, share)
    entry = cache.entry(address(*identity), partial(_write_training, spec, source))
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


def _streams(spec: DataSpec, undecoded: Callable[[], tuple[Split, Split]], there: bool) -> bool:
    """Whether the images stay in their files: as asked for, else by size unless decoded ones are `there`."""
    if spec.streamed is not None or not spec.name.startswith(FOLDER):
        return bool(spec.streamed)
    wanted = wanted_limit()
    if wanted is None and there:
        return False
    size = sum(split.images.nbytes for split in undecoded())
    limit = usual_limit(spec.directory()) if wanted is None else wanted
    if size > limit:
        log.info("%s takes %.1f GiB decoded, above %.1f GiB: it is streamed", spec.name, size / GIB, limit / GIB)
    return size > limit


def _undecoded(spec: DataSpec, source: Source) -> tuple[Split, Split]:
    """Training and validation images of a folder, in their files."""
    images, official, train, held = _chosen(spec, source)
    shape = _files(images).sampled_shape(spec.image_size)
    return _in_files(images, train, shape), _in_files(official or images, held, shape)


def _in_files(images: Images, chosen: NDArray[np.int64], shape: Shape) -> Split:
    return Split(StreamedImages(_files(images), chosen, shape), images.labels[chosen])


def _files(images: Images) -> FileImages:
    if not isinstance(images, FileImages):
        raise TypeError(f"only images in files can be streamed, got {type(images).__name__}")
    return images


def _streamed(
    spec: DataSpec,
    source: Source,
    splits: tuple[Split, Split],
    cache: Cache,
    identity: tuple[object, ...],
    share: float | None,
) -> Dataset:
    """A folder whose images stay in their files: what is known of them comes from names, sizes and a sample."""
    train, validation = splits
    official = source.validation
    image = train.images.shape[1:]
    entry = cache.entry(address("streamed", SAMPLED, *identity), partial(_write_sampled, train))
    classes = source.train.open().classes
    listing = (source.train.listing, official and official.listing)
    content = address("streamed", *listing, classes, image, spec.fraction, share, spec.seed)
    return Dataset(
        name=spec.name,
        key=_key(spec, image, share, content, streamed=True),
        image=image,
        classes=classes,
        train=train,
        validation=validation,
        mean=tuple(entry.facts["mean"]),
        std=tuple(entry.facts["std"]),
        read_test=None if source.test is None else partial(_stream_test, source.test, image),
    )


def _write_sampled(train: Split, writer: Writer) -> None:
    """An entry without images: mean and deviation of up to 2,048 training images, spread evenly over the classes."""
    sample = np.unique(np.linspace(0, len(train) - 1, SAMPLED).round().astype(np.int64))
    shape = train.images.shape[1:]
    count = Count(shape[0])
    for start in range(0, len(sample), BATCH):
        count.add(train.images[sample[start : start + BATCH]])
    writer.write(shape, np.empty(0, np.int64), (), lambda: {"mean": count.mean, "std": count.std})


def _stream_test(open_part: Callable[[], Part], shape: Shape) -> Split:
    images = open_part().open()
    return _in_files(images, np.arange(len(images.labels)), shape)


def _source(spec: DataSpec, root: Path) -> Source:
    if spec.name.startswith(FOLDER):
        return folder_source(Path(spec.name.removeprefix(FOLDER)))
    return DATASETS[spec.name](root)


def _key(spec: DataSpec, image: Shape, share: float | None, digest: str, streamed: bool = False) -> str:
    """Such as `digits-8px-v0.1-s0-3fa9c1d2`; without a folder's name, since a copy may be called otherwise."""
    _, height, width = image
    return "-".join(
        (
            "folder" if spec.name.startswith(FOLDER) else spec.name,
            *(["streamed"] if streamed else []),
            f"{height}px" if height == width else f"{height}x{width}px",
            *([f"f{spec.fraction:g}"] if spec.fraction < 1 else []),
            "val" if share is None else f"v{share:g}",
            f"s{spec.seed}",
            digest[:8],
        )
    )


def _chosen(spec: DataSpec, source: Source) -> tuple[Images, Images | None, NDArray[np.int64], NDArray[np.int64]]:
    """The training images, the published validation images if any, and the positions in use of each."""
    images = source.train.open()
    official = None if source.validation is None else source.validation.open()
    train, held = choose(
        images.labels,
        images.classes,
        fraction=spec.fraction,
        validation=0 if official else spec.validation,
        seed=spec.seed,
    )
    return images, official, train, np.arange(len(official.labels)) if official else held


def _write_training(spec: DataSpec, source: Source, writer: Writer) -> None:
    images, official, train, held = _chosen(spec, source)
    shape = images.shape(train if official else np.concatenate([train, held]), spec.image_size)
    labels = np.concatenate([images.labels[train], (official or images).labels[held]])
    count = Count(shape[0])
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


def _counted(chunks: Iterable[Chunk], count: Count) -> Iterator[Chunk]:
    for chunk in chunks:
        count.add(chunk.pixels)
        yield chunk


def _hashed(chunks: Iterable[Chunk], content: blake2b) -> Iterator[NDArray[np.uint8]]:
    for chunk in chunks:
        content.update(chunk.content)
        yield chunk.pixels
