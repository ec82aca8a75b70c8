"""`nas evaluate` as a person runs it: tables, JSON, ported weights, and errors of one line."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from evaluation_cases import on_digits, picture
from PIL import Image
from torch.nn import functional
from torchvision import models

from nas.cli import main

pytestmark = pytest.mark.usefixtures("one_thread")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nas", "evaluate", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return command


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> list[Path]:
    """Two checkpoints of digits."""
    paths = [tmp_path_factory.mktemp("made") / f"{seed}.safetensors" for seed in (0, 1)]
    for seed, path in enumerate(paths):
        on_digits(seed).write(path)
    return paths


def test_tables_of_networks_and_classes(run: Run, files: list[Path]) -> None:
    code, out, _ = run(*files, "--views", "multi-scale")
    assert code == 0
    assert "digits, test split: 359 images of 10 classes, multi-scale views, on cpu" in out
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows if row and row[0] in (*map(str, files), "average")] == [*map(str, files), "average"]
    start = next(i for i, row in enumerate(rows) if row[:2] == ["class", "accuracy"])
    accuracies = [float(row[1]) for row in rows[start + 1 : start + 11]]
    assert accuracies == sorted(accuracies)


def test_json_has_everything(run: Run, files: list[Path], tmp_path: Path) -> None:
    code, out, err = run(files[0], "--json", "--confusion", tmp_path / "c.csv")
    found = json.loads(out)
    assert (code, err.strip()) == (0, f"written: {tmp_path / 'c.csv'}")
    assert {*found} == {
        *("dataset", "split", "images", "classes", "views", "averaged", "top1", "top1_interval", "top5", "loss"),
        *("members", "by_class", "confusion", "device", "seconds"),
    }
    assert found["top1_interval"][0] < found["top1"] < found["top1_interval"][1]
    assert sum(images for *_, images in found["confusion"]) == found["images"] == 359
    right = sum(images for true, predicted, images in found["confusion"] if true == predicted)
    assert right == sum(each["found"] for each in found["by_class"]) == round(found["top1"] * 359)
    table = np.loadtxt(tmp_path / "c.csv", delimiter=",", skiprows=1, dtype=int)[:, 1:]
    assert table.trace() == right


@pytest.fixture(scope="module")
def ported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, torch.nn.Module]:
    """ImageNet in small: a thousand class folders, a few validation images, and a network of random weights."""
    root = tmp_path_factory.mktemp("imagenet")
    dot = root / "dot.png"
    Image.new("RGB", (8, 8)).save(dot)
    for label in range(1000):
        target = root / "data" / "train" / f"n{label:08d}"
        target.mkdir(parents=True)
        (target / "0.png").hardlink_to(dot)
    for label in (3, 500, 999):
        target = root / "data" / "val" / f"n{label:08d}"
        target.mkdir(parents=True)
        for index in range(2):
            picture(250 + 30 * index, 240, label + index).save(target / f"{index}.png")
    torch.manual_seed(0)
    theirs = models.shufflenet_v2_x0_5(weights=None).eval()
    weights = root / models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    torch.save(theirs.state_dict(), weights)
    return root / "data", weights, theirs


def test_ported_weights_score_as_in_their_library(run: Run, ported: tuple[Path, Path, Any]) -> None:
    data, weights, theirs = ported
    code, out, err = run(
        *("shufflenet_v2_x0_5", "--weights", weights, "--dataset", f"folder:{data}", "--split", "validation", "--json")
    )
    assert code == 0, err
    found = json.loads(out)
    preset = models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1.transforms()
    loss = 0.0
    for path in sorted((data / "val").rglob("*.png")):
        with Image.open(path) as image, torch.inference_mode():
            scores = theirs(preset(image.convert("RGB"))[None])
        loss += float(functional.cross_entropy(scores, torch.tensor([int(path.parent.name[1:])])))
    assert found["images"] == 6
    assert found["loss"] == pytest.approx(loss / 6, rel=1e-4)
    (member,) = found["members"]
    assert (member["release"], member["published"]) == ("IMAGENET1K_V1", {"top1": 0.60552, "top5": 0.81746})
    assert "images are prepared" not in err
    assert (member["resized"], member["crop"], member["views"]) == ([256], 224, 1)
    assert len([each for each in found["by_class"] if each["images"]]) == 3


def test_a_file_of_no_release_is_said_to_be_prepared_as_the_default(
    run: Run, ported: tuple[Path, Path, Any], tmp_path: Path
) -> None:
    data, weights, _ = ported
    own = tmp_path / "own.pth"
    own.hardlink_to(weights)
    code, out, err = run("shufflenet_v2_x0_5", "--weights", own, "--dataset", f"folder:{data}/val", "--split", "all")
    assert (code, out) == (1, "")  # three folders are not ImageNet's classes
    assert "own.pth is no release's file by its name: images are prepared as for the default release" in err
    assert "has 3 classes, shufflenet_v2_x0_5 1000" in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["absent"], "absent: no such file, and no network"),
        (["resnet50"], "give --weights"),
        (["FILE", "--weights", "IMAGENET1K_V1"], "a checkpoint has its own"),
        (["FILE", "FILE"], "given twice"),
        (["FILE", "--split", "tests"], "did you mean 'test'"),
        (["FILE", "--views", "five"], "unknown kind of views 'five'"),
        (["FILE", "--dataset", "digit"], "did you mean 'digits'"),
        (["FILE", "--dataset", "folder:/nowhere"], "no folder /nowhere"),
        (["FILE", "--device", "tpu0"], "unknown device"),
        (["FILE", "--confusion", "c.gif"], "c.gif"),
        (["BROKEN"], "not a whole .safetensors file"),
        (["PORTED", "--split", "test"], "no test split .* --split validation"),
        (["FILE", "--views", "dense", "--resize", "4"], "too small"),
    ],
)
def test_an_error_is_one_line(
    run: Run, files: list[Path], ported: tuple[Path, Path, Any], tmp_path: Path, arguments: list[str], word: str
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(files[0].read_bytes()[:-9])
    first = arguments[0]
    names = {"FILE": [files[0]], "BROKEN": [broken]}
    data, weights, _ = ported
    names["PORTED"] = ["shufflenet_v2_x0_5", "--weights", weights, "--dataset", f"folder:{data}"]
    code, out, err = run(*(part for each in arguments for part in names.get(each, [each])))
    assert (code, out) == (1, ""), (first, err)
    assert err.startswith("nas: ")
    assert err.count("\n") == 1
    assert re.search(word, err), err


def test_scales_that_are_no_numbers_are_wrong_usage(run: Run, files: list[Path]) -> None:
    code, _, err = run(files[0], "--views", "multi-scale", "--scales", "8,x")
    assert code == 2
    assert "--scales" in err
