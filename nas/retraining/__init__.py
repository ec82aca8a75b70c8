"""Final training: from scratch under the full recipe, on all training images, and then the test split, once."""

from __future__ import annotations
