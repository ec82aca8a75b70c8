"""What the dashboard costs: start, memory, each API call; in a headless Chromium the first plot, a click, a new trial.

    python scripts/bench_dashboard.py --trials 100000 --studies 40

Makes a database of made-up results over real points of the space resnext, serves it, and asks. Chromium is driven by
Playwright where both are installed; where not, the script says so.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from nas.spec import StudySpec
from nas.store import Store, open_store
from nas.store.tables import architectures, curves, epochs, recipes, studies, trials
from searchspaces import find_space, price

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
NETWORKS, TOGETHER, EPOCHS = 400, 20_000, 5  # distinct architectures; rows of one insert; epochs of a learning curve
CALLS = (
    "/api/studies",
    "/api/points",
    "/api/points?limit=4000",
    "/api/published",
    "/api/trials?sort=accuracy&descending=true&limit=50",
    "/api/trials/study-00/7",
    "/api/trials/study-00/7/drawing.svg",
    "/api/progress",
    "/api/axes",
    "/api/compare?trial=study-00:7&trial=study-01:8",
)


def main() -> None:
    """Make, serve, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--database", type=Path, help="keep it here, or use what is here; default: a temporary file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.database or Path(folder) / "bench.db"
        if not path.exists():
            began = time.perf_counter()
            make(path, options.trials, options.studies)
            print(
                f"database: {options.trials:,} trials in {options.studies} studies, {time.perf_counter() - began:.1f} s"
            )
        measure(path, folder)


def make(path: Path, total: int, count: int) -> None:
    """Write a database of finished studies in bulk."""
    rng = random.Random(0)
    space = find_space("resnext", 32)
    networks = []
    for _ in range(NETWORKS):
        point = space.sample(rng)
        architecture = space.decode(point)
        networks.append((point.to_json(), architecture, price(architecture.draw((3, 32, 32), 10))))
    spec = StudySpec(
        *("resnext", "training", (3, 32, 32), 10, "random", ("accuracy", "flops"), (), {"epochs": EPOCHS}, 0),
        budget=total // count,
        dataset={"name": "cifar10"},
    ).to_json()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with open_store(path) as store, store.database.write() as connection:
        documents = {network.key: network.to_json() for _, network, _ in networks}
        connection.execute(insert(architectures), [{"key": k, "document": d} for k, d in documents.items()])
        connection.execute(insert(recipes), [{"key": "recipe", "document": {"epochs": EPOCHS}}])
        for index in range(count):
            row = {"id": index + 1, "name": f"study-{index:02}", "spec": spec, "created_at": start}
            connection.execute(insert(studies), row | {"finished_at": start})
        rows = made(rng, networks, total, count, start)
        while block := [row for row, _ in zip(rows, range(TOGETHER), strict=False)]:
            connection.execute(insert(trials), block)
            learned = [row for row in block if row["number"] < 100 and row["state"] == "complete"]
            if learned:
                connection.execute(insert(epochs), [epoch for row in learned for epoch in learning(row)])
        steps = [{"study_id": 1, "step": step, "values": {"entropy": 1 / (1 + step)}} for step in range(5000)]
        connection.execute(insert(curves), steps)


def made(rng: random.Random, networks: list[Any], total: int, count: int, start: datetime) -> Iterator[dict[str, Any]]:
    """Trials, study by study: accuracy rises with the FLOPs, one in fifty failed, three of each study are baselines."""
    each = total // count
    for identifier in range(1, total + 1):
        study, number = divmod(identifier - 1, each)
        if study >= count:
            return
        point, network, cost = rng.choice(networks)
        flops = round(cost.flops * rng.uniform(0.97, 1.03))  # so that the points do not stand in columns
        failed = number >= 3 and rng.random() < 0.02
        accuracy = None if failed else min(0.99, 0.995 - (3e5 / flops) ** 0.5 * 0.4 - rng.expovariate(25))
        moment = start + timedelta(minutes=number)
        yield {
            "id": identifier,
            "study_id": study + 1,
            "number": number,
            "kind": "child" if number >= 3 else "baseline",
            "name": None if number >= 3 else f"baseline-{number}",
            "state": "failed" if failed else "complete",
            "reason": "out of memory" if failed else None,
            "architecture_key": network.key,
            "graph_key": f"{identifier:016x}",
            "point": point,
            "evaluator_key": "made-up",
            "recipe_key": "recipe",
            "seed": 0,
            "params": cost.params,
            "flops": flops,
            "activations": cost.activations,
            "memory": cost.memory,
            "metrics": None if failed else {"epoch": EPOCHS, "val_accuracy": accuracy, "seconds": 1.5},
            "val_accuracy": accuracy,
            "epochs": EPOCHS,
            "asked": 2 * number,
            "told": 2 * number + 1,
            "reused_from": None,
            "worker": "made-up",
            "created_at": moment,
            "started_at": moment,
            "finished_at": moment + timedelta(minutes=1),
        }


