"""The predicted memory of training against what PyTorch keeps and allocates on a CPU."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from nas.build import build
from nas.errors import RecipeError
from nas.recipe import Recipe
from nas.training.memory import CONTEXT, MARGIN, children_that_fit, training_memory
from searchspaces import NETWORKS, Graph, price

RECIPE = Recipe(eval_batch_size=1)
# A network of each family, the side of its images, and a batch whose values outweigh the kernels' workspace.
NETS = [
    ("lenet5", 32, 8),
    ("zfnet", 96, 1),
    ("nin_cifar", 32, 4),
    ("vgg11_bn_x0_125", 32, 8),
    ("vgg11_lrn", 64, 1),
    ("resnet20", 32, 16),
    ("preact_resnet50", 64, 2),
    ("se_resnet50", 64, 2),
    ("resnext29_2x5d", 32, 8),
    ("densenet22_bc_k8", 32, 8),
    ("googlenet_x0_125", 96, 4),
    ("inception_v3", 96, 2),
    ("inception_resnet_v1", 96, 2),
    ("mobilenet_v2_x0_25", 64, 8),
    ("mobilenet_v3_small", 64, 8),
    ("mnasnet_small", 64, 8),
    ("shufflenet_v1_g3_x0_25", 64, 8),
    ("shufflenet_v2_x0_5", 64, 8),
    ("nasnet_a_cifar_2x8", 32, 4),
]


pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(name: str, side: int) -> Graph:
    return NETWORKS[name].architecture.draw((3, side, side), 10, auxiliary=True)


def ready(graph: Graph, batch: int, *, channels_last: bool = True) -> tuple[nn.Module, Tensor]:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    module = build(graph, 0).train().to(memory_format=layout)  # type: ignore[call-overload]
    return module, torch.randn(batch, *graph.nodes[0].shape).contiguous(memory_format=layout)


def kept_by(module: nn.Module, images: Tensor) -> int:
    """Bytes of all memory that autograd holds on to, weights and running statistics left out."""
    known = {tensor.untyped_storage().data_ptr() for tensor in [*module.parameters(), *module.buffers()]}
    sizes: dict[int, int] = {}
    held: list[Tensor] = []  # so that no address is given out twice

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            sizes[storage.data_ptr()] = storage.nbytes()
            held.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(images)
    return sum(sizes.values())


def peak_of(work: Callable[[], object]) -> int:
    """The most bytes that PyTorch has allocated at once, beyond what was there."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        work()
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]  # type: ignore[union-attr]
    live = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return most


@pytest.mark.parametrize(("name", "side", "batch"), NETS)
def test_what_autograd_keeps_is_predicted_exactly(name: str, side: int, batch: int) -> None:
    graph = drawn(name, side)
    assert training_memory(graph, RECIPE, batch=batch).kept == kept_by(*ready(graph, batch))


@pytest.mark.parametrize("name", ["vgg11_bn_x0_125", "shufflenet_v2_x0_25"])
def test_and_so_it_is_in_the_usual_memory_layout(name: str) -> None:
    graph, recipe = drawn(name, 32), replace(RECIPE, channels_last=False)
    assert training_memory(graph, recipe, batch=3).kept == kept_by(*ready(graph, 3, channels_last=False))


@pytest.mark.parametrize(("name", "side", "batch"), [("resnet20", 32, 8), ("mobilenet_v2_x0_25", 64, 8)])
def test_autocast_to_two_bytes_keeps_about_half(name: str, side: int, batch: int) -> None:
    graph = drawn(name, side)
    module, images = ready(graph, batch)
    with torch.autocast("cpu", torch.bfloat16):
        kept = kept_by(module, images)
    predicted = training_memory(graph, RECIPE, batch=batch, narrow=True)
    assert predicted.kept + 2 * price(graph).params == pytest.approx(
        kept, rel=0.02
    )  # autograd keeps the narrow weights
    assert predicted.kept < 0.6 * training_memory(graph, RECIPE, batch=batch).kept


