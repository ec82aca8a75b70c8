"""What a search cost, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.cli.output import count


def told(spent: Mapping[str, Any]) -> str:
    """Such as `cost: 0.31 CPU-hours, 26 networks, 104 epochs (16 saved), 98.1 T FLOPs of training`."""
    hours = f"{spent['cpu_hours']:.2g} CPU-hours"
    if spent["gpu_hours"]:
        hours = f"{spent['gpu_hours']:.2g} GPU-hours, {hours}"
    saved = f" ({spent['epochs_saved']} saved)" if spent["epochs_saved"] else ""
    flops = f", {count(spent['training_flops'])} FLOPs of training" if spent["training_flops"] else ""
    return f"cost: {hours}, {spent['children'] + spent['baselines']} networks, {spent['epochs']} epochs{saved}{flops}"
