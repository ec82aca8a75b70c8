from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data import Dataset, DataSpec, load
from nas.data.images import FileImages
from nas.errors import DataError

MakeFolder = Callable[..., Path]


def _load(folder: Path, **fields: object) -> Dataset:
    return load(DataSpec.from_json({"name": f"folder:{folder}", **fields}))


def _set(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


def _files(*folders: Path) -> set[bytes]:
    return {
        np.asarray(Image.open(file)).transpose(2, 0, 1).tobytes()
        for folder in folders
        for file in folder.glob("**/*.png")
    }


def test_train_and_test(make_folder: MakeFolder) -> None:
    folder = make_folder(train=10, test=3)
    data = _load(folder)
    assert data.image == (3, 8, 8)
    assert data.classes == ("cat", "dog")
    assert [len(data.train), len(data.validation)] == [16, 4]
    assert _set(data.train.images) | _set(data.validation.images) == _files(folder / "train")
    assert _set(data.test().images) == _files(folder / "test")
    assert data.test().labels.tolist() == [0, 0, 0, 1, 1, 1]
    dogs = data.train.images[data.train.labels == 1]
    assert _set(dogs) <= _files(folder / "train/dog")
    assert re.fullmatch(r"folder-8px-v0\.2-s0-[0-9a-f]{8}", data.key)


def test_val_is_the_validation_split(make_folder: MakeFolder) -> None:
    folder = make_folder(train=4, val=2, test=1)
    data = _load(folder)
    assert _set(data.train.images) == _files(folder / "train")
    assert _set(data.validation.images) == _files(folder / "val")
    assert data.validation.labels.tolist() == [0, 0, 1, 1]
    assert re.fullmatch(r"folder-8px-val-s0-[0-9a-f]{8}", data.key)
    (folder / "val/cat/000.png").unlink()
    assert _load(folder).key != data.key


def test_classes_directly_in_the_folder(make_folder: MakeFolder) -> None:
    folder = make_folder(direct=10)
    data = _load(folder)
    assert [len(data.train), len(data.validation)] == [16, 4]
    assert not data.has_test
    with pytest.raises(DataError, match=r"pets has no test split; put images .* into test/<class>/"):
        data.test()


def test_layouts_with_the_same_images_have_the_same_key(make_folder: MakeFolder) -> None:
    assert _load(make_folder("one", direct=5)).key == _load(make_folder("two", train=5, test=1)).key


def test_a_relative_path_and_a_home(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(train=3)
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    keys = {load(DataSpec(f"folder:{name}")).key for name in ("pets", "./pets/", "~/pets", folder)}
    assert len(keys) == 1


def test_what_is_no_image_is_passed_over(make_folder: MakeFolder) -> None:
    folder = make_folder(train=4)
    key = _load(folder).key
    for name in (".DS_Store", "Thumbs.db", "notes.txt", "._000.png"):
        (folder / "train/cat" / name).write_text("no image")
    (folder / "train/README.txt").write_text("no class")
    (folder / "train/.git").mkdir()
    (folder / "train/cat/.thumbnails").mkdir()
    shutil.copy(folder / "train/cat/000.png", folder / "train/cat/.thumbnails/000.png")
    assert _load(folder).key == key


def test_images_may_lie_deeper_and_be_upper_case(make_folder: MakeFolder) -> None:
    folder = make_folder(train=4)
    (folder / "train/cat/more").mkdir()
    (folder / "train/cat/000.png").rename(folder / "train/cat/more/000.PNG")
    (folder / "train/cat/more/loop").symlink_to(folder / "train/cat")
    data = _load(folder)
    assert len(data.train) + len(data.validation) == 8


def test_a_fraction_decodes_only_its_own(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(train=20)
    decoded: list[str] = []
    decode = FileImages._decoded

    def spy(self: FileImages, file: str, shape: tuple[int, int, int]) -> tuple[np.ndarray, bytes]:
        decoded.append(file)
        return decode(self, file, shape)

    monkeypatch.setattr(FileImages, "_decoded", spy)
    data = _load(folder, fraction=0.25)
    assert len(decoded) == len(set(decoded)) == 10
    assert [len(data.train), len(data.validation)] == [8, 2]


def test_the_test_split_is_not_decoded_by_load(make_folder: MakeFolder) -> None:
    folder = make_folder(train=4, test=1)
    (folder / "test/cat/000.png").write_bytes(b"broken")
    data = _load(folder)
    assert data.has_test
    with pytest.raises(DataError, match=r"test/cat/000\.png: not an image; replace or remove it"):
        data.test()


# ---- sizes and colours


def test_grey_stays_grey_when_all_are(make_folder: MakeFolder) -> None:
    folder = make_folder(train=4, test=1, mode="L")
    data = _load(folder)
    assert data.image == (1, 8, 8)
    make_folder(test=1, classes=("cat",))  # the test split follows the training images
    assert data.test().images.shape[1:] == (1, 8, 8)
    make_folder(train=1, classes=("cat",))
    assert _load(folder).image == (3, 8, 8)


def test_a_common_size_is_kept(make_folder: MakeFolder) -> None:
    data = _load(make_folder(train=4, size=(12, 6)))
    assert data.image == (3, 6, 12)
    assert data.key.startswith("folder-6x12px-")


def test_differing_sizes_become_the_median_shorter_side(make_folder: MakeFolder) -> None:
    make_folder(train=4, classes=("cat",), size=(10, 20))
    make_folder(train=4, classes=("dog",), size=(40, 12))
    make_folder(train=1, classes=("owl",), size=(50, 50))
    folder = make_folder(train=2, classes=("owl",), size=(50, 50))
    assert _load(folder).image == (3, 12, 12)


def test_differing_large_sizes_become_224(make_folder: MakeFolder) -> None:
    make_folder(train=2, classes=("cat",), size=(400, 300))
    assert _load(make_folder(train=2, classes=("dog",), size=(300, 400))).image == (3, 224, 224)


def test_the_size_does_not_depend_on_the_fraction(make_folder: MakeFolder) -> None:
    folder = make_folder(train=20)
    for i in range(20):
        Image.new("RGB", (9 + i, 9 + i)).save(folder / f"train/cat/{i:03}.png")
    sizes = {_load(folder, fraction=fraction, seed=seed).image for fraction in (0.1, 0.5, 1.0) for seed in (0, 1)}
    assert len(sizes) == 1


def test_resizing_keeps_the_centre(make_folder: MakeFolder) -> None:
    """Left third red, centre green, right third blue: a square cut of a 3:1 image is green."""
    folder = make_folder(train=2)
    pixels = np.zeros((30, 90, 3), np.uint8)
    for third in range(3):
        pixels[:, 30 * third : 30 * third + 30, third] = 255
    for name in ("wide", "wider"):
        Image.fromarray(pixels).save(folder / f"train/dog/{name}.png")
    data = _load(folder, image_size=10, validation=0)
    dogs = data.train.images[data.train.labels == 1]
    greens = dogs[(dogs[:, 1].mean(axis=(1, 2)) > 240), :, :, 1:-1]  # the filter reaches over the cut
    assert len(greens) == 2
    assert (greens[:, 1] == 255).all()
    assert (greens[:, [0, 2]] == 0).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_is_read(make_folder: MakeFolder, mode: str) -> None:
    """A uniform image of level 200 stays (about) that, whatever it is stored as."""
    folder = make_folder(train=2)
    pixels = np.full((8, 8), 200, np.uint8)
    if mode == "I;16":
        image = Image.fromarray(pixels.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(pixels).convert("RGB").convert(mode)
    assert image.mode == mode
    suffix = "tif" if mode == "CMYK" else "png"
    for i in range(2):
        (folder / f"train/dog/00{i}.png").unlink()
        image.save(folder / f"train/dog/00{i}.{suffix}")
    data = _load(folder, validation=0)
    level = data.train.images[data.train.labels == 1]
    assert level.shape == (2, 3, 8, 8)
    assert level.mean() == pytest.approx(255 if mode == "1" else 200, abs=60 if mode == "1" else 3)


def test_a_photograph_is_turned_upright(make_folder: MakeFolder) -> None:
    """EXIF 6: the camera was held so that the stored image must be turned by 90° clockwise."""
    folder = make_folder(train=2, size=(4, 8))
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, :4] = 255  # bright left half: at the top when turned
    exif = Image.Exif()
    exif[0x0112] = 6
    for i in range(2):
        (folder / f"train/dog/00{i}.png").unlink()
        Image.fromarray(pixels).save(folder / f"train/dog/00{i}.webp", exif=exif, lossless=True)
    data = _load(folder, validation=0)
    assert data.image == (3, 8, 4)
    dogs = data.train.images[data.train.labels == 1]
    assert dogs[:, :, :4].min() == 255
    assert dogs[:, :, 4:].max() == 0


def test_a_uniform_channel_has_a_std_to_divide_by(make_folder: MakeFolder) -> None:
    folder = make_folder(train=2)
    for file in folder.glob("train/*/*.png"):
        Image.new("RGB", (8, 8), (255, 0, 51)).save(file)
    data = _load(folder)
    assert data.mean == pytest.approx((1, 0, 0.2))
    assert data.std == (1 / 255,) * 3


# ---- errors


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=rf"no folder {tmp_path}/missing \(No such file or directory\); folder:PATH must name"
    ):
        _load(tmp_path / "missing")


def test_an_archive_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "pets.zip").write_text("")
    with pytest.raises(DataError, match=r"pets\.zip is no folder; unpack it"):
        _load(tmp_path / "pets.zip")


def test_no_classes(make_folder: MakeFolder) -> None:
    folder = make_folder(train=1, classes=())
    (folder / "train").mkdir(parents=True)
    with pytest.raises(DataError, match=r"pets/train has no class folders; put the images .* into .*/train/<class>/"):
        _load(folder)


def test_one_class(make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match=r"pets/train has only the class 'cat'; .* at least two"):
        _load(make_folder(train=3, classes=("cat",)))


def test_an_empty_class(make_folder: MakeFolder) -> None:
    folder = make_folder(train=3)
    (folder / "train/owl").mkdir()
    (folder / "train/owl/readme.txt").write_text("")
    with pytest.raises(DataError, match=r"class folder .*/train/owl has no images \(.*\.jpg.*\); fill or remove it"):
        _load(folder)


def test_a_split_without_train(make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match=r"pets has val/ or test/ but no train/; move"):
        _load(make_folder(direct=3, test=3))


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_class_that_was_never_trained(make_folder: MakeFolder, split: str) -> None:
    folder = make_folder(train=3, **{split: 2})
    (folder / split / "owl").mkdir()
    with pytest.raises(DataError, match=rf"{split}/owl is no class of the training images, which are: cat, dog"):
        _load(folder).test()


def test_an_empty_test_folder(make_folder: MakeFolder) -> None:
    folder = make_folder(train=3)
    (folder / "test").mkdir()
    with pytest.raises(DataError, match=r"pets/test has no images"):
        _load(folder).test()


@pytest.mark.parametrize("kept", [0, 20, 120])
def test_a_corrupt_image_is_named(make_folder: MakeFolder, kept: int, root: Path) -> None:
    folder = make_folder(train=4)
    file = folder / "train/dog/002.png"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DataError, match=rf"cannot decode the image {file}: .+; replace or remove it") as caught:
        _load(folder)
    assert "\n" not in str(caught.value)
    assert not [path for path in root.glob("decoded/*") if path.is_dir()]


