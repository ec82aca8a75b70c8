"""Folders whose images stay in their files: the same images, labels and splits as those that are decoded once."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data import Dataset, DataSpec, capacity, load, loading
from nas.data.images import FileImages
from nas.data.paths import Paths
from nas.data.streamed import StreamedImages
from nas.errors import DataError

MakeFolder = Callable[..., Path]


def _both(folder: Path, **fields: object) -> tuple[Dataset, Dataset]:
    """The folder decoded, and streamed."""
    spec = DataSpec.from_json({"name": f"folder:{folder}", **fields})
    return load(replace(spec, streamed=False)), load(replace(spec, streamed=True))


@pytest.mark.parametrize(
    "fields",
    [{}, {"image_size": 5}, {"image_size": 20, "fraction": 0.5}, {"validation": 0}, {"seed": 7, "validation": 0.4}],
    ids=str,
)
def test_images_labels_and_statistics_are_those_of_the_decoded_folder(
    make_folder: MakeFolder, fields: dict[str, object]
) -> None:
    decoded, streamed = _both(make_folder(train=10, test=3, size=(12, 9)), **fields)
    for name in ("image", "classes", "mean", "std"):
        assert getattr(streamed, name) == getattr(decoded, name)
    for a, b in ((decoded.train, streamed.train), (decoded.validation, streamed.validation)):
        assert isinstance(b.images, StreamedImages)
        assert b.images.shape == a.images.shape
        assert b.images.nbytes == a.images.nbytes
        assert len(b) == len(b.images) == len(a)
        assert np.array_equal(a.images, b.images[:])
        assert np.array_equal(a.labels, b.labels)
    which = np.array([3, 0, 3])
    assert np.array_equal(decoded.train.images[which], streamed.train.images[which])
    assert np.array_equal(decoded.test().images, streamed.test().images[:])
    assert isinstance(streamed.test().images, StreamedImages)


def test_a_published_validation_split(make_folder: MakeFolder) -> None:
    decoded, streamed = _both(make_folder(train=4, val=2))
    assert np.array_equal(decoded.validation.images, streamed.validation.images[:])
    assert streamed.validation.labels.tolist() == [0, 0, 1, 1]
    assert re.fullmatch(r"folder-streamed-8px-val-s0-[0-9a-f]{8}", streamed.key)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_photographs_are_scaled_alike(make_folder: MakeFolder, mode: str) -> None:
    folder = make_folder(train=4, size=(90, 70), mode=mode)
    for file in folder.glob("train/*/*.png"):
        Image.open(file).save(file.with_suffix(".jpg"), quality=90)
        file.unlink()
    decoded, streamed = _both(
        folder, image_size=16
    )  # a quarter of 70 and less: JPEG files are decoded at a lower scale
    assert streamed.image == (1 if mode == "L" else 3, 16, 16)
    assert np.array_equal(decoded.train.images, streamed.train.images[:])


def test_loading_decodes_a_sample_once(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "SAMPLED", 6)
    decoded: list[str] = []
    decode = FileImages._decoded

    def spy(self: FileImages, file: str, shape: tuple[int, int, int]) -> tuple[np.ndarray, bytes]:
        decoded.append(file)
        return decode(self, file, shape)

    monkeypatch.setattr(FileImages, "_decoded", spy)
    spec = DataSpec(f"folder:{make_folder(train=20)}", streamed=True)
    data = load(spec)
    assert len(set(decoded)) == len(decoded) == 6
    assert {Path(file).parent.name for file in decoded} == {"cat", "dog"}
    sample = data.train.images[np.array([0, 6, 12, 19, 25, 31])]
    assert data.mean == pytest.approx(sample.mean(axis=(0, 2, 3)) / 255)
    assert data.std == pytest.approx(sample.std(axis=(0, 2, 3)) / 255)
    decoded.clear()
    again = load(spec)
    assert (again.mean, again.std, again.key) == (data.mean, data.std, data.key)
    assert not decoded


# ---- the fingerprint


def test_the_key_is_made_of_names_and_sizes(make_folder: MakeFolder) -> None:
    folder = make_folder(train=5, test=1)

    def key(**fields: object) -> str:
        return _both(folder, **fields)[1].key

    first = key()
    assert re.fullmatch(r"folder-streamed-8px-v0\.2-s0-[0-9a-f]{8}", first)
    os.utime(folder / "train/cat/000.png", (1, 1))
    assert key() == first
    shutil.copytree(folder, folder.with_name("copy"))
    assert _both(folder.with_name("copy"))[1].key == first
    changed = {key(seed=1), key(fraction=0.8), key(validation=0.4), key(image_size=4)}
    with open(folder / "train/cat/000.png", "ab") as file:
        file.write(b"\0")
    changed.add(key())
    (folder / "train/cat/000.png").rename(folder / "train/cat/0000.png")
    changed.add(key())
    assert len(changed | {first}) == 7


# ---- what is streamed


def test_the_size_decides(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = DataSpec(f"folder:{make_folder(train=16, val=4, size=(64, 32))}")
    size = 2 * (16 + 4) * 3 * 64 * 32

    def streams(limit: int) -> bool:
        monkeypatch.setenv("NAS_DECODED_LIMIT", repr(limit / 2**30))
        return isinstance(load(spec).train.images, StreamedImages)

    assert [streams(limit) for limit in (0, size - 1, size, 2 * size)] == [True, True, False, False]
    assert not isinstance(load(replace(spec, streamed=False)).train.images, StreamedImages)
    assert isinstance(load(replace(spec, streamed=True)).train.images, StreamedImages)


def test_by_default_half_of_the_memory_or_of_the_disk(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    monkeypatch.delenv("NAS_DECODED_LIMIT", raising=False)
    monkeypatch.setattr(capacity, "_free_disk", lambda place: 1000)
    assert capacity.usual_limit(root) == 500
    spec = DataSpec(f"folder:{make_folder(train=4)}")
    assert isinstance(load(spec).train.images, StreamedImages)
    monkeypatch.undo()
    monkeypatch.setenv("NAS_DATA", str(root))
    assert 2**28 < capacity.usual_limit(root) <= shutil.disk_usage(root).free
    assert not isinstance(load(spec).train.images, StreamedImages)
    # Decoded images are used even if they have left little room: a resumed study keeps its key.
    monkeypatch.setattr(capacity, "_free_disk", lambda place: 1000)
    assert not isinstance(load(spec).train.images, StreamedImages)
    monkeypatch.setenv("NAS_DECODED_LIMIT", "0")
    assert isinstance(load(spec).train.images, StreamedImages)


def test_a_dataset_by_name_is_never_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_DECODED_LIMIT", "0")
    assert isinstance(load(DataSpec("digits")).train.images, np.ndarray)
    with pytest.raises(DataError, match=r"only folder:PATH can be streamed, got 'digits'; leave streamed out"):
        DataSpec("digits", streamed=True)


@pytest.mark.parametrize("value", ["-1", "all", "nan", "inf", "5G"])
def test_a_limit_that_is_none(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("NAS_DECODED_LIMIT", value)
    with pytest.raises(DataError, match=rf"NAS_DECODED_LIMIT must be a number of GiB, .*, got '{value}'"):
        load(DataSpec(f"folder:{make_folder(train=2)}"))


@pytest.mark.parametrize("value", [1, "yes"])
def test_streamed_is_true_or_false(value: object) -> None:
    with pytest.raises(DataError, match=rf"streamed must be true, false, or null .*, got {value!r}"):
        DataSpec.from_json({"name": "folder:pets", "streamed": value})


# ---- names


def test_paths_are_what_was_put_in() -> None:
    names = ["a/ö.png", "a/\udcff.png", "", "b/c d.jpg"]
    paths = Paths("/data", names)
    assert list(paths) == [f"/data/{name}" for name in names]
    assert paths[-1] == "/data/b/c d.jpg"
    assert paths[1:3] == ["/data/a/\udcff.png", "/data/"]
    with pytest.raises(IndexError):
        paths[4]
