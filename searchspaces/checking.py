"""Whether every value in a tree of pieces is of its type and within its limits; the first that is not, by its path."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from math import isfinite
from typing import Annotated, Any, Literal, TypeAlias
from weakref import WeakKeyDictionary

from searchspaces.documents import MAX_ENTRIES, Piece, Range, short
from searchspaces.errors import InvalidArchitecture
from searchspaces.holes import Hole

RESOLVED = "_types_of_fields"

Test: TypeAlias = Callable[[Any, bool], None]
"""Of a value, in a template or not. Raises `InvalidArchitecture` with the path below this value."""

_TESTS: WeakKeyDictionary[type, tuple[tuple[str, Test], ...]] = WeakKeyDictionary()


def check(tree: Any, template: bool = False) -> None:
    """Check every field of a piece against its type and limits; of a `template` with holes, each of their values.

    Raises `InvalidArchitecture` with the path, the bad value and what is allowed.
    """
    if isinstance(tree, Hole) and template:
        for value in tree.values:
            check(value, template)
    elif isinstance(tree, Piece):
        for name, test in _tests(type(tree)):
            try:
                test(getattr(tree, name), template)
            except InvalidArchitecture as error:
                raise error.within(name) from None


def _tests(cls: Any) -> tuple[tuple[str, Test], ...]:
    """The name and the test of each field. Made once: workers check every document that they get."""
    tests = _TESTS.get(cls)
    if tests is None:
        if not _is_frozen(cls):
            raise InvalidArchitecture(f"{cls.__name__} is no frozen dataclass; its class needs @dataclass(frozen=True)")
        tests = _TESTS[cls] = tuple((name, _test(hint)) for name, hint in _hints(cls).items())
    return tests


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


def _test(hint: Any) -> Test:
    """The test of a type, which an open choice passes in a template if each of its values does."""
    whole = _whole(hint)

    def test(value: Any, template: bool) -> None:
        if not isinstance(value, Hole):
            whole(value, template)
        elif template:
            for each in value.values:
                test(each, template)
        else:
            raise InvalidArchitecture(f"an open choice {value.name!r}; decode a point of the space first")

    return test


def _whole(hint: Any) -> Test:
    """The test of a type for what is no open choice."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _limited(_test(inner[0]), [rule for rule in inner[1:] if isinstance(rule, Range)])
    if origin is Literal:
        return _one_of(inner)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in inner if option is not type(None)]
        return _optional(_test(options[0])) if len(options) < len(inner) else _test(options[0])
    if origin is tuple:
        return _row(_test(inner[0]))
    if hint is float:
        return _number
    return _instance(hint) if isinstance(hint, type) else lambda value, template: None


def _limited(base: Test, rules: list[Range]) -> Test:
    def test(value: Any, template: bool) -> None:
        base(value, template)
        for rule in rules:
            if value not in rule:
                raise InvalidArchitecture(f"{short(value)}, allowed is {rule}")

    return test


def _one_of(allowed: tuple[Any, ...]) -> Test:
    def test(value: Any, template: bool) -> None:
        if not any(value == option and type(value) is type(option) for option in allowed):
            raise InvalidArchitecture(f"{short(value)}, allowed: {', '.join(map(repr, allowed))}")

    return test


def _optional(test: Test) -> Test:
    return lambda value, template: None if value is None else test(value, template)


def _row(each: Test) -> Test:
    def test(value: Any, template: bool) -> None:
        if not isinstance(value, tuple):
            hold = "; in Python a tuple" if isinstance(value, list) else ""
            raise InvalidArchitecture(f"{short(value)}, allowed is a list{hold}")
        if len(value) > MAX_ENTRIES:
            raise InvalidArchitecture(f"{len(value)} entries; at most {MAX_ENTRIES} are allowed")
        for index, part in enumerate(value):
            try:
                each(part, template)
            except InvalidArchitecture as error:
                raise error.within(f"[{index}]") from None

    return test


def _number(value: Any, template: bool) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or (isinstance(value, float) and not isfinite(value)):
        raise InvalidArchitecture(f"{short(value)}, allowed is a number")


def _instance(cls: type) -> Test:
    article = "an" if cls.__name__[0] in "aeiouAEIOU" else "a"

    def test(value: Any, template: bool) -> None:
        if not isinstance(value, cls) or (cls is int and isinstance(value, bool)):
            raise InvalidArchitecture(f"{short(value)}, allowed is {article} {cls.__name__}")
        check(value, template)

    return test
