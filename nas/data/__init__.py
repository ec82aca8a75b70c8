"""Datasets by name or folder, decoded once and memory-mapped: `load(DataSpec("cifar10"))`."""

from __future__ import annotations

from nas.data.dataset import Dataset, Split
from nas.data.loading import load
from nas.data.spec import DataSpec

__all__ = ["DataSpec", "Dataset", "Split", "load"]
