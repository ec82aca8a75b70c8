"""What a person sees while networks are followed: as for `nas retrain`, with other figures at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.cli.output import percent
from nas.cli.retrain_progress import RetrainProgress


class CurveProgress(RetrainProgress):
    """Says of a seed its errors after the last epoch."""

    def _told(self, result: Mapping[str, Any]) -> str:
        return f"training error {percent(result['train_error'])}, validation error {percent(result['val_error'])}"
