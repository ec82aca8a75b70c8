"""Image folders made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeFolder = Callable[..., Path]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root, which no test leaves."""
    path = tmp_path / "root"
    monkeypatch.setenv("NAS_DATA", str(path))
    return path


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Write noise images: `make_folder("pets", train=10, test=2)`; a split named "" lies directly in the folder."""

    def make(
        name: str = "pets",
        *,
        classes: tuple[str, ...] = ("cat", "dog"),
        size: tuple[int, int] = (8, 8),
        mode: str = "RGB",
        direct: int = 0,
        seed: int = 0,
        **splits: int,
    ) -> Path:
        rng = np.random.default_rng(seed)
        folder = tmp_path / name
        for split, count in {**({".": direct} if direct else {}), **splits}.items():
            for label in classes:
                (folder / split / label).mkdir(parents=True, exist_ok=True)
                for i in range(count):
                    image = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).convert(mode)
                    image.save(folder / split / label / f"{i:03}.png")
        return folder

    return make
