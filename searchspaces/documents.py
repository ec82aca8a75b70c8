"""Architectures as JSON documents: the canonical form, the content key, and reading with the offending path.

A dataclass is written as an object with its class name under `kind` and the fields that differ from their
defaults, so a field added later changes no old key; a released default must therefore never change. Reading
knows only the classes that registered themselves as a `Piece`; nothing is imported or evaluated. The types
below carry the limits of a value, and `check` applies them to a whole tree.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Annotated, Any, Literal, TypeAlias, cast

from searchspaces.errors import InvalidArchitecture, InvalidSpace
from searchspaces.holes import Hole


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; `odd` leaves out the even ones."""

    low: float
    high: float
    odd: bool = False

    def __str__(self) -> str:
        return f"{'an odd number' if self.odd else 'a number'} from {self.low:g} to {self.high:g}"

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high and not (self.odd and value % 2 == 0)


Width: TypeAlias = Annotated[int, Range(1, 65536)]
Depth: TypeAlias = Annotated[int, Range(0, 512)]
Stride: TypeAlias = Annotated[int, Range(1, 8)]
Kernel: TypeAlias = Annotated[int, Range(1, 31, odd=True)]
Cardinality: TypeAlias = Annotated[int, Range(1, 4096)]
Ratio: TypeAlias = Annotated[float, Range(1 / 64, 64)]
Share: TypeAlias = Annotated[float, Range(0, 1)]

MAX_ENTRIES = 1024  # of one list: no real network has a row of more, a hostile document may
MAX_NESTING = 16

_KINDS: dict[str, type[Any]] = {}


class Piece:
    """Base of everything that may stand in a document; each subclass registers under its class name.

    Subclasses are frozen dataclasses. A second class of the same name raises `InvalidSpace`, unless it is the
    same definition read again (a notebook cell run twice, a class sent to a worker).
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        known = _KINDS.get(cls.__name__)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise InvalidSpace(f"{cls.__module__}.{cls.__name__}: {known.__module__} already has a kind of this name")
        _KINDS[cls.__name__] = cls


def write(tree: Any) -> Any:
    """The tree as JSON values, in canonical form. Raises `InvalidArchitecture` for an open choice."""
    if isinstance(tree, Piece):
        document: dict[str, Any] = {"kind": type(tree).__name__}
        for field in dataclasses.fields(cast(Any, tree)):
            value = getattr(tree, field.name)
            if value != field.default:
                document[field.name] = write(value)
        return document
    if isinstance(tree, tuple):
        return [write(part) for part in tree]
    if isinstance(tree, float) and tree.is_integer():
        return int(tree)  # 1.0 and 1 are equal, so they are written alike
    if isinstance(tree, Hole):
        raise InvalidArchitecture(f"an open choice {tree.name!r}; decode a point of the space first")
    return tree


def key(document: Any) -> str:
    """The content key of a document: 16 hex digits."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def read(document: Any, path: str = "", nesting: int = 0) -> Any:
    """The tree of a document. Raises `InvalidArchitecture` with the path of what is unknown or malformed."""
    if nesting > MAX_NESTING:
        raise InvalidArchitecture(f"nested deeper than {MAX_NESTING}", path)
    if isinstance(document, Mapping):
        kind = document.get("kind")
        cls = _KINDS.get(kind) if isinstance(kind, str) else None
        if cls is None or not dataclasses.is_dataclass(cls):
            known = sorted(name for name, known in _KINDS.items() if dataclasses.is_dataclass(known))
            raise InvalidArchitecture(f"unknown kind {short(kind)}; known: {', '.join(known)}", path)
        names = [field.name for field in dataclasses.fields(cls)]
        extra = [name for name in document if name != "kind" and name not in names]
        if extra:
            raise InvalidArchitecture(f"{kind} has no field {short(extra[0])}; it has: {', '.join(names)}", path)
        values = {
            name: read(value, f"{path}.{name}".lstrip("."), nesting + 1)
            for name, value in document.items()
            if name != "kind"
        }
        try:
            return cls(**values)
        except TypeError:
            missing = [
                f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING and f.name not in values
            ]
            raise InvalidArchitecture(f"{kind} needs {', '.join(missing)}", path) from None
    if isinstance(document, list):
        if len(document) > MAX_ENTRIES:
            raise InvalidArchitecture(f"{len(document)} entries; at most {MAX_ENTRIES} are allowed", path)
        return tuple(read(part, f"{path}[{index}]", nesting + 1) for index, part in enumerate(document))
    return document


def check(tree: Any, path: str = "") -> None:
    """Check every field of a piece against its type and limits.

    Raises `InvalidArchitecture` with the path, the bad value and what is allowed.
    """
    for name, hint in _hints(cast(Hashable, type(tree))).items():
        _check_value(hint, getattr(tree, name), f"{path}.{name}".lstrip("."))


@cache
def _hints(cls: Hashable) -> dict[str, Any]:
    hints = typing.get_type_hints(cast(type, cls), include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cast(Any, cls))}


def _check_value(hint: Any, value: Any, path: str) -> None:
    origin = typing.get_origin(hint)
    if isinstance(value, Hole):
        raise InvalidArchitecture(f"an open choice {value.name!r}; decode a point of the space first", path)
    if origin is Annotated:
        base, *rules = typing.get_args(hint)
        _check_value(base, value, path)
        for rule in rules:
            if isinstance(rule, Range) and value not in rule:
                raise InvalidArchitecture(f"{short(value)}, allowed is {rule}", path)
    elif origin is Literal:
        if value not in typing.get_args(hint):
            allowed = ", ".join(map(repr, typing.get_args(hint)))
            raise InvalidArchitecture(f"{short(value)}, allowed: {allowed}", path)
    elif origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        if value is not None or len(options) == len(typing.get_args(hint)):
            _check_value(options[0], value, path)
    elif origin is tuple:
        if not isinstance(value, tuple):
            raise InvalidArchitecture(f"{short(value)}, allowed is a list", path)
        for index, part in enumerate(value):
            _check_value(typing.get_args(hint)[0], part, f"{path}[{index}]")
    elif hint is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or (isinstance(value, float) and not math.isfinite(value)):
            raise InvalidArchitecture(f"{short(value)}, allowed is a number", path)
    elif isinstance(hint, type):
        if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
            article = "an" if hint.__name__[0] in "aeiouAEIOU" else "a"
            raise InvalidArchitecture(f"{short(value)}, allowed is {article} {hint.__name__}", path)
        if dataclasses.is_dataclass(value):
            check(value, path)


def short(value: Any) -> str:
    """A bad value as a message shows it: cut at 60 characters, and never the inside of a container."""
    if isinstance(value, (Mapping, list, tuple)):
        return "an object" if isinstance(value, Mapping) else "a list"
    if isinstance(value, int) and value.bit_length() > 256:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
