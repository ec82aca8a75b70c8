"""JSON as an answer: strict (no NaN), compact, in UTF-8."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response


class Json(Response):
    """A JSON document."""

    def __init__(self, document: Any, status: int = 200) -> None:
        body = json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        # A lone surrogate, which a database can hold, has no UTF-8.
        super().__init__(body.encode("utf-8", "replace"), status, media_type="application/json")
