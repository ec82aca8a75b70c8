"""A checkpoint says what it is, gives the same network back, and refuses whatever does not hold together."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nas.build import build
from nas.checkpoint import ENTRY, Checkpoint, read_checkpoint
from nas.errors import CheckpointError
from nas.recipe import Recipe
from searchspaces.resnet import cifar_resnet

NETWORK = cifar_resnet(8)
IMAGE = (3, 16, 16)


@pytest.fixture
def made() -> Checkpoint:
    module = build(NETWORK.draw(IMAGE, 4), seed=3)
    return Checkpoint(
        architecture=NETWORK,
        image=IMAGE,
        classes=("ant", "bee", "cat", "dog"),
        mean=(0.1, 0.2, 0.3),
        std=(1.0, 0.5, 0.25),
        recipe=Recipe(epochs=3),
        seed=3,
        dataset={"name": "digits"},
        data_key="digits-8px",
        source="study:3",
        weights=module.state_dict(),
        results={"test_accuracy": 0.5, "test_images": 20},
    )


def test_a_checkpoint_gives_the_same_network_and_facts_back(made: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "new" / "best.safetensors"
    made.write(path)
    found = read_checkpoint(path)
    assert found.to_json() == made.to_json()
    image = torch.randn(2, *IMAGE)
    assert torch.equal(found.module()(image), made.module()(image))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def changed(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update(fields)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (changed(format=2), "reads format 1"),
        (changed(image=[3, 16]), "channels, height and width"),
        (changed(image=[3, 0, 16]), "channels, height and width"),
        (changed(image=[3, True, 16]), "not int"),
        (changed(image=[3, 16, 10**9]), "channels, height and width"),
        (changed(classes=[]), "0 classes"),
        (changed(classes=["a", "b"]), "another architecture"),
        (changed(classes="abcd"), "not list"),
        (changed(std=[1, 1, 0]), "above 0"),
        (changed(mean=[1, 1]), "3 channels"),
        (changed(architecture={**NETWORK.to_json(), "stem": {"kind": "os.system"}}), "os.system"),
        (changed(architecture=cifar_resnet(14).to_json()), "another architecture"),
        (changed(recipe={"epochs": -1}), "epochs"),
        (changed(results={"test_accuracy": "high"}), "not a number"),
        (lambda document: document.pop("seed"), "seed"),
    ],
)
def test_a_document_that_does_not_hold_together_is_refused(
    made: Checkpoint, tmp_path: Path, change: Callable[[dict[str, Any]], object], word: str
) -> None:
    document = made.to_json()
    change(document)
    path = tmp_path / "bad.safetensors"
    save_file(dict(made.weights), path, metadata={ENTRY: json.dumps(document)})
    with pytest.raises(CheckpointError, match=word) as refused:
        read_checkpoint(path)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_what_is_no_checkpoint_is_refused(made: Checkpoint, tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.safetensors", tmp_path / "bad.safetensors"
    made.write(whole)
    for content, word in (
        (whole.read_bytes()[:-100], "not a whole"),
        (b"", "not a whole"),
        (b"\xff" * 64, "not a whole"),
        (b"\x80\x04cos\nsystem\n", "not a whole"),
    ):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=word):
            read_checkpoint(path)
    save_file({"w": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="no word of what they are"):
        read_checkpoint(path)
    with pytest.raises(CheckpointError, match="no such file"):
        read_checkpoint(tmp_path / "absent.safetensors")
    with pytest.raises(CheckpointError, match="a folder"):
        read_checkpoint(tmp_path)


def test_weights_of_another_shape_or_name_are_refused(made: Checkpoint) -> None:
    name = next(iter(made.weights))
    for weights, word in (
        ({**made.weights, name: torch.zeros(1)}, name),
        ({**made.weights, name: made.weights[name].half()}, "float16"),
        ({**made.weights, "extra": torch.zeros(1)}, "too many: 'extra'"),
        ({key: value for key, value in made.weights.items() if key != name}, "lacks"),
    ):
        with pytest.raises(CheckpointError, match=word):
            replace(made, weights=weights).module()


def test_a_file_that_cannot_be_written_leaves_nothing(made: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        made.write(tmp_path / "file" / "best.safetensors")
    (tmp_path / "taken").mkdir()
    with pytest.raises(CheckpointError, match="cannot be written"):
        made.write(tmp_path / "taken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]
