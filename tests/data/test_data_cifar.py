"""The JPEG form of CIFAR-10, as far as a few hundred of its images tell."""

from __future__ import annotations

import os
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data import DataSpec, load

REPOSITORY = Path(__file__).parents[2]
ARCHIVE = Path(os.environ.get("NAS_TEST_DATA", REPOSITORY.parent / "shared/data")) / "cifar10-jpeg.tar.xz"
EACH = 150


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first images of the first two classes."""
    if not ARCHIVE.is_file():
        pytest.skip(f"no {ARCHIVE}; NAS_TEST_DATA names the directory that has it")
    folder = tmp_path_factory.mktemp("cifar")
    taken: Counter[str] = Counter()
    with tarfile.open(ARCHIVE, "r|xz") as archive:
        for member in archive:
            parent = os.path.dirname(member.name)
            if not member.isfile() or not parent.startswith("train/") or taken[parent] == EACH:
                continue
            data = archive.extractfile(member)
            assert data is not None
            (folder / parent).mkdir(parents=True, exist_ok=True)
            (folder / member.name).write_bytes(data.read())
            taken[parent] += 1
            if sorted(taken.values()) == [EACH, EACH]:
                break
    return folder


def test_real_images(cifar: Path) -> None:
    data = load(DataSpec(f"folder:{cifar}"))
    assert data.image == (3, 32, 32)
    assert data.classes == ("airplane", "automobile")
    assert [len(data.train), len(data.validation)] == [240, 60]
    assert all(0.3 < mean < 0.7 for mean in data.mean)
    assert all(0.1 < std < 0.4 for std in data.std)
    file = sorted((cifar / "train/automobile").iterdir())[0]
    first = np.asarray(Image.open(file)).transpose(2, 0, 1)
    images = np.concatenate([data.train.images, data.validation.images])
    labels = np.concatenate([data.train.labels, data.validation.labels])
    matches = (images == first).all(axis=(1, 2, 3))
    assert labels[matches].tolist() == [1]
