"""Writes databases/<revision>.sql: a small database of the newest revision, kept for ever.

Run it once when a revision is released (`PYTHONPATH=. python tests/store/store_freeze.py`). A test opens every
database kept there, so that no later program loses what an earlier one wrote.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from store_writer import metrics, new_trial, train

from nas.store import open_store
from nas.store.schema import REVISIONS

WHERE: dict[str, Any] = {
    "machine": "a machine",
    "device": "cpu",
    "threads": 1,
    "batch": 1,
    "precision": "float32",
    "kind": "network",
}
FOLDER = Path(__file__).parent / "databases"


def freeze() -> Path:
    """Write the file of the newest revision; its path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "studies.db"
        with open_store(path) as store:
            study = store.create_study("frozen", {"space": "resnext", "seed": 3})
            source = train(store, study.id, 0, asked=0)
            store.add_trial(study.id, new_trial(0, state="complete", reused_from=source, asked=1, told=2))
            store.add_trial(study.id, new_trial(1, state="infeasible", reason="flops", asked=3, told=4))
            running = store.add_trial(study.id, new_trial(2, asked=5))
            store.start(running.id, "worker-0")
            store.retry(running.id, "the worker died", "Traceback (most recent call last):\n  MemoryError")
            store.start(running.id, "worker-0")
            store.record_epoch(running.id, 1, metrics(1))
            train(store, study.id, 3, kind="baseline", name="resnet18")
            store.spend(study.id, {"seconds": 1.5})
            store.keep_latency(**WHERE, key="0" * 16, median=0.002, low=0.001, high=0.003, runs=9)
            store.add_curve(study.id, 2, {"entropy": 0.5})
        with closing(sqlite3.connect(path)) as raw:
            text = "\n".join(raw.iterdump())
    target = FOLDER / f"{REVISIONS[-1]}.sql"
    target.write_text(text + "\n", encoding="utf-8")
    return target


if __name__ == "__main__":
    print(freeze())