@pytest.mark.parametrize(
    ("name", "side", "batch"),
    [
        ("resnet20", 32, 8),
        ("wrn16_4", 32, 4),
        ("preact_resnet50", 64, 2),
        ("densenet22_bc_k8", 32, 16),
        ("googlenet_x0_125", 96, 16),
        ("shufflenet_v2_x0_5", 64, 32),
        ("vgg11_bn_x0_125", 32, 16),
    ],
)
def test_the_peak_of_a_step_is_within_a_tenth_of_the_measured_one(name: str, side: int, batch: int) -> None:
    graph = drawn(name, side)
    module, images = ready(graph, batch)
    labels = torch.zeros(batch, dtype=torch.long)

    def step() -> None:
        output = module(images)
        scores = output if isinstance(output, Tensor) else torch.stack(list(output.values())).sum(0)
        nn.functional.cross_entropy(scores, labels).backward()  # type: ignore[no-untyped-call]

    step()
    module.zero_grad()
    entering = 5 * images.numel()  # the batch, as bytes and as floats, which was there before
    assert training_memory(graph, RECIPE, batch=batch).step - entering == pytest.approx(peak_of(step), rel=0.1)


@pytest.mark.parametrize(("name", "side"), [("resnet20", 32), ("mobilenet_v3_small", 64), ("densenet22_bc_k8", 32)])
def test_measuring_frees_what_a_step_keeps(name: str, side: int) -> None:
    graph = drawn(name, side)
    module, images = ready(graph, 16)
    module.eval()

    def measured() -> None:
        with torch.inference_mode():
            module(images)

    measured()
    predicted = training_memory(graph, replace(RECIPE, eval_batch_size=16), batch=16)
    assert predicted.measuring - 5 * images.numel() == pytest.approx(peak_of(measured), rel=0.1)
    assert predicted.measuring < predicted.step / 4


def test_standing_bytes_are_weights_statistics_and_copies() -> None:
    graph = drawn("resnet20", 32)
    module, _ = ready(graph, 1)
    weights = sum(p.numel() for p in module.parameters())
    statistics = sum(b.numel() for b in module.buffers() if b.is_floating_point())

    def standing(**options: object) -> int:
        return training_memory(graph, replace(RECIPE, **options)).standing  # type: ignore[arg-type]

    assert standing() == 4 * (2 * weights + statistics)
    assert standing(momentum=0) == 4 * (weights + statistics)
    assert standing(optimizer="adamw") == 4 * (3 * weights + statistics)
    assert standing(ema=0.99) == 4 * (3 * weights + 2 * statistics)


def test_memory_grows_with_the_batch_and_large_measuring_counts() -> None:
    graph = drawn("resnet20", 32)
    small, large = (training_memory(graph, RECIPE, batch=batch) for batch in (16, 64))
    assert large.kept == pytest.approx(4 * small.kept, rel=1e-3)
    assert training_memory(graph, RECIPE) == training_memory(graph, RECIPE, batch=RECIPE.batch_size)
    wide = training_memory(graph, replace(RECIPE, eval_batch_size=100_000), batch=2)
    assert wide.peak == wide.standing + wide.measuring > wide.standing + wide.step


def test_how_many_children_fit() -> None:
    gib = 2**30
    assert children_that_fit(16 * gib, gib) == int(16 * gib / (CONTEXT + MARGIN * gib)) == 9
    assert children_that_fit(16 * gib, gib, resident=gib) == 6
    assert children_that_fit(gib, gib) == 0
    assert children_that_fit(0, 1) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 1), "a GPU of -1 bytes; at least 0"),
        ((1, 0), "a child of 0 bytes; at least 1"),
    ],
)
def test_sizes_that_cannot_be_are_named(arguments: tuple[int, int], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        children_that_fit(*arguments)
    with pytest.raises(RecipeError, match="a data set of -5 bytes"):
        children_that_fit(1, 1, resident=-5)
    with pytest.raises(RecipeError, match="memory of a step of 0 images"):
        training_memory(drawn("lenet5", 32), RECIPE, batch=0)


def test_predicting_needs_no_torch() -> None:
    code = "import sys, nas.training.memory; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_page_on_recipes_computes_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    exec(compile(block, "recipes.md", "exec"), {})
    assert 4 <= int(capsys.readouterr().out) <= 30
