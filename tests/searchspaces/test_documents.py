"""Architectures as documents: round trip, one canonical form, stable keys, and refusal of everything else."""

from __future__ import annotations

import copy
import json
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchspaces import NETWORKS, SPACES, Architecture, Block, InvalidArchitecture, InvalidSpace, OneOf
from searchspaces.documents import Piece
from searchspaces.resnet import Basic, Bottleneck, cifar_resnet, resnet

# Frozen: these may never change, since stored studies refer to them.
KEYS = {
    "resnet18": "35f79fb495fcea96",
    "resnet20": "0b60ac5f1f030fc3",
    "resnext50_32x4d": "9798f8cde1c8197a",
    "se_resnet50": "38ebabf7cfdab2c0",
    "wrn28_10": "c5de9d264aaa67de",
    "mobilenet_v1": "fb7790941a2acd14",
    "mobilenet_v2": "c413d778761b95b6",
    "vgg16_bn": "efe14a7ad84e7421",
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_survives_the_round_trip_through_text(name: str) -> None:
    architecture = NETWORKS[name].architecture
    again = Architecture.from_json(json.loads(json.dumps(architecture.to_json(), allow_nan=False)))
    assert again == architecture
    assert again.key == architecture.key


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(SPACES)), st.sampled_from((8, 32, 224)), st.integers(0, 2**32))
def test_every_child_survives_the_round_trip_through_text(name: str, image: int, seed: int) -> None:
    space = SPACES[name](image)
    architecture = space.decode(space.sample(random.Random(seed)))
    assert Architecture.from_json(json.loads(json.dumps(architecture.to_json()))) == architecture


def test_networks_that_differ_have_different_keys() -> None:
    assert len({network.architecture.key for network in NETWORKS.values()}) == len(
        {network.architecture for network in NETWORKS.values()}
    )


@pytest.mark.parametrize("name", KEYS)
def test_released_keys_do_not_change(name: str) -> None:
    assert NETWORKS[name].architecture.key == KEYS[name]


def test_the_document_of_a_small_network() -> None:
    assert cifar_resnet(8).to_json() == {
        "format": "nas.architecture/1",
        "kind": "Architecture",
        "stem": {"kind": "ConvStem", "width": 16, "kernel": 3, "stride": 1, "pool": False},
        "stages": [
            {"kind": "Stage", "block": {"kind": "Basic", "shortcut": "pad"}, "depth": 1, "width": 16},
            {"kind": "Stage", "block": {"kind": "Basic", "shortcut": "pad"}, "depth": 1, "width": 32, "stride": 2},
            {"kind": "Stage", "block": {"kind": "Basic", "shortcut": "pad"}, "depth": 1, "width": 64, "stride": 2},
        ],
        "head": {"kind": "PoolHead"},
    }


