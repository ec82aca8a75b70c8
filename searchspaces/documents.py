"""Architectures as JSON documents: the canonical form, the content key, and reading with the offending path.

A dataclass is written as an object with its class name under `kind` and the fields that differ from their
defaults, so a field added later changes no old key; a released default must therefore never change. Reading
knows only the classes that registered themselves as a `Piece`; a document imports and evaluates nothing. The types
below carry the limits of a value, which `searchspaces.checking` applies to a whole tree.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import isfinite
from typing import Annotated, Any, TypeAlias
from weakref import WeakKeyDictionary

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
LISTED = 30  # kinds in a message
MAX_TEXT = 16 * 2**20  # characters; the largest network allowed takes one million

_KINDS: dict[str, type[Any]] = {}
_LATE: list[Callable[[], object]] = []
_FIELDS: WeakKeyDictionary[type, tuple[tuple[str, Any, bool], ...]] = WeakKeyDictionary()


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


def later(load: Callable[[], object]) -> None:
    """Call `load` before the first kind that nobody knows is refused: it may bring more (installed families)."""
    _LATE.append(load)


def _kind(name: Any) -> type[Any] | None:
    if not isinstance(name, str):
        return None
    while name not in _KINDS and _LATE:
        _LATE.pop()()
    cls = _KINDS.get(name)
    return cls if dataclasses.is_dataclass(cls) else None


def _known(wish: Any) -> str:
    """The kinds that there are, those with a similar name first; not more than a message can hold."""
    names = sorted(name for name, kind in _KINDS.items() if dataclasses.is_dataclass(kind))
    near = difflib.get_close_matches(wish[:100], names) if isinstance(wish, str) else []
    ordered = list(dict.fromkeys((*near, *names)))
    rest = len(ordered) - LISTED
    return ", ".join(ordered[:LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _fields(cls: Any) -> tuple[tuple[str, Any, bool], ...]:
    """Of each field its name, its default, and whether a document must have it."""
    found = _FIELDS.get(cls)
    if found is None:
        missing = dataclasses.MISSING
        found = _FIELDS[cls] = tuple(
            (field.name, field.default, field.default is missing and field.default_factory is missing)
            for field in dataclasses.fields(cls)
        )
    return found


class _Doubled(dict[str, Any]):
    """An object in which a name stands twice."""

    name = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled = _Doubled(found)
    doubled.name = Counter(name for name, _ in pairs).most_common(1)[0][0]
    return doubled


def once(document: Mapping[str, Any], path: str = "") -> None:
    """Raise `InvalidArchitecture` where a name stands twice in a parsed object."""
    if isinstance(document, _Doubled):
        raise InvalidArchitecture(f"the field {short(document.name)} stands twice", path)


def parse(text: str) -> Any:
    """The JSON values of a text, to be read.

    Raises `InvalidArchitecture` for what is no JSON, is too long or too deep. A name that stands twice in one object is
    refused later, by `once`, where the path is known.
    """
    if len(text) > MAX_TEXT:
        raise InvalidArchitecture(f"a document of more than {MAX_TEXT:,} characters")
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise InvalidArchitecture("not a JSON document: nested too deeply") from None
    except ValueError as error:
        problem = str(error) if isinstance(error, json.JSONDecodeError) else "a number of too many digits"
        raise InvalidArchitecture(f"not a JSON document: {problem}") from None


def write(tree: Any) -> Any:
    """The tree as JSON values, in canonical form.

    Raises `InvalidArchitecture` for an open choice, and for what JSON cannot say.
    """
    if isinstance(tree, Piece):
        document: dict[str, Any] = {"kind": type(tree).__name__}
        for name, default, _ in _fields(type(tree)):
            value = getattr(tree, name)
            if value != default:
                document[name] = write(value)
        return document
    if isinstance(tree, tuple):
        return [write(part) for part in tree]
    if isinstance(tree, float) and tree.is_integer():
        return int(tree)  # 1.0 and 1 are equal, so they are written alike
    if isinstance(tree, Hole):
        raise InvalidArchitecture(f"an open choice {tree.name!r}; decode a point of the space first")
    if not isinstance(tree, (str, int, float, type(None))) or (isinstance(tree, float) and not isfinite(tree)):
        raise InvalidArchitecture(f"{short(tree)} cannot be written as JSON")
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
        once(document, path)
        kind = document.get("kind")
        cls = _kind(kind)
        if cls is None:
            raise InvalidArchitecture(f"unknown kind {short(kind)}; known: {_known(kind)}", path)
        fields = _fields(cls)
        names = [name for name, _, _ in fields]
        extra = [name for name in document if name != "kind" and name not in names]
        if extra:
            raise InvalidArchitecture(f"{kind} has no field {short(extra[0])}; it has: {', '.join(names)}", path)
        values = {
            name: read(value, f"{path}.{name}".lstrip("."), nesting + 1)
            for name, value in document.items()
            if name != "kind"
        }
        missing = [name for name, _, needed in fields if needed and name not in values]
        if missing:
            raise InvalidArchitecture(f"{kind} needs {', '.join(missing)}", path)
        try:
            return cls(**values)
        except Exception as error:  # a `__post_init__` of somebody's own, on values that nobody has checked yet
            problem = error.problem if isinstance(error, InvalidArchitecture) else f"{type(error).__name__}: {error}"
            raise InvalidArchitecture(f"{kind} refuses: {problem}", path) from error
    if isinstance(document, list):
        if len(document) > MAX_ENTRIES:
            raise InvalidArchitecture(f"{len(document)} entries; at most {MAX_ENTRIES} are allowed", path)
        return tuple(read(part, f"{path}[{index}]", nesting + 1) for index, part in enumerate(document))
    return document


def short(value: Any) -> str:
    """A bad value as a message shows it: cut at 60 characters, and never the inside of a container."""
    if isinstance(value, (Mapping, list, tuple)):
        return "an object" if isinstance(value, Mapping) else "a list"
    if isinstance(value, int) and value.bit_length() > 256:
        return "a huge number"
    try:
        text = repr(value)
    except Exception:  # a huge number inside, or somebody's own class
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "…"
