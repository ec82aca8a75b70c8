"""Blocks as classes: those that differ in numbers only become one class, and the numbers its parameters."""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from nas.export.forms import Argument, Branch, Form, form_of
from nas.export.lines import INDENT, broken
from searchspaces import operations as ops
from searchspaces.canvas import Fragment

Slot: TypeAlias = tuple[int, int]  # of a fragment: node and argument
Call: TypeAlias = tuple[str, tuple[Any, ...]]  # a class and its arguments

INPUTS = ("x", "before")  # what enters a block, the latest first
FOLLOWING = (ops.Norm, ops.Activation, ops.Dropout)  # written in one line with what feeds them, as in a layer table
SIZES = ("channels", "width", "features", "start", "stop")
FACTORS = range(2, 9)
TAKEN = {"Network", "Tensor", "Path", "F", "nn", "torch", "load", "chain"}


def free_name(title: str, taken: set[str]) -> str:
    """The name of a class, numbered where it is taken; now it is."""
    name, number = title, 1
    while name in taken:
        number += 1
        name = f"{title}{number}"
    taken.add(name)
    return name


def forms(fragment: Fragment) -> list[Form]:
    """Each node of a block as it is written. Raises `ExportError`."""
    return [form_of(node, [fragment.shape_of(i) for i in node.inputs]) for node in fragment.nodes]


def structure(fragment: Fragment) -> tuple[Any, ...]:
    """What two blocks share exactly where one class can stand for both."""
    nodes = zip(fragment.nodes, forms(fragment), strict=True)
    return (*((node.name, form.fixed, node.inputs) for node, form in nodes), fragment.output, len(fragment.inputs))


@dataclass
class BlockClass:
    """A class of the module that is written, for `fragments` of one structure."""

    name: str
    fragments: list[Fragment] = field(default_factory=list)
    parameters: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # by name: the value for each fragment

    def __post_init__(self) -> None:
        self._forms = [forms(fragment) for fragment in self.fragments]
        self._attributes: set[str] = set()  # parameters that forward needs
        self._texts: dict[Slot, tuple[str, str, str]] = {}  # before the name of a parameter, the name, after it
        for n, form in enumerate(self._forms[0]):
            for a, argument in enumerate(form.arguments):
                self._texts[n, a] = self._text(argument, tuple(each[n].arguments[a].value for each in self._forms))
                if not form.layer and self._texts[n, a][1]:
                    self._attributes.add(self._texts[n, a][1])

    def call(self, fragment: Fragment) -> Call:
        """The class's name and the arguments that make this fragment."""
        place = self.fragments.index(fragment)
        return self.name, tuple(values[place] for values in self.parameters.values())

    def source(self, uses: Sequence[str]) -> list[str]:
        """The lines of the class; `uses` say where it stands."""
        init, forward = self._init(), self._forward()
        lines = [f"class {self.name}(nn.Module):", f'{INDENT}"""{"; ".join(uses)}."""', ""]
        if init or self._attributes:
            said = "".join(f", {name}: {_kind(values)}" for name, values in self.parameters.items())
            lines += broken(f"{INDENT}def __init__(self{said}) -> None:")
            lines += [f"{INDENT * 2}super().__init__()"]
            lines += [f"{INDENT * 2}self.{name} = {name}" for name in self.parameters if name in self._attributes]
            lines += [*init, ""]
        taken = "".join(f", {_input(i)}: Tensor" for i in sorted(self.fragments[0].reads))
        lines += [f"{INDENT}def forward(self{taken}) -> Tensor:", f'{INDENT * 2}"""{self._shapes()}."""', *forward]
        return lines

    def _text(self, argument: Argument, values: tuple[Any, ...]) -> tuple[str, str, str]:
        if len(set(values)) == 1:
            return repr(values[0]), "", ""
        for name, known in self.parameters.items():
            sizes = argument.role in (*SIZES, "groups") and name.startswith(SIZES)
            if known == values and (sizes or name.startswith(argument.role)):
                return "", name, ""
            if not sizes:
                continue
            for factor in FACTORS:
                if all(value == factor * other for value, other in zip(values, known, strict=True)):
                    return f"{factor} * ", name, ""
                if all(value * factor == other for value, other in zip(values, known, strict=True)):
                    return "", name, f" // {factor}"
        number = sum(name.rstrip("0123456789") == argument.role for name in self.parameters) + 1
        name = argument.role + (str(number) if number > 1 else "")
        self.parameters[name] = values
        return "", name, ""

    def _written(self, index: int, inputs: Sequence[str]) -> str:
        form = self._forms[0][index]

        def value(place: int, argument: Argument) -> str:
            before, name, after = self._texts[index, place]
            return before + (name if form.layer or not name else f"self.{name}") + after

        return form.call(inputs, value)

    def _init(self) -> list[str]:
        tree: dict[str, Any] = {}
        for index, node in enumerate(self.fragments[0].nodes):
            if self._forms[0][index].layer:
                *scopes, leaf = node.name.split(".")
                inner = tree
                for scope in scopes:
                    inner = inner.setdefault(scope, {})
                inner[leaf] = self._written(index, ())
        lines: list[str] = []
        for name, content in tree.items():
            lines += _entry(f"{INDENT * 2}self.{name} = ", content, "", 2)
        return lines

    def _forward(self) -> list[str]:
        fragment = self.fragments[0]
        nodes = fragment.nodes
        left = Counter(i for node in nodes for i in node.inputs) + Counter([fragment.output])
        once = {i for i, count in left.items() if count == 1}
        texts = {-1 - i: _input(i) for i in fragment.reads}
        lines: list[str] = []
        for index, node in enumerate(nodes):
            layer = self._forms[0][index].layer
            inputs = [texts[i] for i in node.inputs]
            text = f"self.{node.name}({inputs[0]})" if layer else self._written(index, inputs)
            followers = [n for n in nodes if index in n.inputs]
            inline = index in once and len(followers) == 1 and isinstance(followers[0].operation, FOLLOWING)
            if inline and len(text) < 80:
                texts[index] = text
                continue
            if index == fragment.output and index == len(nodes) - 1:
                lines += broken(f"{INDENT * 2}return {text}")
                return lines
            # Variables whose last reader this line is are free for its result.
            used = _read(nodes, index, texts)
            left.subtract(used)
            free = [texts[i] for i in used if left[i] == 0]
            live = {texts[i] for i in texts if left[i] > 0 and texts[i].isidentifier()}
            named = f"{node.name}." if isinstance(node.operation, Branch) else node.name
            texts[index] = _variable(named, free, live)
            lines += broken(f"{INDENT * 2}{texts[index]} = {text}")
        return [*lines, f"{INDENT * 2}return {texts[fragment.output]}"]

    def _shapes(self) -> str:
        first = self.fragments[0]
        entering = " and ".join(_shape(first.inputs[i]) for i in sorted(first.reads))
        return f"{'Such as ' if len(self.fragments) > 1 else ''}{entering} to {_shape(first.shape)}"


