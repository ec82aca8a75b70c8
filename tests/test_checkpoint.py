"""A checkpoint says what it is, gives the same network back, and refuses whatever does not hold together."""

from __future__ import annotations

import json
import os
import pickle
import random
import resource
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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


# --- hostile files ------------------------------------------------------------------------------------------------


def framed(header: bytes, rest: bytes = b"", length: int | None = None) -> bytes:
    """A .safetensors file of a header as it stands."""
    return struct.pack("<Q", len(header) if length is None else length) + header + rest


def with_document(document: Any, tensors: dict[str, Any] | None = None) -> bytes:
    text = document if isinstance(document, str) else json.dumps(document)
    return framed(json.dumps({"__metadata__": {ENTRY: text}, **(tensors or {})}).encode())


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    fired = tmp_path / "fired"
    path = tmp_path / "best.safetensors"
    bomb = Bomb(fired)
    path.write_bytes(pickle.dumps(bomb))
    with pytest.raises(CheckpointError, match="not a whole"):
        read_checkpoint(path)
    torch.save({"weights": bomb}, path)  # a zip that holds a pickle
    with pytest.raises(CheckpointError, match="not a whole"):
        read_checkpoint(path)
    assert not fired.exists()
    pickle.loads(pickle.dumps(bomb))  # it would have worked
    assert fired.exists()


def test_a_zip_bomb_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", b"\0" * 30_000_000)
    with pytest.raises(CheckpointError, match="not a whole"):
        read_checkpoint(path)


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    loop, fifo = tmp_path / "loop.safetensors", tmp_path / "fifo.safetensors"
    loop.symlink_to(loop)
    os.mkfifo(fifo)
    for path, word in (
        (loop, "no such file|symbolic links"),
        (fifo, "no such file"),
        (tmp_path / ("x" * 5000), "name too long"),
        (tmp_path / "null\0byte", "no such file"),
        (tmp_path / "absent" / "x.safetensors", "no such file"),
    ):
        with pytest.raises(CheckpointError, match=word):
            read_checkpoint(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(made: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    made.write(path)
    path.chmod(0)
    with pytest.raises(CheckpointError, match="ermission denied"):
        read_checkpoint(path)


def test_an_error_of_the_system_is_one_line(made: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "best.safetensors"
    made.write(path)
    monkeypatch.setattr("safetensors.safe_open", refused)
    with pytest.raises(CheckpointError, match="Permission denied"):
        read_checkpoint(path)


HUGE = 4 << 30


def test_a_claim_of_a_huge_size_takes_no_memory(made: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    made.write(path)
    read_checkpoint(path)  # what reading takes at all
    document = json.dumps(made.to_json())
    tensor = {"dtype": "F32", "shape": [HUGE // 4], "data_offsets": [0, HUGE]}
    claims = {
        "a header": framed(b"{}", length=1 << 40),
        "a header that is all there is": framed(b" " * 64, length=99_000_000),
        "a tensor": with_document(document, {"w": tensor}),
        "a shape": with_document(document, {"w": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}),
        "an image": with_document({**made.to_json(), "image": [1024, 10**9, 10**9]}),
        "classes": with_document({**made.to_json(), "classes": ["x"] * 200_000}),
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content in claims.values():
        path.write_bytes(content)
        with pytest.raises(CheckpointError):
            read_checkpoint(path)
    # As large as it says, on a disk that stores no zeros.
    header = with_document(document, {"w": tensor})
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + HUGE)
    with pytest.raises(CheckpointError, match="another architecture"):
        read_checkpoint(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (changed(mean=[10**400] * 3), "finite"),
        (changed(mean=[1e300] * 3), "finite"),
        (changed(std=[1e-320] * 3), "above 0"),
        (changed(std=[float("nan")] * 3), "finite"),
        (changed(results={"test_accuracy": float("inf")}), "finite"),
        (changed(results={"test_images": 10**400}), "finite"),
        (changed(classes=["ant", "bee", "cat", "\ud800"]), "not Unicode"),
        (changed(source="\udfff"), "not Unicode"),
        (changed(dataset={"name": json.loads("[" * 40 + "]" * 40)}), "nested too deeply"),
    ],
)
def test_numbers_and_texts_that_break_something_later_are_refused(
    made: Checkpoint, tmp_path: Path, change: Callable[[dict[str, Any]], object], word: str
) -> None:
    document = made.to_json()
    change(document)
    path = tmp_path / "bad.safetensors"
    save_file(dict(made.weights), path, metadata={ENTRY: json.dumps(document)})
    with pytest.raises(CheckpointError, match=word):
        read_checkpoint(path)


def test_deep_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    for content in (with_document("[" * 100_000), framed(b'{"__metadata__":' + b'{"a":' * 100_000)):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"nested too deeply|not a whole"):
            read_checkpoint(path)


def test_weights_that_are_not_finite_are_refused(made: Checkpoint, tmp_path: Path) -> None:
    name = next(iter(made.weights))
    for value in (float("nan"), float("inf")):
        broken = made.weights[name].clone()
        broken.view(-1)[0] = value
        path = tmp_path / "bad.safetensors"
        replace(made, weights={**made.weights, name: broken}).write(path)
        with pytest.raises(CheckpointError, match="not finite"):
            read_checkpoint(path)


JUNK = [None, True, -1, 0, 10**30, 1e400, "", "\ud800", "resnet", [], {}, [[]], {"kind": "Stage"}]


def mutated(content: bytes, document: Any, rng: random.Random) -> bytes:
    """The file with some bytes changed, cut or doubled, or with a value of its document replaced."""
    kind = rng.randrange(4)
    if kind == 0:  # bytes of the header, where everything is decided
        spoiled, header = bytearray(content), 8 + struct.unpack("<Q", content[:8])[0]
        for _ in range(rng.randint(1, 4)):
            spoiled[rng.randrange(header)] = rng.randrange(256)
        return bytes(spoiled)
    if kind == 1:
        place = rng.randrange(len(content))
        return content[:place] + content[place + rng.randint(1, 5000) :] if rng.random() < 0.5 else content[:place]
    changed_document = json.loads(json.dumps(document))
    spot: Any = changed_document
    while True:
        keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
        if not keys:
            break
        key = rng.choice(keys)
        if isinstance(spot[key], dict | list) and spot[key] and rng.random() < 0.7:
            spot = spot[key]
            continue
        if rng.random() < 0.2 and isinstance(spot, dict):
            del spot[key]
        else:
            spot[key] = rng.choice(JUNK)
        break
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"][ENTRY] = json.dumps(changed_document)
    return framed(json.dumps(header).encode(), content[8 + length :])


@settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_a_mutated_file_is_refused_or_a_whole_checkpoint(
    seed: int, made: Checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole, path = folder / "whole.safetensors", folder / "mutated.safetensors"
    if not whole.exists():
        made.write(whole)
    path.write_bytes(mutated(whole.read_bytes(), made.to_json(), random.Random(seed)))
    try:
        found = read_checkpoint(path)
    except CheckpointError as error:
        said = str(error)
    else:
        found.write(path)  # what was read can be written, and is the same again
        assert read_checkpoint(path).to_json() == found.to_json()
        return
    assert said.encode().count(b"\n") == 0
