"""Decoded arrays on disk: written once, by one process, and memory-mapped by all.

An entry is the directory `ROOT/decoded/ADDRESS` with `images.npy`, `labels.npy` and `facts.json`. It is
written under another name and renamed when it is complete, so it is there entirely or not at all. A lock keeps
processes that start together from decoding the same images; where the file system has no locks they all decode,
and the first to rename wins. Any entry may be deleted at any time: it is decoded anew.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from nas.data.images import Shape
from nas.errors import DataError

FORMAT = 1  # raise it when the same images would be stored otherwise
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Entry:
    """Decoded images (uint8 N,C,H,W, memory-mapped), their labels (int64 N), and what was noted about them."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    facts: Mapping[str, Any]


class Writer:
    """Writes one entry; images go straight to the file, so that they need not fit in memory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(
        self,
        shape: Shape,
        labels: NDArray[np.int64],
        chunks: Iterable[NDArray[np.uint8]],
        facts: Callable[[], Mapping[str, Any]],
    ) -> None:
        """Write the images of `chunks`, as many as there are labels; `facts` is asked after the last."""
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(labels), *shape)}
        # A mapped file would be faster to write, but a full disk would then kill the process (SIGBUS).
        with open(self._directory / "images.npy", "wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for chunk in chunks:
                file.write(np.ascontiguousarray(chunk).data)
        np.save(self._directory / "labels.npy", labels)
        (self._directory / "facts.json").write_text(json.dumps(facts()))


def address(*parts: object) -> str:
    """The name of the entry that these JSON values identify."""
    return blake2b(json.dumps([FORMAT, *parts]).encode(), digest_size=16).hexdigest()


class Cache:
    """The entries below a data root."""

    def __init__(self, root: Path) -> None:
        self._directory = root / "decoded"

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (self._directory / name).is_dir()

    def entry(self, name: str, write: Callable[[Writer], None]) -> Entry:
        """The entry of that address; `write` is called if there is none. Raises DataError."""
        path = self._directory / name
        try:
            if not path.is_dir():
                self._make(path, write)
        except OSError as error:
            raise DataError(
                f"cannot write decoded images to {self._directory}: {error.strerror or error}; "
                "set root or NAS_DATA to a directory that is writable and has room"
            ) from error
        return _read(path)

    def _make(self, path: Path, write: Callable[[Writer], None]) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        with _lock(path.with_suffix(".lock")) as alone:
            if path.is_dir():
                return
            if alone:
                for left in self._directory.glob(f"{path.name}.*.partial"):  # by a process that was killed
                    shutil.rmtree(left, ignore_errors=True)
            partial = path.with_suffix(f".{uuid4().hex}.partial")
            partial.mkdir()
            start = time.perf_counter()
            try:
                write(Writer(partial))
                _publish(partial, path)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
            log.info("decoded images into %s in %.1f s", path, time.perf_counter() - start)


def _publish(partial: Path, path: Path) -> None:
    try:
        partial.rename(path)
    except OSError:
        if not path.is_dir():  # else another process was first, and its entry is as good
            raise


def _read(path: Path) -> Entry:
    try:
        # Copy on write: PyTorch wants writable arrays, and whoever writes to one spoils only his own copy.
        images = np.load(path / "images.npy", mmap_mode="c")
        labels = np.load(path / "labels.npy")
        facts = json.loads((path / "facts.json").read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"the decoded images in {path} cannot be used ({error}); delete that directory") from error
    return Entry(images, labels, facts)


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Hold a file's lock, which ends with the process; False where the file system has none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            log.warning("no lock on %s (%s); several processes may decode the same images", path, error)
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