def test_one_content_has_one_key_however_it_is_written() -> None:
    whole = resnet(Bottleneck(ratio=1, se=0), (1,), (64,))
    point = resnet(Bottleneck(ratio=1.0, se=0.0), (1,), (64,))
    assert whole == point
    assert whole.key == point.key
    document = whole.to_json()
    backwards = {name: document[name] for name in reversed(document)}
    backwards["stages"] = [{name: stage[name] for name in reversed(stage)} for stage in document["stages"]]
    backwards["stages"][0]["stride"] = 1  # the default, written out
    assert Architecture.from_json(backwards).key == whole.key
    assert replace(whole, stages=()).key != whole.key


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document of resnet8 with one place changed; the path is dotted, `-` before it removes the place."""
    document: Any = copy.deepcopy(cifar_resnet(8).to_json())
    *steps, last = path.lstrip("-").split(".")
    place = document
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    last = int(last) if last.isdigit() else last
    if path.startswith("-"):
        del place[last]
    else:
        place[last] = value
    return document


def nested(levels: int) -> Any:
    document: Any = 1
    for _ in range(levels):
        document = [document]
    return document


REFUSED: dict[str, tuple[Any, str]] = {
    # what is wrong: (document, how the message starts)
    "a list": ([], "an architecture is a JSON object, not list"),
    "null": (None, "an architecture is a JSON object, not NoneType"),
    "text": ("resnet20", "an architecture is a JSON object, not str"),
    "empty": ({}, "format None; this version reads 'nas.architecture/1'"),
    "another format": (changed("format", "nas.architecture/9"), "format 'nas.architecture/9'; this version reads"),
    "a format of lists": (changed("format", nested(900)), "format a list; this version reads"),
    "a long format": (changed("format", "x" * 10**6), "format 'xxxx"),
    "a stem at the root": ({"format": "nas.architecture/1", "kind": "NoStem"}, "kind 'NoStem'; expected"),
    "no kind": (changed("-kind", None), "unknown kind None; known: Architecture, "),
    "unknown kind": (changed("stages.1.block.kind", "Nope"), "stages[1].block: unknown kind 'Nope'; known: "),
    "an abstract kind": (changed("stem", {"kind": "Stem"}), "stem: unknown kind 'Stem'; known: "),
    "a dangerous kind": (changed("stem.kind", "os.system"), "stem: unknown kind 'os.system'; known: "),
    "a kind that is a list": (changed("stem.kind", nested(900)), "stem: unknown kind a list; known: "),
    "a kind that is a number": (changed("head.kind", 3), "head: unknown kind 3; known: "),
    "an extra field": (
        changed("stages.0.block.colour", "red"),
        "stages[0].block: Basic has no field 'colour'; it has: kernel, se, preact, shortcut",
    ),
    "an extra field at the root": (changed("extra", 1), "Architecture has no field 'extra'; it has: stem"),
    "a number as a field": (changed("stem", {"kind": "NoStem", 3: 1}), "stem: NoStem has no field 3"),
    "a missing field": (changed("-stages.2.width", None), "stages[2]: Stage needs width"),
    "missing fields": (changed("stages.0", {"kind": "Stage"}), "stages[0]: Stage needs block, depth, width"),
    "no head": (changed("-head", None), "Architecture needs head"),
    "a block as stem": (changed("stem", {"kind": "Basic"}), "stem: Basic("),
    "a number as block": (changed("stages.0.block", 5), "stages[0].block: 5, allowed is a Block"),
    "an object as stages": (changed("stages", {"kind": "NoStem"}), "stages: NoStem(), allowed is a list"),
    "text as stages": (changed("stages", "many"), "stages: 'many', allowed is a list"),
    "a number among stages": (changed("stages.1", 7), "stages[1]: 7, allowed is a Stage"),
    "text as width": (changed("stages.0.width", "64"), "stages[0].width: '64', allowed is an int"),
    "null as width": (changed("stages.0.width", None), "stages[0].width: None, allowed is an int"),
    "a list as width": (changed("stages.0.width", [64]), "stages[0].width: a list, allowed is an int"),
    "a boolean as depth": (changed("stages.0.depth", True), "stages[0].depth: True, allowed is an int"),
    "a fraction as depth": (changed("stages.0.depth", 1.5), "stages[0].depth: 1.5, allowed is an int"),
    "a number as boolean": (changed("stem.pool", 1), "stem.pool: 1, allowed is a bool"),
    "a boolean as share": (changed("stages.0.block.se", True), "stages[0].block.se: True, allowed is a number"),
    "text as share": (changed("stages.0.block.se", "x"), "stages[0].block.se: 'x', allowed is a number"),
    "NaN": (changed("stages.0.block.se", float("nan")), "stages[0].block.se: nan, allowed is a number"),
    "infinity": (changed("stages.0.block.se", float("inf")), "stages[0].block.se: inf, allowed is a number"),
    "a share above one": (changed("stages.0.block.se", 1.5), "stages[0].block.se: 1.5, allowed is a number from 0 to"),
    "a number beyond any float": (changed("stages.0.block.se", 10**400), "stages[0].block.se: a huge number, allowed"),
    "a number too long to print": (changed("stages.0.width", 10**5000), "stages[0].width: a huge number, allowed"),
    "width 0": (changed("stages.1.width", 0), "stages[1].width: 0, allowed is a number from 1 to 65536"),
    "a negative depth": (changed("stages.1.depth", -1), "stages[1].depth: -1, allowed is a number from 0 to 512"),
    "a huge depth": (changed("stages.1.depth", 10**9), "stages[1].depth: 1000000000, allowed is a number from 0 to"),
    "stride 0": (changed("stages.1.stride", 0), "stages[1].stride: 0, allowed is a number from 1 to 8"),
    "an even kernel": (changed("stages.2.block.kernel", 4), "stages[2].block.kernel: 4, allowed is an odd number"),
    "kernel 0": (changed("stem.kernel", 0), "stem.kernel: 0, allowed is an odd number from 1 to 31"),
    "an unknown activation": (changed("stem.act", "rely"), "stem.act: 'rely', allowed: 'relu', 'relu6'"),
    "a list as activation": (changed("stem.act", ["relu"]), "stem.act: a list, allowed: 'relu'"),
    "a huge list": (changed("stages", [1] * 5000), "stages: 5000 entries; at most 1024 are allowed"),
    "deep nesting": (changed("stem.width", nested(50)), "stem.width[0]"),
    "very deep nesting": (changed("stem.width", nested(900)), "stem.width[0]"),
    "too many blocks": (
        changed("stages", [{"kind": "Stage", "block": {"kind": "Basic"}, "depth": 512, "width": 8}] * 5),
        "stages: 2560 blocks in all; at most 2048 are allowed",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("document", "message"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_in_one_short_line_with_its_path(document: Any, message: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        Architecture.from_json(document)
    text = str(caught.value)
    assert text.startswith(message)
    assert "\n" not in text
    assert len(text) < 1000


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
FIELDS = st.sampled_from(("kind", "stem", "x"))
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=3), max_leaves=6
)
PLACES = (
    *("kind", "stem", "stem.kind", "stem.width", "stem.act", "stages", "stages.0", "stages.0.block", "stages.1.depth"),
    *("stages.1.block.kind", "stages.1.block.se", "stages.2.stride", "head", "head.dropout", "head.width"),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), JSON)
def test_any_junk_in_any_place_is_read_or_refused_and_never_breaks(place: str, junk: Any) -> None:
    with suppress(InvalidArchitecture):
        architecture = Architecture.from_json(changed(place, junk))
        assert Architecture.from_json(architecture.to_json()) == architecture


def test_an_open_choice_cannot_be_written_or_drawn() -> None:
    block = OneOf("block", (Basic(), Bottleneck()))
    for template, path in (
        (resnet(block, (1,), (8,)), "stages[0].block"),
        (resnet(Basic(), (OneOf("depth", (1, 2)),), (8,)), "stages[0].depth"),
        (resnet(Basic(kernel=OneOf("kernel", (3, 5))), (1,), (8,)), "stages[0].block.kernel"),
        (replace(cifar_resnet(8), stem=OneOf("stem", (cifar_resnet(8).stem,))), "stem"),
        (replace(cifar_resnet(8), stages=OneOf("rows", (cifar_resnet(8).stages,))), "stages"),
        (replace(cifar_resnet(8), head=OneOf("head", (cifar_resnet(8).head,))), "head"),
    ):
        with pytest.raises(InvalidArchitecture, match="an open choice"):
            template.to_json()
        with pytest.raises(InvalidArchitecture, match="an open choice") as caught:
            template.draw((3, 32, 32), 10)
        assert caught.value.path == path


def test_a_second_kind_of_one_name_is_refused() -> None:
    with pytest.raises(InvalidSpace, match=r"searchspaces\.resnet already has a kind of this name"):

        @dataclass(frozen=True)
        class Basic(Block):
            """Not the one that we know."""


def test_the_same_definition_may_be_read_again() -> None:
    source = "class CellRunTwice(Piece): pass"
    for _ in range(2):
        exec(source, {"Piece": Piece, "__name__": "a_notebook"})
