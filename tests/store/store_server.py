"""A PostgreSQL server for the tests, that can be stopped and started again."""

from __future__ import annotations

from typing import Any


class Server:
    """A PostgreSQL server of the tests' own, that can be stopped and started again."""

    def __init__(self, running: Any, folder: str) -> None:
        self._running, self._folder = running, folder

    def create(self, name: str) -> str:
        """Make a database; its URL."""
        import psycopg

        with psycopg.connect(self._running.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://postgres@/{name}?host={self._folder}"

    def stop(self) -> None:
        """Shut it down; every connection breaks."""
        self._running.stop()

    def start(self) -> None:
        """Run it again, with what it has stored."""
        self._running.ensure_postgres_running()
