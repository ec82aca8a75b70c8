"""What a training keeps in its folder: the state to resume from, as .safetensors and JSON, and its learning curve."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nas.checkpoint import write_whole
from nas.errors import CheckpointError
from nas.training.state import State, restore, state_of

if TYPE_CHECKING:
    from nas.training.train import Training

STATE, CURVE = "state.safetensors", "epochs.jsonl"
ENTRY = "nas-training"  # of the file's metadata
FORMAT = 1
History = list[dict[str, float]]


@dataclass(frozen=True, eq=False)
class Saved:
    """A state, and the metrics of every epoch up to it."""

    state: State
    history: History


def go_on(training: Training, folder: Path) -> History:
    """Bring a new training to where one in `folder` stopped; the metrics of its epochs, none of a fresh folder.

    Raises `CheckpointError` for a state that is none, or another training's.
    """
    saved = read_state(folder / STATE)
    if saved is None:
        return []
    restore(training, saved.state)
    return saved.history


def keep(training: Training, folder: Path, history: Sequence[dict[str, float]]) -> None:
    """Write the state after the last epoch, and the learning curve. Raises `CheckpointError`."""
    write_state(folder / STATE, state_of(training), history)
    lines = "".join(json.dumps(epoch) + "\n" for epoch in history)
    write_whole(folder / CURVE, lambda part: part.write_text(lines))


def write_state(path: Path, state: State, history: Sequence[dict[str, float]]) -> None:
    """Put the file in place of the one before. Raises `CheckpointError` where that cannot be done."""
    from safetensors.torch import save_file

    tensors = {name: value.detach().contiguous().cpu() for name, value in state.tensors.items()}
    document = {"format": FORMAT, "state": dict(state.document), "history": list(history)}
    metadata = {ENTRY: json.dumps(document, allow_nan=False)}
    write_whole(path, lambda part: save_file(tensors, part, metadata=metadata))


def read_state(path: Path) -> Saved | None:
    """What was written; None where there is no file. Raises `CheckpointError` for a file that is none of these."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            document = json.loads((file.metadata() or {})[ENTRY])
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            return Saved(State(tensors, dict(document["state"])), [dict(epoch) for epoch in document["history"]])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: not a state to resume from ({error}); remove it to start over") from None
