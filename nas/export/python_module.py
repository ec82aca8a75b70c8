"""A network as one readable Python file that needs only torch, and its weights beside it.

Blocks that differ in numbers only become one class. The names of the weights are those of the checkpoint, so that the
written module reads a checkpoint's own .safetensors as well.
"""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nas.errors import ExportError
from nas.export.blocks import TAKEN, BlockClass, Call, free_name, structure
from nas.export.branches import folded
from nas.export.lines import INDENT, LONGEST, broken, quoted, spoken
from nas.export.network_class import network_lines, stage_lines
from nas.export.subject import Subject
from searchspaces import price
from searchspaces.graph import Part
from searchspaces.summary import summarise

if TYPE_CHECKING:
    from searchspaces.canvas import Fragment

SUFFIX, WEIGHTS = ".py", ".weights.pt"


def write(subject: Subject, path: Path) -> None:
    """Write the module at `path` and its weights beside it. Raises `ExportError`, or `OSError`."""
    path.write_text(source(subject, path.stem + WEIGHTS), encoding="utf-8")
    weights = {name: value.contiguous() for name, value in subject.network.state_dict().items()}
    torch.save(weights, path.with_name(path.stem + WEIGHTS))


def opened(path: Path) -> Callable[[Tensor], Tensor]:
    """The network of a written module, with its weights."""
    name = f"nas_exported_{abs(hash(path))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ExportError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    keeping, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = keeping
    made: Callable[[Tensor], Tensor] = module.load()
    return made


def source(subject: Subject, weights: str) -> str:
    """The text of the module; `weights` is the name of the file beside it. Raises `ExportError`."""
    classes, made = _classes(subject)
    bodies = [line for block, uses in classes for line in ("", "", *block.source(uses))]
    calls = stage_lines(subject, made)
    chained = any("chain(" in line for line in calls)
    text = "\n".join([*_heading(subject), *_imports(bodies, chained), "", *_constants(subject, weights)])
    chain = _CHAIN.splitlines() if chained else []
    lines = [*bodies, *chain, *network_lines(subject, calls), *_LOAD.splitlines()]
    return text + "\n" + "\n".join(line.rstrip() for line in lines) + "\n"


def _heading(subject: Subject) -> list[str]:
    cost = price(subject.graph)
    said = [
        f"{spoken(subject.title)}: {spoken(summarise(subject.architecture))}.",
        "",
        f"{cost.params:,} parameters, {cost.flops:,} FLOPs (multiply-adds), {cost.activations:,} activations an image.",
        f"Takes {subject.takes}.",
        f"Gives scores (logits) (N, {subject.classes}); torch.softmax(scores, 1) makes probabilities of them.",
        f"Weights: {subject.weights}. Written by nas export; key {subject.architecture.key}.",
    ]
    results = subject.checkpoint.results if subject.checkpoint is not None else {}
    if "test_accuracy" in results:
        images = f" of {results['test_images']:,.0f} images" if "test_images" in results else ""
        said.append(f"Test accuracy {100 * results['test_accuracy']:.2f} %{images}.")
    lines = [part for line in said for part in textwrap.wrap(line, LONGEST - 4) or [""]]
    return [f'"""{lines[0]}', *lines[1:], '"""', ""]


def _imports(bodies: Sequence[str], chained: bool) -> list[str]:
    functional = any("F." in line for line in bodies)
    return [
        "from __future__ import annotations",
        "",
        *(["from collections import OrderedDict"] if chained else []),
        "from pathlib import Path",
        "",
        "import torch",
        *(["import torch.nn.functional as F  # noqa: N812"] if functional else []),
        "from torch import Tensor, nn",
    ]


def _constants(subject: Subject, weights: str) -> list[str]:
    lines = [f"WEIGHTS = Path(__file__).with_name({quoted(weights)})"]
    lines.append(f"IMAGE = {subject.image!r}  # channels, height, width")
    if (found := subject.checkpoint) is None:
        return [*lines, f"CLASSES = {subject.classes}"]
    lines += broken(f"MEAN = {found.mean!r}  # of each channel, in units where white is 1".replace(",)", ",)"))
    lines += broken(f"STD = {found.std!r}")
    # Many names side by side: one a line would be longer than the network.
    names = textwrap.wrap(" ".join(f"{quoted(n)},".replace(" ", "\0") for n in found.classes), LONGEST - 4)
    packed = [INDENT + line.replace("\0", " ") for line in names]
    return [*lines, "# fmt: off", "CLASSES = (", *packed, ")  # in the order of the scores", "# fmt: on"]


def _classes(subject: Subject) -> tuple[list[tuple[BlockClass, list[str]]], dict[Fragment, Call]]:
    """The classes, with where each stands, and the call that makes each fragment."""
    titles, parts = _titles(subject), subject.graph.parts[1:]
    taken = {*TAKEN, *titles.values()}
    fold, classes = folded({part.fragment: titles[part.name] for part in parts}, taken)
    taken -= set(titles.values())
    groups: dict[Any, list[Part]] = {}
    for part in parts:
        groups.setdefault((titles[part.name], structure(fold[part.fragment])), []).append(part)
    calls: dict[Fragment, Call] = {}
    for (title, _), members in groups.items():
        distinct = list(dict.fromkeys(part.fragment for part in members))
        block = BlockClass(free_name(title, taken), [fold[fragment] for fragment in distinct])
        calls |= {fragment: block.call(fold[fragment]) for fragment in distinct}
        classes.append((block, _places(members)))
    return classes, calls


def _titles(subject: Subject) -> dict[str, str]:
    architecture = subject.architecture
    titles = {"stem": type(architecture.stem).__name__, "head": type(architecture.head).__name__}
    for number, stage in enumerate(architecture.stages, 1):
        titles |= {f"stage{number}.block{i}": type(stage.block).__name__ for i in range(1, stage.depth + 1)}
    return titles


def _places(parts: Sequence[Part]) -> list[str]:
    """Where blocks stand: `stage2: block 1; stage3: blocks 2 to 4`."""
    said = []
    for stage, group in groupby(parts, lambda part: part.name.partition(".")[0]):
        blocks = [int(part.name.rpartition("block")[2]) for part in group if "." in part.name]
        if not blocks:
            said.append(f"The {stage}")
        elif len(blocks) == 1:
            said.append(f"{stage}: block {blocks[0]}")
        else:
            joint = "to" if blocks == list(range(blocks[0], blocks[-1] + 1)) else "and some to"
            said.append(f"{stage}: blocks {blocks[0]} {joint} {blocks[-1]}")
    first = said[0][0].upper() + said[0][1:]
    return [first, *said[1:]] if len(said) <= 4 else [first, f"and in {len(said) - 1} other stages"]


_CHAIN = '''

def chain(*blocks: nn.Module) -> nn.Sequential:
    """Blocks one after the other; their names block1, block2 … are those in the file of weights."""
    return nn.Sequential(OrderedDict((f"block{number}", block) for number, block in enumerate(blocks, 1)))
'''

_LOAD = '''

def load(path: str | Path = WEIGHTS) -> Network:
    """The network with the weights of a file, in evaluation mode: of a .pt file, or of a checkpoint (.safetensors)."""
    if Path(path).suffix == ".safetensors":
        from safetensors.torch import load_file

        weights = load_file(path)
    else:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    network = Network()
    network.load_state_dict(weights)
    return network.eval()
'''
