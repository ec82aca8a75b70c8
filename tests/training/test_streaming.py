"""Training from files: the same numbers as from decoded images, whatever the workers do, and none left behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import nas
from nas.data import DataSpec, load
from nas.errors import DataError
from nas.evaluators import TrainingEvaluator, _data, _placed
from nas.recipe import Recipe
from nas.training import decoders as module
from nas.training.decoders import worker_count
from nas.training.placement import Placed, place
from nas.training.streaming import Reader
from nas.training.train import measure, train
from searchspaces import SPACES

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
RECIPE = Recipe(epochs=2, batch_size=16, lr=0.05, crop=2, flip=True, cutout=4, eval_batch_size=7)
PATIENCE = 30.0  # seconds


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Reddish and greenish noise, 40 photographs of each, and 5 of each for the test split."""
    monkeypatch.setenv("NAS_DATA", str(tmp_path / "root"))
    monkeypatch.setenv("NAS_DECODED_LIMIT", "0")
    monkeypatch.setenv("NAS_LOADER_WORKERS", "1")
    rng = np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 5)):
        for channel, name in enumerate(("red", "green")):
            (tmp_path / "noise" / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 200, (20, 24, 3), np.uint8)
                pixels[:, :, channel] //= 2
                Image.fromarray(pixels).save(tmp_path / f"noise/{split}/{name}/{i:02}.jpg")
    return tmp_path / "noise"


def spec(folder: Path) -> DataSpec:
    return DataSpec(f"folder:{folder}", image_size=16)


def placed(folder: Path, **fields: object) -> Placed:
    return place(load(replace(spec(folder), **fields)), CPU)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
    )


def run(data: Placed, seed: int = 3) -> list[dict[str, float]]:
    epochs = list(train(network(), data, RECIPE, seed=seed, device=CPU))
    return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in epochs]


def children(of: int | None = None) -> set[int]:
    """Processes that a process has started and that live."""
    tasks = Path(f"/proc/{of or os.getpid()}/task")
    try:
        started = {int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()}
    except FileNotFoundError:
        return set()
    return {pid for pid in started if alive(pid)}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def before() -> Iterator[set[int]]:
    """The processes that were there, which alone may be there afterwards."""
    there = children()
    yield there
    wait_until(lambda: children() <= there)


# ---- the same numbers


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_training_is_that_of_decoded_images(
    folder: Path, monkeypatch: pytest.MonkeyPatch, workers: int, before: set[int]
) -> None:
    monkeypatch.setenv("NAS_LOADER_WORKERS", str(workers))
    decoded, streamed = placed(folder, streamed=False), placed(folder)
    assert isinstance(streamed.train.images, Reader)
    assert run(streamed) == run(decoded) == run(streamed)
    assert run(streamed, seed=4) != run(decoded)
    assert len(children() - before) == workers
    model, data = network(), load(spec(folder))
    test = measure(model, data.test(), streamed, RECIPE, device=CPU)
    assert test == measure(model, load(replace(spec(folder), streamed=False)).test(), decoded, RECIPE, device=CPU)


def test_any_order_and_batches(folder: Path, before: set[int]) -> None:
    part, array = placed(folder).train, load(spec(folder)).train
    pixels = torch.from_numpy(array.images[:])
    order = torch.randperm(len(part), generator=torch.Generator().manual_seed(0))

    def check(which: Tensor | slice) -> None:
        images, labels = part.take(which)
        assert torch.equal(images, pixels[which])
        assert torch.equal(labels, torch.from_numpy(array.labels)[which])

    part.nearby(order)
    for start in range(0, 60, 7):
        check(order[start : start + 7])
    check(order[:5])  # again, from the start
    check(torch.tensor([3, 3, 1]))  # never announced
    for start in range(0, len(part), 25):
        check(slice(start, start + 25))
    check(slice(10, 10))
    check(slice(-4, None))


def test_two_children_by_turns(folder: Path, before: set[int]) -> None:
    """They share the workers, and take them from each other."""
    one, other = placed(folder), placed(folder, seed=1)
    alone = run(one), run(other)
    turns = zip(*(train(network(), data, RECIPE, seed=3, device=CPU) for data in (one, other)), strict=True)
    for numbers in zip(*alone, turns, strict=True):
        *expected, given = numbers
        assert [{**epoch, "seconds": 0} for epoch in given] == [{**epoch, "seconds": 0} for epoch in expected]
    a, b = one.train, other.train
    orders = [part.nearby(torch.arange(len(part))) for part in (a, b)]
    for start in range(0, 60, 6):
        for part, order, data in (
            (a, orders[0], load(spec(folder))),
            (b, orders[1], load(replace(spec(folder), seed=1))),
        ):
            batch = order[start : start + 6]
            assert np.array_equal(part.take(batch)[0].numpy(), data.train.images[batch.numpy()])
    assert len(children() - before) == 1


def test_requests_fit_into_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = module.Decoders(4, pin=False)
    image = 3 * 64 * 64
    assert pool.request_images((3, 64, 64)) == 64
    assert pool.request_images((3, 224, 224)) == 27
    small = shutil_usage(64 * 2**20)
    monkeypatch.setattr("nas.training.decoders.shutil.disk_usage", small)
    assert pool.request_images((3, 64, 64)) * image * 4 * (module.AHEAD + 1) <= 32 * 2**20
    monkeypatch.setattr("nas.training.decoders.shutil.disk_usage", shutil_usage(0))
    assert pool.request_images((3, 64, 64)) == 1


def shutil_usage(free: int) -> Callable[[str], object]:
    return lambda path: type("Usage", (), {"free": free})