def test_floating_point_pixels_are_refused(make_folder: MakeFolder) -> None:
    folder = make_folder(train=4)
    Image.fromarray(np.zeros((8, 8), np.float32)).save(folder / "train/dog/x.tif")
    with pytest.raises(DataError, match=r"x\.tif: its pixels are floating-point numbers"):
        _load(folder)


def test_a_dead_link_is_named(make_folder: MakeFolder) -> None:
    folder = make_folder(train=4)
    (folder / "train/dog/gone.png").symlink_to(folder / "nowhere.png")
    with pytest.raises(DataError, match=r"cannot read .*/gone\.png: No such file or directory; mend or remove it"):
        _load(folder)


def test_a_file_that_goes_away_is_named(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(train=4)
    shape = FileImages.shape

    def meanwhile(self: FileImages, chosen: np.ndarray, size: int | None) -> tuple[int, int, int]:
        found = shape(self, chosen, size)
        (folder / "train/dog/001.png").unlink()
        return found

    monkeypatch.setattr(FileImages, "shape", meanwhile)
    with pytest.raises(DataError, match=r"cannot read .*/dog/001\.png: No such file or directory; "):
        _load(folder)


def test_too_few_to_hold_out_validation(make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match=r"class 'cat' is too small: 1 of its 1 training images"):
        _load(make_folder(train=1))
