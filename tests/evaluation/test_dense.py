"""The fully convolutional form: the cropped network's scores on its own image, and their mean over a larger one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.build import build, skeleton
from nas.errors import EvaluationError
from nas.evaluation.dense import dense_graph, dense_module
from searchspaces import NETWORKS, Graph
from searchspaces import operations as ops
from searchspaces.canvas import Canvas, Tensor
from searchspaces.graph import draw

pytestmark = pytest.mark.usefixtures("one_thread")


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def filled(graph: Graph) -> nn.Module:
    """The network with random weights, drawn from a million numbers: VGG's 130 million would take seconds."""
    module, some = skeleton(graph), noise(1_000_003)
    weights = {}
    for name, wanted in module.state_dict().items():
        fan = wanted[0].numel() if wanted.dim() > 1 else 0
        values = some.repeat(-(-wanted.numel() // len(some)))[: wanted.numel()].reshape(wanted.shape)
        weights[name] = values * (2 / fan) ** 0.5 if fan else values.abs() + 0.5
    module.load_state_dict(weights, assign=True)
    return module.eval()


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "lenet5", "googlenet", "mobilenet_v3_small"])
def test_on_its_own_image_a_network_and_its_dense_form_score_alike(name: str) -> None:
    network = NETWORKS[name]
    native = network.architecture.draw(network.image, 10)
    module = filled(native)
    dense = dense_module(native, module.state_dict())
    image = noise(1, *network.image)
    with torch.inference_mode():
        expected = module(image)
        assert expected.std() > 0
        assert torch.allclose(dense(image), expected, rtol=0, atol=1e-5 * float(expected.std()))


def valid(g: Canvas, x: Tensor) -> Tensor:
    """Two convolutions without padding, pooling, two fully connected layers: it sees no border."""
    x = g.max_pool(g.act(g.conv(x, 6, 3, bias=True, padding=0)), 2, 2)
    x = g.act(g.conv(x, 5, 2, bias=True, padding=0))
    x = g.dropout(g.act(g.linear(g.flatten(x), 7)), 0.5)
    return g.linear(x, 4)


def averaged(g: Canvas, x: Tensor) -> Tensor:
    """Pooling to a fixed map that averages windows of 2 × 2 on the native image of 8 pixels."""
    return g.linear(g.flatten(g.adaptive_pool(g.conv(x, 3, 3, padding=0), 3)), 4)


@pytest.mark.parametrize(("picture", "stride"), [(valid, 2), (averaged, 2)])
def test_on_a_larger_image_the_dense_scores_are_the_mean_over_the_sliding_crops(picture: object, stride: int) -> None:
    native = draw(picture, (2, 8, 8))  # type: ignore[arg-type]
    module = build(native, seed=3).eval()
    images = noise(3, 2, 14, 12)
    crops = [
        module(images[..., top : top + 8, left : left + 8])
        for top in range(0, 14 - 8 + 1, stride)
        for left in range(0, 12 - 8 + 1, stride)
    ]
    assert len(crops) == 12
    found = dense_module(native, module.state_dict())(images)
    assert torch.allclose(found, torch.stack(crops).mean(0), atol=1e-6)
    assert not torch.allclose(found, crops[0], atol=1e-3)


def test_a_globally_pooled_network_is_dense_as_it_is() -> None:
    resnet = NETWORKS["resnet8"].at(16)
    native = resnet.draw((3, 16, 16), 5)
    module = build(native, seed=0).eval()
    images = noise(2, 3, 24, 20)
    assert torch.allclose(dense_module(native, module.state_dict())(images), module(images), atol=1e-6)


def test_weights_keep_their_names_and_their_memory() -> None:
    native = draw(valid, (2, 8, 8))
    weights = build(native, seed=3).state_dict()
    dense = dense_module(native, weights).state_dict()
    assert list(dense) == list(weights)
    assert all(dense[name].data_ptr() == weights[name].data_ptr() for name in weights)
    kinds = [type(node.operation) for node in dense_graph(native, (2, 8, 8)).nodes]
    assert ops.Linear not in kinds
    assert kinds[-2:] == [ops.AdaptivePool, ops.Flatten]


def uneven(g: Canvas, x: Tensor) -> Tensor:
    """8 pixels to 3: no windows of one size."""
    return g.linear(g.flatten(g.adaptive_pool(x, 3)), 4)


def joined(g: Canvas, x: Tensor) -> Tensor:
    """Two maps, flattened and then joined: the order of the features is that of no map."""
    return g.linear(g.apply(ops.Concat(), g.flatten(g.conv(x, 2)), g.flatten(g.conv(x, 3))), 4)


@pytest.mark.parametrize(
    ("native", "image", "word"),
    [
        (draw(uneven, (2, 8, 8)), (2, 8, 8), "8×8 pixels to 3×3"),
        (draw(valid, (2, 8, 8)), (2, 7, 5), "too small"),
    ],
)
def test_what_has_no_dense_form_is_one_line(native: Graph, image: tuple[int, int, int], word: str) -> None:
    with pytest.raises(EvaluationError, match=word) as refused:
        dense_graph(native, image)
    assert "\n" not in str(refused.value)


def test_features_of_joined_maps_are_refused() -> None:
    native = draw(joined, (2, 8, 8))
    with pytest.raises(EvaluationError, match="joins flattened maps"):
        dense_graph(native, (2, 8, 8))
