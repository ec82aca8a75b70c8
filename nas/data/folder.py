"""Datasets that are folders of images: `folder:PATH`.

Either PATH/train/<class>/…, with or without PATH/val/<class>/… and PATH/test/<class>/…, or the classes directly
as PATH/<class>/…. Images may lie deeper in a class folder. Classes are numbered in the order of their
names. What is hidden (a leading dot) and every file that is no image by its extension is passed over. Without
test/ there is no test split: none is taken from the training images, since a study's numbers would then
change on the day that test/ is added.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nas.data.images import FileImages
from nas.data.parts import Part, Source
from nas.data.paths import Paths
from nas.errors import DataError

FOLDER = "folder:"
EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
TRAIN, VALIDATION, TEST = "train", "val", "test"


class _File(NamedTuple):
    path: str  # below the split's folder, with /
    size: int
    changed: int


def folder_source(path: Path) -> Source:
    """The image folder at `path`: lists it, and decodes nothing. Raises DataError."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(
            f"no folder {path} ({error.strerror}); {FOLDER}PATH must name one that holds train/<class>/ or <class>/"
        ) from error
    if not stat.S_ISDIR(status.st_mode):
        raise DataError(f"{path} is no folder; unpack it, and give the folder that holds train/<class>/ or <class>/")
    layout = _folders(path)
    train = path / TRAIN if TRAIN in layout else path
    if train == path and (VALIDATION in layout or TEST in layout):
        raise DataError(f"{path} has {VALIDATION}/ or {TEST}/ but no {TRAIN}/; move the class folders into {TRAIN}/")
    classes = _classes(train)
    validation = _part(path / VALIDATION, classes, complete=False) if VALIDATION in layout else None
    test = partial(_part, path / TEST, classes, complete=False) if TEST in layout else None
    return Source(_part(train, classes, complete=True), validation, test)


def _classes(folder: Path) -> tuple[str, ...]:
    classes = tuple(_folders(folder))
    if not classes:
        raise DataError(f"{folder} has no class folders; put the images of each class into {folder}/<class>/")
    if len(classes) == 1:
        raise DataError(f"{folder} has only the class {classes[0]!r}; a classifier needs at least two class folders")
    return classes


def _part(folder: Path, classes: tuple[str, ...], complete: bool) -> Part:
    """The images below `folder`, whose class folders are among `classes`; `complete`: each has images."""
    strangers = [name for name in _folders(folder) if name not in classes]
    if strangers:
        raise DataError(f"{folder / strangers[0]} is no class of the training images, which are: {_some(classes)}")
    files: list[_File] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        if not complete and not os.path.isdir(folder / name):
            continue
        found = sorted(_images(folder / name, name))
        if complete and not found:
            raise DataError(f"class folder {folder / name} has no images ({' '.join(EXTENSIONS)}); fill or remove it")
        files += found
        labels += [label] * len(found)
    if not files:
        raise DataError(f"{folder} has no images ({' '.join(EXTENSIONS)}) in class folders; fill or remove it")
    identity = _digest(f"{file.path}\t{file.size}\t{file.changed}" for file in files)
    listing = _digest(f"{file.path}\t{file.size}" for file in files)
    images = FileImages(classes, np.array(labels, np.int64), Paths(str(folder), [file.path for file in files]))
    return Part(f"folder {identity}", lambda: images, listing)


def _digest(lines: Iterable[str]) -> str:
    return blake2b("\n".join(lines).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _folders(folder: Path) -> list[str]:
    with _scan(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _images(folder: Path, below: str) -> Iterator[_File]:
    with _scan(folder) as entries:
        for entry in entries:
            path = f"{below}/{entry.name}"
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):  # a linked folder may lead back here
                yield from _images(folder / entry.name, path)
            elif entry.name.lower().endswith(EXTENSIONS):
                try:
                    status = entry.stat()
                except OSError as error:
                    raise DataError(f"cannot read {entry.path}: {error.strerror}; mend or remove it") from error
                if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, a device never ends
                    raise DataError(f"{entry.path} is no regular file; remove it")
                yield _File(path, status.st_size, status.st_mtime_ns)


def _scan(folder: Path) -> os._ScandirIterator[str]:
    try:
        return os.scandir(folder)
    except OSError as error:
        raise DataError(f"cannot list {folder}: {error.strerror}; make it readable or remove it") from error


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