def test_what_nobody_reads_any_more_is_not_decoded(folder: Path) -> None:
    file = str(folder / "train/red/00.jpg")
    turn = type("Turn", (), {"value": 2})()
    worker = module._Files(turn)
    answer = worker.__getitems__(module.Request([file, file], (3, 16, 16), turn=2))
    assert isinstance(answer, Tensor)
    assert answer.shape == (2, 3, 16, 16)
    assert worker.__getitems__(module.Request([file, file], (3, 16, 16), turn=1)) is None


# ---- the processes


def test_the_next_child_finds_the_workers_warm(folder: Path, monkeypatch: pytest.MonkeyPatch, before: set[int]) -> None:
    monkeypatch.setenv("NAS_LOADER_WORKERS", "2")
    _data.cache_clear()
    space = SPACES["resnext"](16)
    evaluator = TrainingEvaluator(spec(folder), device="cpu", threads=1)
    architecture = space.decode(space.sample(random.Random(0)))
    seen = []
    for _ in range(2):
        epochs = evaluator.run(architecture, replace(RECIPE, epochs=9), 0)
        first = next(epochs)
        seen.append((frozenset(children() - before), first["train_loss"]))
        epochs.close()  # abandoned, as a scheduler does
    assert seen[0] == seen[1]
    assert len(seen[0][0]) == 2
    _placed.cache_clear()


def test_workers_end_with_the_last_reader(folder: Path, before: set[int]) -> None:
    data, another = placed(folder), placed(folder)
    run(data)
    run(another)
    workers = children() - before
    assert len(workers) == 1
    del data
    time.sleep(0.2)
    assert children() - before == workers
    del another
    wait_until(lambda: children() == before)


def test_a_worker_that_was_killed_is_named_and_replaced(folder: Path, before: set[int]) -> None:
    data = placed(folder)
    good = run(data)
    part = data.train
    order = part.nearby(torch.arange(len(part)))
    (worker,) = children() - before
    os.kill(worker, signal.SIGKILL)

    def read() -> None:
        for start in range(0, len(part), 4):
            part.take(order[start : start + 4])
            time.sleep(0.1)

    with pytest.raises((DataError, RuntimeError), match=r"^[^\n]*(worker|process)[^\n]*$"):  # PyTorch may be first
        read()
    assert run(data) == good
    (idle,) = children() - before
    assert idle != worker


PROGRAM = """
import signal, sys, torch
from nas.data import DataSpec, load
from nas.training.placement import place
if {passes} < 100: signal.signal(signal.SIGINT, lambda *_: None)
part = place(load(DataSpec("folder:{folder}", image_size=16)), torch.device("cpu")).train
for number in range({passes}):
    order = part.nearby(torch.randperm(len(part)))
    for start in range(0, len(part), 4):
        part.take(order[start : start + 4])
    print(number, flush=True)
    if number == 0: sys.stdin.readline()
"""


@pytest.mark.parametrize(
    ("end", "passes"),
    [(signal.SIGINT, 10**6), (signal.SIGKILL, 10**6), (signal.SIGINT, 5)],
    ids=["Ctrl-C", "killed", "Ctrl-C that the search takes"],
)
def test_no_worker_outlives_its_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch, end: signal.Signals, passes: int
) -> None:
    """A search takes the first Ctrl-C to end at a good moment: its workers decode until then."""
    monkeypatch.setenv("NAS_LOADER_WORKERS", "2")
    environment = {**os.environ, "PYTHONPATH": str(Path(nas.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", PROGRAM.format(folder=folder, passes=passes)]
    process = subprocess.Popen(
        command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "0\n"
    workers = children(process.pid)
    assert len(workers) == 2
    if passes > 100:  # in the middle of reading
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "1\n"
    os.killpg(process.pid, end) if end == signal.SIGINT else process.send_signal(end)  # as a terminal does
    if passes < 100:
        assert process.communicate("\n", timeout=PATIENCE) == ("1\n2\n3\n4\n", "")
    process.wait(PATIENCE)
    wait_until(lambda: not any(map(alive, workers)))
    if passes > 100:
        errors = process.communicate(timeout=PATIENCE)[1]
        nobody = errors.count(
            "ConnectionResetError"
        )  # of a worker that was just giving something to the killed process
        assert errors.count("Traceback") == nobody + (end == signal.SIGINT)
        assert nobody == 0 or end == signal.SIGKILL
        assert errors.strip().endswith("KeyboardInterrupt" if end == signal.SIGINT else "")
    assert process.returncode == (0 if passes < 100 else -end)


# ---- errors


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_broken_image_is_one_line_with_its_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch, workers: str, before: set[int]
) -> None:
    monkeypatch.setenv("NAS_LOADER_WORKERS", workers)
    data = placed(folder)
    good = run(data)
    file = folder / "train/red/07.jpg"
    whole = file.read_bytes()
    for broken, what in ((whole[:200], "cannot decode the image"), (None, "cannot read")):
        file.unlink()
        if broken is not None:
            file.write_bytes(broken)
        for _ in range(2):  # each child that comes to it
            with pytest.raises(DataError, match=rf"^{what} {file}: [^\n]+; [^\n]+ or remove it$"):
                run(data)
    file.write_bytes(whole)
    assert run(data) == good
    assert len(children() - before) == int(workers)


@pytest.mark.parametrize("value", ["-1", "two", "1.5", "257"])
def test_a_number_of_workers_that_is_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("NAS_LOADER_WORKERS", value)
    with pytest.raises(DataError, match=rf"NAS_LOADER_WORKERS must be a whole number from 0 to 256, got '{value}'"):
        worker_count()


def test_as_many_workers_as_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAS_LOADER_WORKERS", raising=False)
    assert worker_count() == torch.get_num_threads() == 1
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert worker_count() == 16
