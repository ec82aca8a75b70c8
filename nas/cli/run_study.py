"""One study run from the command line: progress, the front, and how to go on when it was cut short."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from nas.cli import EXIT_INTERRUPTED, EXIT_TERMINATED
from nas.cli.look import print_front
from nas.cli.output import DEFAULT_STORAGE, duration, note, print_json
from nas.cli.spending import told as cost

if TYPE_CHECKING:
    from nas.results import Study
    from nas.store import Store


def run_study(name: str, store: Store, storage: str, quiet: bool, as_json: bool, work: Callable[[Any], Study]) -> None:
    """Run with progress on stderr, then print the front; if it was cut short, the command that resumes."""
    from nas.cli.progress import Progress
    from nas.errors import ClusterLost
    from nas.executors import Terminated

    begun = time.monotonic()
    where = "" if storage == DEFAULT_STORAGE else f" --storage {_masked(storage)}"
    try:
        with Progress(quiet=quiet) as progress:
            study = work(progress)
    except (KeyboardInterrupt, Terminated) as signal:
        note(f"\nstopped; finished trials are kept. Go on with: nas resume {name}{where}")
        raise typer.Exit(EXIT_INTERRUPTED if isinstance(signal, KeyboardInterrupt) else EXIT_TERMINATED) from None
    except ClusterLost as error:
        how = f"nas resume {name}{where}, on another cluster with --ray-address HOST:PORT"
        raise ClusterLost(f"{error}. Go on with: {how}") from error
    if study.ended_because:
        note(f"stopped before the budget: {study.ended_because}")
    document = study.to_json()
    if as_json:
        print_json(document)
        return
    print_front(document)
    if not quiet:
        counts = document["study"]["counts"]
        told = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
        trained, whole = (document["epochs"][name] for name in ("trained", "without_scheduler"))
        saved = f"; {trained} of {whole} epochs trained" if trained < whole else ""
        note(f"\n{told}{saved}; {duration(time.monotonic() - begun)}")
        if document["study"]["spent"]:
            note(cost(document["study"]["spent"]))
        best = f" · nas describe {name}:{document['front'][0]['trial']}{where}" if document["front"] else ""
        final = f" · nas retrain {name} --top 3{where}" if best and document["study"]["spec"]["data_key"] else ""
        note(f"look further: nas show {name}{where}{best}{final}")


def _masked(storage: str) -> str:
    from nas.store.address import masked

    return masked(storage)
