"""Numbers as JSON: typed columns in the form that Plotly and `static/api.js` take as they are."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import numpy.typing as npt


def pack(values: npt.ArrayLike, kind: str) -> dict[str, str]:
    """A column as `{"dtype", "bdata"}`: little-endian numbers in base64. `kind` is f4, f8, i1, i2, i4, u1 or u2."""
    column = np.ascontiguousarray(values, dtype=f"<{kind}" if kind[1:] != "1" else kind)
    return {"dtype": kind, "bdata": base64.b64encode(column.data).decode("ascii")}


def pack_counts(values: npt.NDArray[np.int64]) -> dict[str, str]:
    """A column of whole numbers from 0, as u1, u2 or i4, whichever is the narrowest that holds them."""
    most = int(values.max(initial=0))
    return pack(values, "u1" if most < 2**8 else "u2" if most < 2**16 else "i4")


def unpack(column: dict[str, str]) -> npt.NDArray[Any]:
    """The numbers of a packed column."""
    kind = column["dtype"]
    return np.frombuffer(base64.b64decode(column["bdata"]), dtype=f"<{kind}" if kind[1:] != "1" else kind)


def number(value: float | None) -> float | None:
    """A number as JSON has it: None for NaN and infinities."""
    return None if value is None or not math.isfinite(value) else float(value)
