"""An architecture in one line."""

from __future__ import annotations

import pytest

from searchspaces import NETWORKS, SPACES
from searchspaces.resnet import Bottleneck, resnet
from searchspaces.summary import summarise

LINES = {
    "resnet50": "Bottleneck 3-4-6-3, widths 256-512-1024-2048",
    "resnext50_32x4d": "Bottleneck 3-4-6-3, widths 256-512-1024-2048, ratio 0.5, cardinality 32",
    "mobilenet_v2": "Inverted 1-2-3-4-3-3-1, widths 16-24-32-64-96-160-320, expansion 1-6-6-6-6-6-6",
    "vgg16_bn": "Plain 2-2-3-3-3, widths 64-128-256-512-512, norm",
    "preact_resnet50": "Bottleneck 3-4-6-3, widths 256-512-1024-2048, preact",
}


@pytest.mark.parametrize(("name", "line"), LINES.items())
def test_networks(name: str, line: str) -> None:
    assert summarise(NETWORKS[name].architecture) == line


def test_a_number_that_equals_true_is_shown() -> None:
    assert summarise(resnet(Bottleneck(ratio=1.0), (1, 1), (64, 64))) == "Bottleneck 1-1, widths 64, ratio 1"


def test_stages_of_depth_zero_are_left_out() -> None:
    assert summarise(resnet(Bottleneck(), (1, 0), (64, 128))) == "Bottleneck 1, widths 64"


@pytest.mark.parametrize("space", SPACES)
def test_the_networks_of_a_space_differ_in_summary_or_stem(space: str) -> None:
    made = SPACES[space](224).networks
    lines = {(summarise(network), network.stem, network.head) for network in made.values()}
    assert len(lines) == len(made)
