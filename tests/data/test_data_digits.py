from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import nas
from nas.data import Dataset, DataSpec, load


def _set(images: np.ndarray) -> list[bytes]:
    return sorted(image.tobytes() for image in images)


def test_digits_are_whole_and_right() -> None:
    data = load(DataSpec("digits"))
    test = data.test()
    assert data.image == (1, 8, 8)
    assert data.classes == tuple("0123456789")
    for split in (data.train, data.validation, test):
        assert split.images.dtype == np.uint8
        assert split.images.shape == (len(split), 1, 8, 8)
        assert split.labels.dtype == np.int64
    assert [len(data.train), len(data.validation), len(test)] == [1151, 287, 359]
    # together they are the published images, each with its label, none twice and none lost
    images = np.concatenate([data.train.images, data.validation.images, test.images])[:, 0]
    labels = np.concatenate([data.train.labels, data.validation.labels, test.labels])
    published = load_digits()
    pairs = zip(np.rint(published.images * 255 / 16).astype(np.uint8), published.target, strict=True)
    assert sorted((i.tobytes(), int(n)) for i, n in pairs) == sorted(
        (image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)
    )


def test_every_split_is_stratified() -> None:
    data = load(DataSpec("digits"))
    for split in (data.train, data.validation, data.test()):
        share = np.bincount(split.labels, minlength=10) / len(split)
        assert (abs(share - 0.1) < 0.01).all()


def test_the_test_split_depends_on_nothing() -> None:
    one = load(DataSpec("digits")).test()
    other = load(DataSpec("digits", fraction=0.3, validation=0.3, seed=9)).test()
    assert (one.images == other.images).all()
    assert (one.labels == other.labels).all()


def test_mean_and_std_are_those_of_the_training_images() -> None:
    data = load(DataSpec("digits"))
    unit = data.train.images / 255
    assert data.mean == pytest.approx([unit.mean()])
    assert data.std == pytest.approx([unit.std()])


def test_fraction() -> None:
    data = load(DataSpec("digits", fraction=0.1))
    assert len(data.train) + len(data.validation) == pytest.approx(144, abs=3)
    whole = load(DataSpec("digits"))
    assert set(_set(data.train.images)) <= set(_set(whole.train.images))
    assert set(_set(data.validation.images)) <= set(_set(whole.validation.images))


def test_no_validation_is_an_empty_split() -> None:
    data = load(DataSpec("digits", validation=0))
    assert len(data.train) == 1438
    assert data.validation.images.shape == (0, 1, 8, 8)


def test_image_size() -> None:
    data = load(DataSpec("digits", image_size=16))
    small = load(DataSpec("digits"))
    assert data.image == (1, 16, 16)
    assert data.test().images.shape == (359, 1, 16, 16)
    assert data.mean == pytest.approx(small.mean, abs=0.02)
    assert (data.train.labels == small.train.labels).all()


def _key(**fields: object) -> str:
    return load(DataSpec.from_json({"name": "digits", **fields})).key


def test_the_key_reads_well() -> None:
    assert _key(image_size=16, fraction=0.5, validation=0.25, seed=4).startswith("digits-16px-f0.5-v0.25-s4-")
    assert _key().startswith("digits-8px-v0.2-s0-")
    assert len(_key()) == len("digits-8px-v0.2-s0-3fa9c1d2")


@pytest.mark.parametrize(
    "fields", [{"seed": 1}, {"fraction": 0.5}, {"validation": 0.3}, {"image_size": 12}, {"validation": 0.1000001}]
)
def test_the_key_changes_with(fields: dict[str, object]) -> None:
    assert _key(**fields) != _key()


def test_the_key_is_the_same_in_another_process_and_root(tmp_path: Path) -> None:
    code = "import sys; from nas.data import *; print(load(DataSpec('digits')).key)"
    environment = {"NAS_DATA": str(tmp_path / "other"), "PYTHONPATH": str(Path(nas.__file__).parents[1])}
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == _key()


def test_arrays_can_be_written_to_without_harm() -> None:
    """PyTorch warns of arrays that are read-only; a write must not reach the cache."""
    data = load(DataSpec("digits"))
    assert data.train.images.flags.writeable
    before = data.train.images[0].copy()
    data.train.images[0] = 255 - before
    assert (load(DataSpec("digits")).train.images[0] == before).all()


def test_a_dataset_made_by_hand_has_no_test_split() -> None:
    data = load(DataSpec("digits"))
    made = Dataset("mine", "mine-1", data.image, data.classes, data.train, data.validation, data.mean, data.std)
    assert data.has_test
    assert not made.has_test
