"""Where the table of NAS-Bench-Macro is, for the tests that read it; they skip visibly where it is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NAME = "nas-bench-macro_cifar10.json"
FOLDERS = (Path(os.environ.get("NAS_DATA") or "nowhere"), Path(__file__).parents[2] / "shared" / "data")
FILES = [path for folder in FOLDERS for path in (folder / NAME, folder / "nas-bench-macro" / NAME) if path.is_file()]

listed = pytest.mark.skipif(not FILES, reason=f"{NAME} is neither in $NAS_DATA nor in ../shared/data/nas-bench-macro")
