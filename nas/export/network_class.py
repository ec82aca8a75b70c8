"""The class `Network` of a written module: its stages, chains of blocks where they are chains, and its forward."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from nas.export.blocks import Call
from nas.export.lines import INDENT, LONGEST, broken
from nas.export.subject import Subject
from searchspaces.graph import Part

if TYPE_CHECKING:
    from searchspaces.canvas import Fragment

FEWEST_REPEATED = 3  # equal blocks in a row that are written as a loop


def stage_lines(subject: Subject, calls: Mapping[Fragment, Call]) -> list[str]:
    """The lines of Network's __init__ that make the stem, the stages and the head."""
    lines = []
    for name, indices in _stages(subject):
        parts = [subject.graph.parts[i] for i in indices]
        made = [calls[part.fragment] for part in parts]
        if "." not in parts[0].name:
            lines += broken(f"{INDENT * 2}self.{name} = {_made(*made[0])}")
            continue
        blocks = _repeated(made)
        if [part.name for part in parts] == [f"{name}.block{i}" for i in range(1, len(parts) + 1)]:
            line = f"{INDENT * 2}self.{name} = chain({', '.join(blocks)})"
            multiline = [f"{INDENT * 2}self.{name} = chain(", *(f"{INDENT * 3}{b}," for b in blocks), f"{INDENT * 2})"]
            lines += [line] if len(line) <= LONGEST else multiline
        else:  # some block was left out, since nothing reads it
            named = [
                f'"{part.name.rpartition(".")[2]}": {_made(*call)}' for part, call in zip(parts, made, strict=True)
            ]
            lines += [f"{INDENT * 2}self.{name} = nn.ModuleDict(", f"{INDENT * 3}{{"]
            lines += [*(f"{INDENT * 4}{n}," for n in named), f"{INDENT * 3}}}", f"{INDENT * 2})"]
    return lines


def _stages(subject: Subject) -> list[tuple[str, list[int]]]:
    indices = range(1, len(subject.graph.parts))
    return [(n, list(g)) for n, g in groupby(indices, lambda i: subject.graph.parts[i].name.partition(".")[0])]


def _made(name: str, values: Sequence[Any]) -> str:
    return f"{name}({', '.join(map(repr, values))})"


def _repeated(calls: Sequence[Call]) -> list[str]:
    """Calls as written: equal ones in a row, or those of which one number grows evenly, become one loop."""
    lines, start = [], 0
    while start < len(calls):
        name, values = calls[start]
        stop, step = start + 1, None
        while stop < len(calls) and calls[stop][0] == name:
            found = _growth(calls[stop - 1][1], calls[stop][1])
            if found is None or (step is not None and found != step):
                break
            step, stop = found, stop + 1
        if stop - start < FEWEST_REPEATED or step is None:
            lines.append(_made(name, values))
            start += 1
            continue
        place, growth = step
        shown = [repr(value) for value in values]
        if growth:
            shown[place] = "size"
            counted = f"size in range({values[place]}, {values[place] + growth * (stop - start)}, {growth})"
        else:
            counted = f"_ in range({stop - start})"
        lines.append(f"*({name}({', '.join(shown)}) for {counted})")
        start = stop
    return lines


def _growth(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[int, int] | None:
    """Which number differs, and by how much; (0, 0) for none; None for several."""
    places = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if not places:
        return 0, 0
    a, b = one[places[0]], other[places[0]]
    whole = type(a) is int and type(b) is int
    return (places[0], b - a) if len(places) == 1 and whole and b > a else None


def network_lines(subject: Subject, calls: Sequence[str]) -> list[str]:
    """The class, whose __init__ makes the stages by `calls`, the lines of `stage_lines`."""
    lines = ["", "", "class Network(nn.Module):", f'{INDENT}"""Takes {subject.takes}."""', ""]
    lines = [part for line in lines for part in _wrapped_docstring(line)]
    lines += [f"{INDENT}def __init__(self) -> None:", f"{INDENT * 2}super().__init__()"]
    if subject.normalises:
        for name in ("mean", "std"):
            values = f"torch.tensor({name.upper()}).view(1, -1, 1, 1)"
            lines.append(f'{INDENT * 2}self.register_buffer("{name}", {values}, persistent=False)')
    lines += [*calls, "", f"{INDENT}def forward(self, image: Tensor) -> Tensor:"]
    lines.append(
        f'{INDENT * 2}"""Scores (N, {subject.classes}) of images (N, {", ".join(map(str, subject.image))})."""'
    )
    return [*lines, *_steps(subject)]


def _steps(subject: Subject) -> list[str]:
    """The lines of Network.forward: a stage that is a chain in one line, other blocks one a line."""
    parts = subject.graph.parts
    readers: dict[int, set[int]] = {}
    for index, part in enumerate(parts):
        for read in part.fragment.reads:
            readers.setdefault(part.sources[read], set()).add(index)
    names = {0: "image"}
    steps: list[tuple[str, str]] = []
    if subject.normalises:
        names[0] = "x"
        steps.append(("x = (image - self.mean) / self.std", ""))
    stages = _stages(subject)
    chained = {name: _is_chain(subject, indices, readers) for name, indices in stages}
    simple = all(chained.values())
    for name, indices in stages:
        if chained[name]:
            (before,) = (parts[indices[0]].sources[i] for i in sorted(parts[indices[0]].fragment.reads))
            names[indices[-1]] = "x" if simple else name
            steps.append((f"{names[indices[-1]]} = self.{name}({names[before]})", _batch(parts[indices[-1]])))
            continue
        for i in indices:
            names[i] = parts[i].name.replace(".", "_")
            taken = ", ".join(names[parts[i].sources[read]] for read in sorted(parts[i].fragment.reads))
            steps.append((f"{names[i]} = self.{parts[i].name}({taken})", _batch(parts[i])))
    last, shape = steps.pop()
    steps.append((f"return {last.partition(' = ')[2]}", shape))
    return [f"{INDENT * 2}{text}" + (f"  # {shape}" if shape else "") for text, shape in steps]


def _is_chain(subject: Subject, indices: Sequence[int], readers: dict[int, set[int]]) -> bool:
    """Whether each block of a stage reads the one before it, and only the last is read from outside."""
    parts = subject.graph.parts
    alone = all(readers.get(i) == {i + 1} for i in indices[:-1])
    single = all(parts[i].fragment.reads == {0} for i in indices)
    named = all(parts[i].name.endswith(f"block{n}") for n, i in enumerate(indices, 1)) or len(indices) == 1
    return alone and single and named


def _batch(part: Part) -> str:
    return f"(N, {', '.join(map(str, part.fragment.shape))})"


def _wrapped_docstring(line: str) -> list[str]:
    if len(line) <= LONGEST:
        return [line]
    body = textwrap.wrap(line.strip().removesuffix('"""'), LONGEST - 4)
    return [f"{INDENT}{body[0]}", *(f"{INDENT}{part}" for part in body[1:]), f'{INDENT}"""']
