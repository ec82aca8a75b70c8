"""The written Python needs torch only, gives equal scores, passes ruff, and says repetition once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from export_samples import lively

from nas.checkpoint import Checkpoint
from nas.errors import ExportError
from nas.export import Subject, python_module
from nas.export.blocks import BlockClass
from nas.export.branches import folded
from nas.export.lines import LONGEST, broken, quoted
from searchspaces import NETWORKS
from searchspaces.canvas import Canvas
from searchspaces.operations import Operation, Shape

ROOT = Path(__file__).parents[2]

# One or more of each family, among them every kind of operation.
SWEEP = (
    *("lenet5_1998", "nin_cifar", "googlenet_paper", "inception_resnet_v1", "resnet18", "preact_resnet164"),
    *("resnext29_8x2d", "densenet40_k12", "mobilenet_v2", "mobilenet_v3_small", "mnasnet_a1", "shufflenet_v1_g3_x0_5"),
    *("shufflenet_v2_x0_5", "nasnet_a_mobile"),
)

pytestmark = pytest.mark.usefixtures("one_thread")

# Runs each module where neither nas nor safetensors can be imported.
ALONE = """
import importlib.util, sys, torch
from pathlib import Path

class Blocked:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {"nas", "searchspaces", "safetensors", "torchvision"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
torch.set_num_threads(1)
scores = {}
for path in sorted(Path().glob("*.py")):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    image = torch.rand(2, *module.IMAGE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        scores[path.stem] = module.load()(image)
torch.save(scores, "scores.pt")
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, torch.Tensor]]]:
    """A folder of modules, and the scores that they should give."""
    torch.set_num_threads(1)
    folder, wanted = tmp_path_factory.mktemp("modules"), {}
    for name in SWEEP:
        network = NETWORKS[name]
        subject = Subject(name, network.architecture, network.image, network.classes)
        lively(subject.network)
        python_module.write(subject, folder / f"{name}.py")
        image = torch.rand(2, *network.image, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            wanted[name] = subject.network(image)
    yield folder, wanted
    for path in folder.iterdir():
        path.unlink()


def test_modules_need_torch_only_and_give_equal_scores(written: tuple[Path, dict[str, torch.Tensor]]) -> None:
    folder, wanted = written
    command = [sys.executable, "-W", "error", "-B", "-c", ALONE]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = torch.load(folder / "scores.pt", weights_only=True)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []


def test_modules_pass_ruff(written: tuple[Path, dict[str, torch.Tensor]]) -> None:
    for command in (["check"], ["format", "--check"]):
        line = ["ruff", *command, "--no-cache", "--config", str(ROOT / "pyproject.toml"), "."]
        done = subprocess.run(line, cwd=written[0], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def text(written: tuple[Path, object], name: str) -> str:
    return (written[0] / f"{name}.py").read_text(encoding="utf-8")


def test_blocks_that_differ_in_numbers_only_are_one_class(written: tuple[Path, dict[str, torch.Tensor]]) -> None:
    source = text(written, "resnet18")
    assert re.findall(r"^class (\w+)", source, re.M) == ["ConvStem", "Basic", "Basic2", "PoolHead", "Network"]
    assert "self.stage3 = chain(Basic2(128), Basic(256))" in source
    assert "x = self.stage2(x)  # (N, 128, 28, 28)" in source
    assert "11,689,512 parameters" in source
    assert len(re.findall(r"\(Dense\w*\(size\) for size in range\(", text(written, "densenet40_k12"))) == 3
    assert all(len(text(written, name).splitlines()) < 600 for name in SWEEP)


def test_branches_that_are_alike_are_one_class(written: tuple[Path, dict[str, torch.Tensor]]) -> None:
    three = re.search(r"self.three = (InceptionBranch\d*)\(", source := text(written, "googlenet_paper"))
    assert three is not None
    assert f"self.five = {three[1]}(" in source
    assert "nn.ModuleDict" not in source
    cells = text(written, "nasnet_a_mobile")
    assert re.search(r'"left": CellBranch\d*\(\d+\)', cells)
    assert "node1 = node1_left + node1_right" in cells


def test_a_scope_that_is_read_from_outside_is_no_branch() -> None:
    canvas = Canvas((8, 8, 8))
    (x,) = canvas.inputs
    with canvas.scope("left"):
        shared = canvas.act(x)
        left = canvas.norm(canvas.conv(canvas.norm(shared), 8))
    with canvas.scope("right"):
        inner = canvas.norm(canvas.conv(x, 8))
        right = canvas.conv(inner, 8)
    with canvas.scope("third"):
        third = canvas.norm(canvas.conv(canvas.norm(x), 8))
    fragment = canvas.finish(canvas.concat(canvas.add(left, right, third), canvas.add(shared, inner)))
    fold, classes = folded({fragment: "Odd"}, set())
    assert [block.name for block, _ in classes] == ["OddBranch"]
    names = [node.name for node in fold[fragment].nodes]
    assert names == ["left.act1", "left", *(f"right.{n}" for n in ("conv1", "norm1", "conv2")), "third", *names[6:]]
    assert len(names) == 10


def test_a_module_reads_the_checkpoint_itself(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    python_module.write(Subject.of(checkpoint, "best"), path)
    checkpoint.write(tmp_path / "best.safetensors")
    scope = {"__file__": str(path), "__name__": "mine"}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)
    assert scope["CLASSES"] == checkpoint.classes
    assert scope["MEAN"] == checkpoint.mean
    image = torch.rand(1, *checkpoint.image)
    load = scope["load"]
    assert callable(load)
    assert torch.equal(load(tmp_path / "best.safetensors")(image), load()(image))
    other = {name: value for name, value in checkpoint.weights.items() if "head" not in name}
    torch.save(other, tmp_path / "other.pt")
    with pytest.raises(RuntimeError, match="Missing key"):
        load(tmp_path / "other.pt")


@pytest.mark.parametrize(
    "name", ['"""\nimport os\nos.abort()  # ', "\\", "\\u0041\\N{BULLET}", "\U000f0000", "☃", "{}%s"]
)
def test_names_cannot_leave_their_quotes(name: str, checkpoint: Checkpoint) -> None:
    named = replace(checkpoint, classes=(name, *checkpoint.classes[1:]), source=name)
    source = python_module.source(Subject.of(named, name), "weights.pt")
    scope = {"__file__": __file__, "__name__": "mine"}
    exec(compile(source, "mine.py", "exec"), scope)
    assert scope["CLASSES"] == named.classes
    assert max(map(len, source.splitlines())) <= LONGEST


@pytest.mark.parametrize("value", ["plain", 'a "quote"', "new\nline", "\ud800", "back\\slash", "☃"])
def test_a_quoted_text_is_read_back(value: str) -> None:
    assert eval(quoted(value)) == value


def test_a_long_line_is_broken_at_its_commas() -> None:
    long = "a" * 60
    lines = broken(f"    x = f({long}, g(1, 2), {long}, k=[1, 2])")
    inner = [f"        {part}," for part in (long, "g(1, 2)", long, "k=[1, 2]")]
    assert lines == ["    x = f(", *inner, "    )"]
    assert broken("x" * 200) == ["x" * 200]


def test_multiples_are_written_as_such() -> None:
    def fragment(width: int) -> object:
        canvas = Canvas((width, 8, 8))
        return canvas.finish(canvas.conv(canvas.conv(canvas.inputs[0], 4 * width, 1), width // 2, 3))

    block = BlockClass("Wide", [fragment(8), fragment(16)])  # type: ignore[list-item]
    lines = "\n".join(block.source(["Anywhere"]))
    assert "nn.Conv2d(channels, 4 * channels, 1, bias=False)" in lines
    assert "nn.Conv2d(4 * channels, channels // 2, 3, padding=1, bias=False)" in lines
    assert block.call(block.fragments[1]) == ("Wide", (16,))


@dataclass(frozen=True)
class Swirl(Operation):
    """An operation that nothing writes."""

    kind = "swirl"

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]


def test_an_operation_without_a_form_is_refused() -> None:
    canvas = Canvas((3, 8, 8))
    with pytest.raises(ExportError, match="Swirl cannot be written as Python"):
        BlockClass("Odd", [canvas.finish(canvas.apply(Swirl(), canvas.inputs[0]))])
