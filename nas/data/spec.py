"""What data a study asks for: `DataSpec`, its validation and its JSON form."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from nas.data.folder import FOLDER
from nas.data.sources import DATASETS
from nas.errors import DataError, unknown

ROOT_VARIABLE = "NAS_DATA"
IMAGE_SIZES = (4, 1024)
SEEDS = 2**32  # what the generator of the splits can tell apart


@dataclass(frozen=True)
class DataSpec:
    """A dataset by name, and how much of it is used for what.

    `name`: a key of `DATASETS`, or `folder:PATH`; PATH is made absolute here, so that workers with another
    current directory find it. `root`: where downloads and decoded arrays live; None: the environment's
    NAS_DATA, else ~/.cache/nas. `image_size`: pixels of a side; None: as the images are.
    `fraction`: share of the training images used, in (0, 1]. `validation`: share of those held out, in [0, 1);
    0 leaves the validation split empty, for a final training. `streamed`: whether a folder's images are decoded
    anew whenever they are read, or once, into the root; None: as their decoded size says (`nas.data.capacity`).
    Raises DataError.
    """

    name: str
    root: str | None = None
    image_size: int | None = None
    fraction: float = 1.0
    validation: float = 0.2
    seed: int = 0
    streamed: bool | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        object.__setattr__(self, "name", _checked_name(self.name))
        if self.root is not None:
            if not isinstance(self.root, str) or not self.root:
                raise DataError(f"data root must be the path of a directory, got {self.root!r}")
            object.__setattr__(self, "root", _absolute(self.root))
        low, high = IMAGE_SIZES
        if self.image_size is not None and not (_whole(self.image_size) and low <= self.image_size <= high):
            raise DataError(f"image_size must be a whole number from {low} to {high}, got {self.image_size!r}")
        if not _real(self.fraction) or not 0 < self.fraction <= 1:
            raise DataError(f"fraction must be above 0 and at most 1, got {self.fraction!r}")
        if not _real(self.validation) or not 0 <= self.validation < 1:
            raise DataError(f"validation must be at least 0 and below 1, got {self.validation!r}")
        object.__setattr__(self, "fraction", float(self.fraction))  # 1 and 1.0 are one spec, with one key
        object.__setattr__(self, "validation", float(self.validation))
        if not _whole(self.seed) or not 0 <= self.seed < SEEDS:
            raise DataError(f"seed of the data must be a whole number from 0 to {SEEDS - 1}, got {self.seed!r}")
        if self.streamed is not None and not isinstance(self.streamed, bool):
            raise DataError(f"streamed must be true, false, or null to decide by size, got {self.streamed!r}")
        if self.streamed and not self.name.startswith(FOLDER):
            raise DataError(f"only {FOLDER}PATH can be streamed, got {self.name!r}; leave streamed out")

    def directory(self) -> Path:
        """Where downloads and decoded arrays live on this machine."""
        return Path(self.root or _absolute(os.environ.get(ROOT_VARIABLE) or "~/.cache/nas"))

    def to_json(self) -> dict[str, object]:
        """All fields; `from_json` gives the same spec back."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> DataSpec:
        """The spec of a JSON object; fields left out have their defaults. Raises DataError."""
        names = [field.name for field in fields(cls)]
        for name in document:
            if name not in names:
                raise DataError(unknown("field of a data spec", name, names))
        if "name" not in document:
            raise DataError("a data spec needs the field 'name', such as 'digits' or 'folder:PATH'")
        return cls(**document)  # type: ignore[arg-type]  # __post_init__ checks the types


def _checked_name(name: object) -> str:
    if not isinstance(name, str):
        raise DataError(f"name of a dataset must be text, got {name!r}")
    if name.startswith(FOLDER):
        if not name.removeprefix(FOLDER).strip():
            raise DataError(f"{name!r} names no folder; write {FOLDER}PATH")
        return FOLDER + _absolute(name.removeprefix(FOLDER))
    if name not in DATASETS:
        if os.path.isdir(os.path.expanduser(name)):
            raise DataError(f"unknown dataset {name!r}; did you mean {FOLDER + name!r}?")
        raise DataError(unknown("dataset", name, [*DATASETS, f"{FOLDER}PATH"]))
    return name


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
