"""Architectures as JSON documents: the canonical form, the content key, and reading with the offending path.

A dataclass is written as an object with its class name under `kind` and the fields that differ from their
defaults, so a field added later changes no old key; a released default must therefore never change. Reading
knows only the classes that registered themselves as a `Piece`; a document imports and evaluates nothing. The types
below carry the limits of a value, and `check` applies them to a whole tree.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
import typing
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import isfinite
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
LISTED = 30  # kinds in a message
RESOLVED = "_types_of_fields"
MAX_TEXT = 16 * 2**20  # characters; the largest network allowed takes one million

_KINDS: dict[str, type[Any]] = {}
_LATE: list[Callable[[], object]] = []


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


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


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
        names = [field.name for field in dataclasses.fields(cls)]
        extra = [name for name in document if name != "kind" and name not in names]
        if extra:
            raise InvalidArchitecture(f"{kind} has no field {short(extra[0])}; it has: {', '.join(names)}", path)
        values = {
            name: read(value, f"{path}.{name}".lstrip("."), nesting + 1)
            for name, value in document.items()
            if name != "kind"
        }
        missing = [f.name for f in dataclasses.fields(cls) if f.name not in values and _is_needed(f)]
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


def check(tree: Any, path: str = "", template: bool = False) -> None:
    """Check every field of a piece against its type and limits; of a `template` with holes, each of their values.

    Raises `InvalidArchitecture` with the path, the bad value and what is allowed.
    """
    if isinstance(tree, Hole) and template:
        for value in tree.values:
            check(value, path, template)
    elif isinstance(tree, Piece):
        if not _is_frozen(type(tree)):
            raise InvalidArchitecture(
                f"{type(tree).__name__} is no frozen dataclass; its class needs @dataclass(frozen=True)", path
            )
        for name, hint in _hints(type(tree)).items():
            _check_value(hint, getattr(tree, name), f"{path}.{name}".lstrip("."), template)


def _is_frozen(cls: Any) -> bool:
    return dataclasses.is_dataclass(cls) and bool(getattr(cls, "__dataclass_params__").frozen)  # noqa: B009 - no stub


def _hints(cls: Any) -> dict[str, Any]:
    """The type of each field. Kept in the class, so that it is known where a class of a script is sent to a worker:
    there the names in its annotations mean nothing.
    """
    known: dict[str, Any] | None = vars(cls).get(RESOLVED)
    if known is None:
        hints = typing.get_type_hints(cls, include_extras=True)
        known = {field.name: hints[field.name] for field in dataclasses.fields(cls)}
        setattr(cls, RESOLVED, known)
    return known


def _check_value(hint: Any, value: Any, path: str, template: bool) -> None:
    origin = typing.get_origin(hint)
    if isinstance(value, Hole):
        if not template:
            raise InvalidArchitecture(f"an open choice {value.name!r}; decode a point of the space first", path)
        for each in value.values:
            _check_value(hint, each, path, template)
    elif origin is Annotated:
        base, *rules = typing.get_args(hint)
        _check_value(base, value, path, template)
        for rule in rules:
            if isinstance(rule, Range) and value not in rule:
                raise InvalidArchitecture(f"{short(value)}, allowed is {rule}", path)
    elif origin is Literal:
        allowed = typing.get_args(hint)
        if not any(value == option and type(value) is type(option) for option in allowed):
            raise InvalidArchitecture(f"{short(value)}, allowed: {', '.join(map(repr, allowed))}", path)
    elif origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        if value is not None or len(options) == len(typing.get_args(hint)):
            _check_value(options[0], value, path, template)
    elif origin is tuple:
        if not isinstance(value, tuple):
            hold = "; in Python a tuple" if isinstance(value, list) else ""
            raise InvalidArchitecture(f"{short(value)}, allowed is a list{hold}", path)
        if len(value) > MAX_ENTRIES:
            raise InvalidArchitecture(f"{len(value)} entries; at most {MAX_ENTRIES} are allowed", path)
        for index, part in enumerate(value):
            _check_value(typing.get_args(hint)[0], part, f"{path}[{index}]", template)
    elif hint is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or (isinstance(value, float) and not isfinite(value)):
            raise InvalidArchitecture(f"{short(value)}, allowed is a number", path)
    elif isinstance(hint, type):
        if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
            article = "an" if hint.__name__[0] in "aeiouAEIOU" else "a"
            raise InvalidArchitecture(f"{short(value)}, allowed is {article} {hint.__name__}", path)
        check(value, path, template)


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
