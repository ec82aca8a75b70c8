"""The errors of the language: one line with the offending path, the bad value and what is allowed.

SearchSpaceError
├── InvalidArchitecture    a value that no network may have, or a network that cannot be drawn
├── InvalidSpace           a template whose holes contradict each other
├── InvalidPoint           choices that are not a point of the space
└── NotInSpace             an architecture that is no point of the space
"""

from __future__ import annotations


class SearchSpaceError(Exception):
    """Something wrong with an architecture, a space or a point; the message is one line, whatever is put into it."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """A text with each run of blanks as one blank, and without what would move a terminal's cursor."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in " ".join(text.split()))


class InvalidArchitecture(SearchSpaceError):
    """A value that no network may have, or a network that cannot be drawn on this image.

    `path` says where, as in `stages[2].block.kernel`; empty when it concerns the whole.
    """

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.problem = problem
        self.path = path

    def within(self, parent: str) -> InvalidArchitecture:
        """The same error seen from the tree that contains `parent`."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        return InvalidArchitecture(self.problem, f"{parent}{dot}{self.path}")


class InvalidSpace(SearchSpaceError):
    """A template whose holes contradict each other."""


class InvalidPoint(SearchSpaceError):
    """Choices that are not a point of the space."""


class NotInSpace(SearchSpaceError):
    """An architecture that is no point of the space; the message names the path that differs."""
