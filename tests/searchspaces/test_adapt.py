"""The rule that brings a network to a small image, on every family."""

from __future__ import annotations

from dataclasses import replace

import pytest

from searchspaces import NETWORKS, SPACES, Architecture, InvalidArchitecture, NotInSpace, fit
from searchspaces.adapt import SMALLEST_MAP, explain
from searchspaces.ends import ConvStem, NoStem, PoolHead
from searchspaces.resnet import CIFAR_STEM, cifar_resnet
from searchspaces.vgg import DenseHead

SIZES = (8, 28, 32, 64, 224)


def shape(architecture: Architecture) -> tuple[object, tuple[int, ...]]:
    """What the rule may change: the stem's downsampling and the stages' strides."""
    stem = architecture.stem
    start = (stem.kernel, stem.stride, stem.pool) if isinstance(stem, ConvStem) else None
    return start, tuple(stage.stride for stage in architecture.stages)


EXPECTED = {
    # name: {image: ((stem kernel, stride, pool), stage strides)}
    "resnet50": {
        224: ((7, 2, True), (1, 2, 2, 2)),
        64: ((7, 2, False), (1, 2, 2, 2)),
        32: ((3, 1, False), (1, 2, 2, 2)),
        28: ((3, 1, False), (1, 2, 2, 2)),
        8: ((3, 1, False), (1, 1, 1, 2)),
    },
    "mobilenet_v2": {
        224: ((3, 2, False), (1, 2, 2, 2, 1, 2, 1)),
        64: ((3, 1, False), (1, 2, 2, 2, 1, 2, 1)),
        32: ((3, 1, False), (1, 1, 2, 2, 1, 2, 1)),
        28: ((3, 1, False), (1, 1, 2, 2, 1, 2, 1)),
        8: ((3, 1, False), (1, 1, 1, 1, 1, 2, 1)),
    },
    "mobilenet_v1": {
        224: ((3, 2, False), (1, 2, 2, 2, 2)),
        64: ((3, 1, False), (1, 2, 2, 2, 2)),
        32: ((3, 1, False), (1, 1, 2, 2, 2)),
        8: ((3, 1, False), (1, 1, 1, 1, 2)),
    },
    "vgg16": {
        224: (None, (1, 2, 2, 2, 2)),
        64: (None, (1, 2, 2, 2, 2)),
        32: (None, (1, 1, 2, 2, 2)),
        8: (None, (1, 1, 1, 1, 2)),
    },
    "resnet20": {
        224: ((3, 1, False), (1, 2, 2)),
        32: ((3, 1, False), (1, 2, 2)),
        28: ((3, 1, False), (1, 2, 2)),
        8: ((3, 1, False), (1, 1, 2)),
    },
}


@pytest.mark.parametrize(("name", "image"), [(name, image) for name in EXPECTED for image in EXPECTED[name]])
def test_the_earliest_downsampling_goes_first(name: str, image: int) -> None:
    assert shape(NETWORKS[name].at(image)) == EXPECTED[name][image]


@pytest.mark.parametrize("name", [name for name, network in NETWORKS.items() if network.image[1] == 32])
def test_networks_made_for_cifar_stay_on_28_and_32_pixels(name: str) -> None:
    network = NETWORKS[name]
    assert network.at(28) == network.at(32) == network.at(224) == network.architecture


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("image", SIZES)
def test_every_network_can_be_drawn_and_keeps_a_map_that_is_not_too_small(name: str, image: int) -> None:
    network = NETWORKS[name]
    fitted = network.at(image)
    assert min(fitted.last_map((3, image, image))[1:]) >= SMALLEST_MAP
    graph = fitted.draw((3, image, image), 10)
    assert graph.nodes[graph.outputs["main"]].shape == (10,)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("image", SIZES)
def test_widths_depths_and_blocks_stay(name: str, image: int) -> None:
    before, after = NETWORKS[name].architecture, NETWORKS[name].at(image)
    assert [replace(stage, stride=1) for stage in after.stages] == [replace(stage, stride=1) for stage in before.stages]
    assert all(new.stride in (1, old.stride) for old, new in zip(before.stages, after.stages, strict=True))
    assert fit(after, NETWORKS[name].image[1], image) == after  # nothing is left to drop


@pytest.mark.parametrize("name", NETWORKS)
def test_no_step_is_dropped_that_could_have_stayed(name: str) -> None:
    """One step of downsampling more would make the map too small: that of the network one size up, if it differs."""
    network = NETWORKS[name]
    for small, large in ((8, 16), (16, 32), (32, 64), (64, 128)):
        milder, stronger = network.at(small), network.at(large)
        if milder != stronger:
            try:
                side = min(stronger.last_map((3, small, small))[1:])
            except InvalidArchitecture:
                side = 0
            assert side < SMALLEST_MAP


def test_a_head_made_for_a_fixed_map_goes_with_the_first_step() -> None:
    vgg = NETWORKS["vgg16"]
    assert vgg.at(64).head == DenseHead()
    assert vgg.at(32).head == PoolHead()
    assert NETWORKS["mobilenet_v2"].at(32).head == NETWORKS["mobilenet_v2"].architecture.head


def test_a_template_is_fitted_as_the_networks_in_it() -> None:
    for name, make in SPACES.items():
        for image in SIZES:
            space = make(image)
            for network, architecture in space.networks.items():
                try:
                    space.encode(architecture)
                except NotInSpace as error:
                    pytest.fail(f"{network} at {image} pixels is not in {name}: {error}")


def test_an_image_too_small_even_without_downsampling_leaves_what_is_left() -> None:
    assert fit(cifar_resnet(8), 32, 1).last_map((3, 1, 1)) == (64, 1, 1)
    assert shape(fit(cifar_resnet(8), 32, 2))[1] == (1, 1, 1)


def test_the_native_image_must_be_drawable() -> None:
    with pytest.raises(InvalidArchitecture, match="the image is too small"):
        fit(NETWORKS["vgg16"].architecture, 7, 4)


@pytest.mark.parametrize(
    ("name", "image", "text"),
    [
        ("resnet20", 32, ""),
        ("resnet50", 224, ""),
        ("resnet50", 64, "a milder stem: pool False"),
        ("resnet50", 32, "a milder stem: kernel 3, stride 1, pool False"),
        ("resnet20", 8, "stride 1 in stage 2"),
        ("mobilenet_v2", 32, "a milder stem: stride 1; stride 1 in stage 2"),
        ("vgg16", 32, "stride 1 in stage 2; global average pooling in the head"),
        ("vgg16", 8, "stride 1 in stage 2, 3, 4; global average pooling in the head"),
    ],
)
def test_the_change_is_explained(name: str, image: int, text: str) -> None:
    assert explain(NETWORKS[name].architecture, NETWORKS[name].at(image)) == text


def test_stems_become_milder_step_by_step() -> None:
    assert ConvStem().milder() == ConvStem(pool=False)
    assert ConvStem(pool=False).milder() == ConvStem(kernel=3, stride=1, pool=False)
    assert CIFAR_STEM.milder() is None
    assert NoStem().milder() is None