def _read(nodes: Sequence[Any], index: int, texts: dict[int, str]) -> list[int]:
    """The values that a line reads: the inputs of the node, or of those that are written into it."""
    found: list[int] = []
    for i in nodes[index].inputs:
        found += [i] if i < 0 or texts[i].isidentifier() else _read(nodes, i, texts)
    return found


def _variable(name: str, free: Sequence[str], live: set[str]) -> str:
    """A name for a value: its scope's, or one that is free again, or a new one."""
    scope = name.rpartition(".")[0].replace(".", "_")
    if scope and scope not in live and not keyword.iskeyword(scope) and scope not in INPUTS:
        return scope
    own = name.rstrip(".").replace(".", "_")
    return next(candidate for candidate in (*free, "y", "z", own, f"{own}_out") if candidate not in live)


def _entry(start: str, content: Any, end: str, depth: int) -> list[str]:
    """One attribute of a module: a layer, or a scope as nn.ModuleDict."""
    if isinstance(content, str):
        return broken(f"{start}{content}{end}")
    lines = [f"{start}nn.ModuleDict("]
    lines += [f"{INDENT * (depth + 1)}{{"]
    for name, inner in content.items():
        lines += _entry(f'{INDENT * (depth + 2)}"{name}": ', inner, ",", depth + 2)
    return [*lines, f"{INDENT * (depth + 1)}}}", f"{INDENT * depth}){end}"]


def _input(place: int) -> str:
    return INPUTS[place] if place < len(INPUTS) else f"before{place}"


def _kind(values: Sequence[Any]) -> str:
    return " | ".join(sorted({_hint(value) for value in values}))


def _hint(value: Any) -> str:
    return f"tuple[{', '.join(type(v).__name__ for v in value)}]" if isinstance(value, tuple) else type(value).__name__


def _shape(shape: Sequence[int]) -> str:
    return f"(N, {', '.join(map(str, shape))})"
