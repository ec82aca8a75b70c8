"""The datasets known by name: scikit-learn's digits, which need no network, and five of torchvision's."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.data.images import ArrayImages
from nas.data.parts import Part, Source
from nas.data.splits import choose
from nas.errors import DataError

DIGITS_TEST = 0.2  # scikit-learn publishes no test split: these images never leave theirs
DIGITS_SEED = 1797
NETWORK_SECONDS = 20.0


@dataclass(frozen=True)
class Published:
    """A dataset of torchvision: its class there, how it names a split, and where its files lie below the root."""

    type: str
    files: str
    split: Callable[[bool], dict[str, object]] = lambda train: {"train": train}


TORCHVISION = {
    "mnist": Published("MNIST", "MNIST/raw/*-ubyte.gz"),
    "fashion_mnist": Published("FashionMNIST", "FashionMNIST/raw/*-ubyte.gz"),
    "cifar10": Published("CIFAR10", "cifar-10-python.tar.gz"),
    "cifar100": Published("CIFAR100", "cifar-100-python.tar.gz"),
    "svhn": Published("SVHN", "{train,test}_32x32.mat", lambda train: {"split": "train" if train else "test"}),
}


def digits_source(root: Path) -> Source:
    """1,797 grey images of 8×8, 16 grey levels scaled to 0…255; a fixed stratified 20 % of them are the test split."""
    return Source(
        Part("digits train", partial(_digits, train=True)),
        None,
        lambda: Part("digits test", partial(_digits, train=False)),
    )


def torchvision_source(name: str, root: Path) -> Source:
    """A dataset of `TORCHVISION`, downloaded into `root` on first use."""
    return Source(
        Part(f"{name} train", partial(_torchvision, name, root, train=True)),
        None,
        lambda: Part(f"{name} test", partial(_torchvision, name, root, train=False)),
    )


DATASETS: dict[str, Callable[[Path], Source]] = {
    "digits": digits_source,
    **{name: partial(torchvision_source, name) for name in TORCHVISION},
}


def _digits(train: bool) -> ArrayImages:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    labels = bunch.target.astype(np.int64)
    classes = tuple(str(name) for name in bunch.target_names)
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    kept, held = choose(labels, classes, fraction=1, validation=DIGITS_TEST, seed=DIGITS_SEED)
    chosen = kept if train else held
    return ArrayImages(classes, labels[chosen], pixels[chosen])


def _torchvision(name: str, root: Path, train: bool) -> ArrayImages:
    published = TORCHVISION[name]
    try:
        from torchvision import datasets
    except ImportError as error:
        raise DataError(f"dataset {name!r} needs torchvision; install it ({error})") from error
    try:
        with _impatient():
            data = getattr(datasets, published.type)(root, **published.split(train), download=True)
    # torchvision raises RuntimeError when mirrors fail or a checksum is wrong; URLError and timeouts are OSError
    except (OSError, RuntimeError, HTTPException) as error:
        reason = " ".join(str(error).split()).rpartition("got: ")[2]  # of several mirrors, the last
        raise DataError(
            f"cannot get {name} ({reason}); with no network, put {published.files} into {root}, "
            "or set root or NAS_DATA to the directory that has it"
        ) from error
    labels = np.asarray(data.targets if hasattr(data, "targets") else data.labels, np.int64)
    classes = tuple(data.classes) if hasattr(data, "classes") else tuple(map(str, range(int(labels.max()) + 1)))
    return ArrayImages(classes, labels, _channels_first(np.asarray(data.data)))


def _channels_first(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """N,C,H,W of what torchvision holds as N,H,W or N,H,W,3 or N,3,H,W."""
    if pixels.ndim == 3:
        return pixels[:, None]
    return pixels if pixels.shape[1] == 3 else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


@contextmanager
def _impatient() -> Iterator[None]:
    """Give up on a silent server: torchvision sets no timeout of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(before or NETWORK_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
