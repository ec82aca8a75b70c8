"""Many file names in little memory: `Paths`. A million `str` objects take 150 MB in each process, this 40 MB."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import overload

import numpy as np


class Paths(Sequence[str]):
    """Files below one folder, in order; each is made into text when it is asked for."""

    def __init__(self, folder: str, names: Iterable[str]) -> None:
        encoded = [os.fsencode(name) for name in names]
        self._folder = folder
        self._names = b"".join(encoded)
        self._ends = np.fromiter(accumulate(map(len, encoded), initial=0), np.int64, len(encoded) + 1)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, which: int) -> str: ...

    @overload
    def __getitem__(self, which: slice) -> list[str]: ...

    def __getitem__(self, which: int | slice) -> str | list[str]:
        if isinstance(which, slice):
            return [self[i] for i in range(*which.indices(len(self)))]
        position = range(len(self))[which]  # an index below zero, or one that is out of range
        name = self._names[self._ends[position] : self._ends[position + 1]]
        return f"{self._folder}/{os.fsdecode(name)}"
