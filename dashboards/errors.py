"""What the API refuses, as errors that carry their HTTP status."""

from __future__ import annotations

from nas.errors import NasError


class BadParameter(NasError):
    """A query parameter that cannot be (400): one line with the value and what is allowed."""


class NotThere(NasError):
    """A study, trial or network that does not exist (404)."""
