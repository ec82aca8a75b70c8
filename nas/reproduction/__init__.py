"""Published results trained again: hand-designed networks beside their papers' figures, and degradation."""

from __future__ import annotations
