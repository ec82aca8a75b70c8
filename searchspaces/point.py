"""`Point`: a place in a search space, one choice for each active axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from searchspaces.errors import InvalidPoint


class Point(Mapping[str, int]):
    """One choice (an index) for each active axis of a space: immutable, hashable, in axis order."""

    __slots__ = ("_choices", "_hash")

    def __init__(self, choices: Mapping[str, int]) -> None:
        self._choices = dict(choices)
        self._hash = hash(frozenset(self._choices.items()))

    def __getitem__(self, axis: str) -> int:
        return self._choices[axis]

    def __iter__(self) -> Iterator[str]:
        return iter(self._choices)

    def __len__(self) -> int:
        return len(self._choices)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and self._choices == other._choices

    def __repr__(self) -> str:
        return f"Point({self._choices})"

    def to_json(self) -> dict[str, int]:
        """The choices as a plain dict, axis name to index."""
        return dict(self._choices)

    @classmethod
    def from_json(cls, document: Mapping[str, int]) -> Point:
        """The point that `to_json` wrote; `Space.point` checks that it is one of a given space.

        Raises `InvalidPoint` for anything but an object of whole numbers.
        """
        if not isinstance(document, Mapping):
            raise InvalidPoint(f"a point is an object of axis name to choice, not {type(document).__name__}")
        for axis, choice in document.items():
            if type(choice) is not int:
                raise InvalidPoint(f"axis {axis!r}: choice {choice!r}; a choice is a whole number")
        return cls(document)
