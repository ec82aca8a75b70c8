from __future__ import annotations

import socket
import struct
import time
from http.client import IncompleteRead
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest

from nas.data import DataSpec, load
from nas.data.sources import TORCHVISION
from nas.errors import DataError

datasets = pytest.importorskip("torchvision.datasets")


class _Fake:
    """What torchvision's classes have in common; 40 images, two of each label per split."""

    made: list[dict[str, object]]

    def __init__(self, root: Path, download: bool, **split: object) -> None:
        type(self).made.append({"root": root, "download": download, **split})
        rng = np.random.default_rng(sum(map(ord, str(split))))
        self.data = rng.integers(0, 256, (40, 32, 32, 3), np.uint8)
        self.targets = [i % 10 for i in range(40)]
        self.classes = [f"class {i}" for i in range(10)]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[_Fake]:
    _Fake.made = []
    monkeypatch.setattr(datasets, "CIFAR10", _Fake)
    return _Fake


def test_every_name_exists_in_torchvision() -> None:
    for published in TORCHVISION.values():
        assert callable(getattr(datasets, published.type))


def test_the_test_split_is_not_even_opened_by_load(fake: type[_Fake], root: Path) -> None:
    data = load(DataSpec("cifar10"))
    assert fake.made == [{"root": root, "download": True, "train": True}]
    assert data.image == (3, 32, 32)
    assert data.classes[3] == "class 3"
    test = data.test()
    assert fake.made[1:] == [{"root": root, "download": True, "train": False}]
    expected = fake(root, True, train=False).data.transpose(0, 3, 1, 2)
    assert (test.images == expected).all()
    assert test.labels.tolist() == [i % 10 for i in range(40)]


def test_a_second_load_needs_no_torchvision(fake: type[_Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    key = load(DataSpec("cifar10")).key
    monkeypatch.delattr(datasets, "CIFAR10")
    assert load(DataSpec("cifar10")).key == key


def test_pytorch_takes_the_arrays_without_a_warning_or_a_copy(fake: type[_Fake]) -> None:
    import torch

    images = load(DataSpec("cifar10")).train.images
    assert torch.from_numpy(images).data_ptr() == images.ctypes.data


def test_mnist_as_torchvision_reads_it(root: Path) -> None:
    rng = np.random.default_rng(0)
    raw = root / "MNIST/raw"
    raw.mkdir(parents=True)
    images = {}
    for split, count in (("train", 40), ("t10k", 20)):
        images[split] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        (raw / f"{split}-images-idx3-ubyte").write_bytes(
            struct.pack(">4i", 2051, count, 28, 28) + images[split].tobytes()
        )
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + labels.tobytes())
    data = load(DataSpec("mnist", validation=0))
    assert data.image == (1, 28, 28)
    assert len(data.classes) == 10
    assert (data.train.images[:, 0] == images["train"]).all()
    assert (data.test().images[:, 0] == images["t10k"]).all()
    assert data.test().labels.tolist() == [i % 10 for i in range(20)]


def test_svhn_as_torchvision_reads_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat

    root.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 40), np.uint8)
    digits = (np.arange(40) % 10)[:, None]
    savemat(root / "train_32x32.mat", {"X": pixels, "y": np.where(digits == 0, 10, digits).astype(np.uint8)})
    monkeypatch.setattr(datasets.SVHN, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.svhn.download_url", lambda *arguments: None)
    data = load(DataSpec("svhn", validation=0))
    assert data.classes == tuple("0123456789")
    assert (data.train.images == pixels.transpose(3, 2, 0, 1)).all()
    assert data.train.labels.tolist() == [i % 10 for i in range(40)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (URLError("no address"), "<urlopen error no address>"),
        (TimeoutError("timed out"), "timed out"),
        (IncompleteRead(b"", 9), "IncompleteRead"),
        (RuntimeError("Error downloading x:\nTried there, got:\n<urlopen error gone>\n"), "(<urlopen error gone>)"),
    ],
)
def test_no_network(monkeypatch: pytest.MonkeyPatch, root: Path, error: Exception, reason: str) -> None:
    def offline(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(datasets, "CIFAR10", offline)
    with pytest.raises(DataError) as caught:
        load(DataSpec("cifar10"))
    message = str(caught.value)
    assert message.startswith("cannot get cifar10 (")
    assert reason in message
    assert f"put cifar-10-python.tar.gz into {root}, or set root or NAS_DATA" in message
    assert "\n" not in message


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real socket that accepts and never answers; torchvision itself would wait for ever."""
    monkeypatch.setattr("nas.data.sources.NETWORK_SECONDS", 0.2)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(datasets.CIFAR10, "url", f"http://127.0.0.1:{server.getsockname()[1]}/cifar.tar.gz")
        start = time.monotonic()
        with pytest.raises(DataError, match=r"cannot get cifar10 \(.*timed out"):
            load(DataSpec("cifar10"))
        assert time.monotonic() - start < 10
    assert socket.getdefaulttimeout() is None