def learning(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The learning curve of a trial."""
    for epoch in range(1, EPOCHS + 1):
        value = row["val_accuracy"] * epoch / EPOCHS
        metrics = {"epoch": epoch, "val_accuracy": value, "seconds": 1.5}
        yield {"trial_id": row["id"], "epoch": epoch, "metrics": metrics, "val_accuracy": value, "seconds": 1.5}


@contextmanager
def serving(path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A dashboard over the database, and its address."""
    command = [str(Path(sys.executable).with_name("nas")), "dashboard", "--storage", str(path), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server, server.stdout.readline().split()[1]
    finally:
        server.terminate()
        server.wait(10)


def measure(path: Path, folder: str) -> None:
    """Serve the database and print every figure."""
    began = time.perf_counter()
    with serving(path) as (server, base):
        ask(base, "/")
        print(f"server: start to first answered request {time.perf_counter() - began:.2f} s")
        time.sleep(1)
        print(f"server: {memory(server.pid):.0f} MB idle")
        print(f"{'call':<52}{'first':>9}{'again':>9}{'gzip KB':>9}")
        for call in CALLS:
            first, size = ask(base, call)
            again = statistics.median(ask(base, call)[0] for _ in range(3))
            print(f"{call:<52}{1000 * first:>6.0f} ms{1000 * again:>6.0f} ms{size / 1024:>9.0f}")
        print(f"server: {memory(server.pid):.0f} MB after all calls")
        if not has_browser():
            return
        first, opened = browse(base)
        print(f"chromium: first plot {first:.2f} s, click to details {opened:.0f} ms (medians of three)")
        print(f"server: {memory(server.pid):.0f} MB after the browser")
    with serving(path) as (_, base):
        print(f"chromium: first plot of a server that has just started {browse(base, 1)[0]:.2f} s")
    copy = Path(folder) / "live.db"
    shutil.copyfile(path, copy)
    with serving(copy) as (server, base):
        print("chromium: a trial that ends is seen after " + live(base, copy))
        print(f"server: {memory(server.pid):.0f} MB after that")


def has_browser() -> bool:
    """Whether Chromium can be driven here; says what is missing."""
    if shutil.which("chromium") is None:
        print("chromium: not installed, so nothing is measured in a browser")
        return False
    if find_spec("playwright") is None:
        print("playwright: not installed, so nothing is measured in a browser")
        return False
    return True


def ask(base: str, call: str) -> tuple[float, int]:
    """Seconds until the whole answer is here, and its bytes as sent."""
    began = time.perf_counter()
    request = urllib.request.Request(base + call, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        body = answer.read()
        packed = answer.headers.get("Content-Encoding") == "gzip"
    seconds = time.perf_counter() - began
    if call.startswith("/api/") and not call.endswith(".svg"):
        json.loads(gzip.decompress(body) if packed else body)
    return seconds, len(body)


def memory(pid: int) -> float:
    """Resident memory of a process in MB (10^6 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def browse(base: str, times: int = 3) -> tuple[float, float]:
    """First plot in seconds, and click to details in milliseconds: medians of so many fresh browsers."""
    from playwright.sync_api import sync_playwright

    plots, clicks = [], []
    for _ in range(times):
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(base + "/", wait_until="commit")
            page.wait_for_selector("html[data-ready=front]", state="attached", timeout=60_000)
            plots.append(page.evaluate("performance.getEntriesByName('nas:ready')[0].startTime"))
            page.wait_for_timeout(500)
            clicks.append(click(page))
            browser.close()
    return statistics.median(plots) / 1000, statistics.median(clicks)


def live(base: str, path: Path) -> str:
    """Seconds from the commit of a trial to its being on the page, five times on the front and five over time."""
    from playwright.sync_api import sync_playwright

    shown = {
        "front": "document.querySelector('.pointchart').dataset.points",
        "time": "document.querySelector('#progress-table tbody td').innerText",
    }
    said = []
    with sync_playwright() as driver, open_store(path) as store:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for place, (view, look) in enumerate(shown.items()):
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(base + {"front": "/", "time": "/time"}[view])
            page.wait_for_selector(f"html[data-ready={view}]", state="attached", timeout=60_000)
            page.wait_for_selector("#live[data-state=on]")
            late = []
            for number in range(5):
                page.wait_for_timeout(1000 + 170 * number)  # at different moments between two looks of the server
                before = page.evaluate(look)
                end_one_more(store, 10**7 + 10 * place + number)
                began = time.perf_counter()
                page.wait_for_function(f"before => {look} !== before", arg=before, timeout=30_000)
                late.append(time.perf_counter() - began)
            said.append(f"{statistics.median(late):.2f} s, {max(late):.2f} s at most ({view})")
            page.close()
        browser.close()
    return "; ".join(said)


def end_one_more(store: Store, number: int) -> None:
    """Add a complete trial to the first study: its fifth once more, with another number."""
    with store.database.write() as connection:
        known = select(trials).where(trials.c.study_id == 1, trials.c.number == 5)
        row = dict(connection.execute(known).mappings().one())
        row |= {"id": number, "number": number, "asked": None, "told": None, "finished_at": datetime.now(UTC)}
        connection.execute(insert(trials), row)


def click(page: Any) -> float:
    """Milliseconds from a click on a point of the front to its details."""
    box = page.locator(".pointchart .scatterlayer .points path").last.bounding_box()
    page.evaluate("addEventListener('pointerdown', () => (window.began = performance.now()), { capture: true })")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#details[data-state=ready]", timeout=10_000)
    elapsed: float = page.evaluate("performance.getEntriesByName('nas:details')[0].startTime - window.began")
    return elapsed


if __name__ == "__main__":
    main()
