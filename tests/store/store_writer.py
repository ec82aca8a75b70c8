"""What the store's tests write, in this process or, as a program, in another one that may be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from nas.errors import StoreError
from nas.store import NewTrial, Store, open_store

EPOCHS = 3


def new_trial(content: int = 0, **changes: Any) -> NewTrial:
    """A child whose architecture is told apart by `content`."""
    values: dict[str, Any] = {
        "architecture_key": f"{content:016x}",
        "architecture": {"stages": [{"block": "bottleneck", "kernel": 3, "content": content}]},
        "graph_key": f"{content + 1:016x}",
        "evaluator_key": "digits:1a2b",
        "recipe_key": "00000000000000aa",
        "recipe": {"epochs": EPOCHS, "lr": 0.1},
        "seed": 0,
        "params": 1_000 + content,
        "flops": 5_000_000_000 + content,
        "activations": 2_000 + content,
        "memory": 8_000 + content,
        "point": {"kernel": 1, "depth": content},
    }
    return NewTrial(**{**values, **changes})


def metrics(epoch: int, accuracy: float | None = None) -> dict[str, float]:
    """The metrics of one epoch."""
    value = epoch / 10 if accuracy is None else accuracy
    return {"epoch": epoch, "train_loss": 1 / epoch, "val_accuracy": value, "seconds": 0.5}


def train(store: Store, study_id: int, content: int, accuracy: float | None = None, **changes: Any) -> int:
    """Take one trial from its addition to its completion; its id."""
    trial = store.add_trial(study_id, new_trial(content, **changes))
    store.start(trial.id, "worker-0")
    for epoch in range(1, EPOCHS + 1):
        store.record_epoch(trial.id, epoch, metrics(epoch, accuracy))
    store.end(trial.id, "complete")
    return trial.id


def write(url: str, study: str, count: int, first: int) -> None:
    """Write trials into a study that this or another process creates; print the id of each that is complete."""
    with open_store(url) as store:
        with contextlib.suppress(StoreError):
            store.create_study(study, {})
        record = store.study(study)
        for content in range(first, first + count):
            print(train(store, record.id, content), flush=True)


def kill_at_each_step(folder: str) -> None:
    """For n = 0, 1, …: a process writes `n.db` and is killed at its n-th statement.

    Ends with the first n at which the process came to its end.
    """
    from sqlalchemy import Engine, event

    for n in range(10_000):
        child = os.fork()
        if child == 0:
            left = n

            def count(*_: object) -> None:
                nonlocal left
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1

            # SQLite itself tells of each statement, of BEGIN and COMMIT too.
            event.listen(Engine, "connect", lambda raw, record: raw.set_trace_callback(count))
            with open_store(Path(folder) / f"{n}.db") as store:
                study = store.create_study("killed", {})
                source = train(store, study.id, 0, asked=0)
                store.add_trial(study.id, new_trial(0, state="complete", reused_from=source, asked=1, told=2))
                again = store.add_trial(study.id, new_trial(1))
                store.start(again.id)
                store.record_epoch(again.id, 1, metrics(1))
                store.requeue(again.id)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            print(n, os.WEXITSTATUS(status))
            return


def open_together(folder: str, files: int, processes: int) -> None:
    """Several processes open each new file at the same moment; print the number of those that failed."""
    failed = 0
    for n in range(files):
        wait, go = os.pipe()
        children = []
        for _ in range(processes):
            child = os.fork()
            if child == 0:
                os.close(go)
                os.read(wait, 1)  # returns when the parent closes its end
                try:
                    open_store(Path(folder) / f"{n}.db").close()
                except BaseException as error:
                    print(error, file=sys.stderr, flush=True)
                    os._exit(1)
                os._exit(0)
            children.append(child)
        os.close(wait)
        os.close(go)
        failed += sum(os.waitpid(child, 0)[1] != 0 for child in children)
    print(failed)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    elif sys.argv[1] == "kill":
        kill_at_each_step(sys.argv[2])
    else:
        open_together(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
