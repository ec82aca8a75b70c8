"""A database and the application over it, as the tests ask it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from nas.store import Store

HOSTILE = "<script>alert(1)</script>/é"


@dataclass
class Site:
    """A database, and the application that reads it."""

    path: Path
    store: Store
    client: TestClient

    def get(self, path: str, status: int = 200) -> Any:
        """The document at a path."""
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.json()
