"""Orders on digits that train in a second or two."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nas.cli.target import find_target
from nas.retraining.selection import Wish, make_order
from nas.retraining.tasks import Order
from searchspaces import Architecture

MakeOrder = Callable[..., Order]
SHORT = {"epochs": 3, "batch_size": 64}


def find(name: str, image: tuple[int, int, int], storage: str = "none.db") -> Architecture:
    return find_target(name, image, storage).architecture


@pytest.fixture
def order(tmp_path: Path) -> MakeOrder:
    """`order("lenet5", fraction=0.3, seeds=2)`: fields of a `Wish` and of an `Order`."""

    def make(*targets: str, storage: Path | str = "none.db", **fields: Any) -> Order:
        wishes = ("top", "dataset", "image_size", "fraction", "validation", "recipe", "baselines")
        wish = {"recipe": SHORT, "fraction": 0.3, **{name: fields.pop(name) for name in wishes if name in fields}}
        fields = {"output": tmp_path / "runs", "device": "cpu", **fields}
        return make_order(Wish(targets, **wish), str(storage), partial(find, storage=str(storage)), **fields)

    return make
