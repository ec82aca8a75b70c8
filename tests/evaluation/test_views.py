"""What a network is shown: sizes, crops, mirror images; pixels as torchvision prepares them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_cases import folder, picture
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

from nas.data import DataSpec
from nas.data.images import FileImages
from nas.errors import EvaluationError
from nas.evaluation.pictures import Pictures, read_pictures
from nas.evaluation.views import Look, Native, Prepared, Views

SQUARE = Native(3, (224, 224), mirror=True)


def test_ten_crops_are_the_corners_and_the_centre_and_their_mirror_images() -> None:
    image = torch.arange(36.0).reshape(1, 1, 6, 6)
    ten = list(Look(Prepared(1, 6, 6), crop=4, mirror=True).cut(image))
    assert len(ten) == Look(Prepared(1, 6, 6), crop=4, mirror=True).views == 10
    assert [int(view[0, 0, 0, 0]) for view in ten[::2]] == [0, 2, 12, 14, 7]  # the corners, then the centre
    for upright, mirrored in zip(ten[::2], ten[1::2], strict=True):
        assert upright.shape == (1, 1, 4, 4)
        assert torch.equal(mirrored, upright.flip(-1))


@pytest.mark.parametrize(
    ("views", "native", "expected"),
    [
        (Views(), SQUARE, [(0, 0, 0, 1)]),
        (Views(resize=256), SQUARE, [(256, 224, 0, 1)]),
        (Views(crop=192), SQUARE, [(192, 192, 0, 1)]),
        (Views(mirror=True), SQUARE, [(0, 0, 0, 2)]),
        (Views("ten"), SQUARE, [(256, 256, 224, 10)]),
        (Views("ten", mirror=False), SQUARE, [(256, 256, 224, 5)]),
        (Views("ten"), Native(3, (8, 8)), [(9, 9, 8, 5)]),
        (Views("dense"), SQUARE, [(256, 0, 0, 2)]),
        (Views("dense", resize=384), SQUARE, [(384, 0, 0, 2)]),
        (Views("multi-scale"), SQUARE, [(224, 0, 0, 2), (256, 0, 0, 2), (288, 0, 0, 2)]),
        (Views("multi-scale", scales=(256, 512)), SQUARE, [(256, 0, 0, 2), (512, 0, 0, 2)]),
        (Views(), Native(3, (224, 224), 232), [(232, 224, 0, 1)]),  # ported weights, as their library prepares
        (Views(resize=256), Native(3, (224, 224), 232), [(256, 224, 0, 1)]),
        (Views(), Native(1, (20, 30)), [(0, 0, 0, 1)]),
    ],
)
def test_sizes_and_mirror_images_are_the_networks_own_unless_asked(
    views: Views, native: Native, expected: list[tuple[int, int, int, int]]
) -> None:
    looks = views.looks(native)
    assert [(look.prepared.short, look.prepared.square, look.crop, look.views) for look in looks] == expected
    assert all(look.dense == (views.kind in ("dense", "multi-scale")) for look in looks)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Views("tne"), "did you mean 'ten'"),
        (lambda: Views(crop=0), "crop 0"),
        (lambda: Views("dense", crop=5), "whole images"),
        (lambda: Views("ten", scales=(5,)), "multi-scale views only"),
        (lambda: Views("multi-scale", resize=5), "take scales"),
        (lambda: Views(resize=200).looks(SQUARE), "raise resize"),
        (lambda: Views("ten").looks(Native(1, (20, 30))), "20×30"),
    ],
)
def test_sizes_that_do_not_go_together_are_one_line(make: object, word: str) -> None:
    with pytest.raises(EvaluationError, match=word) as refused:
        make()  # type: ignore[operator]
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("size", [(61, 40), (40, 61), (33, 33), (97, 35)])
@pytest.mark.parametrize(("resize", "crop", "how"), [(32, 24, "bilinear"), (37, 32, "bicubic")])
def test_pixels_are_those_of_torchvisions_preset(
    tmp_path: Path, size: tuple[int, int], resize: int, crop: int, how: str
) -> None:
    image = picture(*size, seed=4)
    image.save(tmp_path / "one.png")
    preset = ImageClassification(
        crop_size=crop, resize_size=resize, mean=(0.0,) * 3, std=(1.0,) * 3, interpolation=InterpolationMode(how)
    )
    expected = (255 * preset(image)).round().to(torch.uint8)
    pictures = Pictures(FileImages(("a", "b"), np.array([1]), [str(tmp_path / "one.png")]), np.arange(1))
    way = Prepared(3, resize, crop, how)
    (chunk,) = pictures.chunks([way], 4)
    assert np.array_equal(chunk.pixels[way][0], expected.numpy())
    assert chunk.labels.tolist() == [1]


def test_images_come_in_order_in_chunks_of_all_sizes(tmp_path: Path) -> None:
    pictures = read_pictures(DataSpec(f"folder:{folder(tmp_path, ('ant', 'bee'))}"), "test")
    whole, fitted = Prepared(3, 20), Prepared(1, fitted=(8, 8))
    chunks = list(pictures.chunks([whole, fitted], 4))
    assert [len(chunk.labels) for chunk in chunks] == [4, 2]
    assert np.concatenate([chunk.labels for chunk in chunks]).tolist() == [0, 0, 0, 1, 1, 1]
    assert chunks[0].pixels[whole][2].shape == (3, 20, 27)  # of 46 × 34 pixels, rounded down
    assert chunks[0].pixels[fitted][2].shape == (1, 8, 8)


def test_a_split_is_what_a_search_holds_out(tmp_path: Path) -> None:
    from nas.data import load

    root = folder(tmp_path / "images", ("ant", "bee"), ("train",), each=5)
    spec = DataSpec(f"folder:{root}", root=str(tmp_path / "cache"), seed=3, image_size=16)
    way = Prepared(3, fitted=(16, 16))
    data = load(spec)
    for split, expected in (("validation", data.validation), ("train", data.train)):
        (chunk,) = read_pictures(spec, split).chunks([way], 100)
        assert np.array_equal(np.stack(chunk.pixels[way]), expected.images)
        assert np.array_equal(chunk.labels, expected.labels)
    assert len(read_pictures(DataSpec(f"folder:{root}/train"), "all")) == 10


@pytest.mark.parametrize(
    ("name", "split", "word"),
    [
        ("folder", "test", "no test split .* --split validation"),
        ("folder", "all", "has splits"),
        ("folder", "tset", "did you mean 'test'"),
        ("digits", "all", "class folders"),
    ],
)
def test_a_split_that_there_is_not_is_one_line(tmp_path: Path, name: str, split: str, word: str) -> None:
    root = folder(tmp_path, ("ant", "bee"), ("train",))
    spec = DataSpec(f"folder:{root}" if name == "folder" else name)
    with pytest.raises(EvaluationError, match=word):
        read_pictures(spec, split)
