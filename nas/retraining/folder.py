"""The folder of one network's runs: what they are, and nobody else's while they go on."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas.checkpoint import write_whole
from nas.errors import RecipeError, RetrainingError
from nas.recipe import Recipe
from searchspaces.documents import short

RUN, RESULT = "run.json", "result.json"


@contextmanager
def claimed(folder: Path, identity: Mapping[str, Any], about: Mapping[str, Any]) -> Iterator[None]:
    """The folder for this run: new, or one in which the same was begun. `about` is noted for people.

    Raises `RetrainingError` where it holds another run or another process trains there, `CheckpointError` where it
    cannot be written.
    """
    path = folder / RUN
    if not path.exists():
        write_json(path, {"run": dict(identity), **about})
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RetrainingError(
                f"{folder}: another process trains there; wait for it, or give another --output"
            ) from None
        _compare(folder, _run_in(path, file.read()), identity)
        for part in folder.glob("*/.*.part"):  # of a process that was killed while it wrote
            part.unlink(missing_ok=True)
        yield


def _run_in(path: Path, text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)["run"]
        if isinstance(found, dict):
            return found
    except (ValueError, KeyError, TypeError):
        pass
    raise RetrainingError(f"{path} is not what nas retrain wrote; give another --output, or remove {path.parent}")


def _compare(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    theirs, ours = _flat(there), _flat(here)
    for name in sorted(theirs.keys() | ours.keys()):
        if theirs.get(name) != ours.get(name):
            raise RetrainingError(
                f"{folder} holds another run: {name} is {short(theirs.get(name))} there and {short(ours.get(name))} "
                "here; give another --output, or remove the folder"
            )


def _flat(run: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a run and of its recipe; one that the recipe had not yet when it was stored has its default."""
    rest = {name: value for name, value in run.items() if name != "recipe"}
    try:
        return {**rest, **Recipe.from_json(run.get("recipe", {})).to_json()}
    except (RecipeError, AttributeError, TypeError) as error:
        return {**rest, "recipe": str(error)}


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """One JSON document, whole or not at all. Raises `CheckpointError`."""
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def read_result(folder: Path) -> dict[str, Any] | None:
    """The result of a seed that has been trained to its end; None where it has not. Raises `RetrainingError`."""
    path = folder / RESULT
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RetrainingError(f"{path} cannot be read ({error}); remove it to train this seed again") from None
    if not isinstance(document, dict):
        raise RetrainingError(f"{path} is not a result of nas retrain; remove it to train this seed again")
    return document
