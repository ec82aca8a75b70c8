from __future__ import annotations

import errno
import fcntl
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

import nas
from nas.data import DataSpec, load
from nas.data.cache import Cache, Writer
from nas.data.images import FileImages
from nas.errors import DataError

MakeFolder = Callable[..., Path]

LABELS = np.array([0, 1], np.int64)


def _write(writer: Writer, level: int = 7) -> None:
    chunks = (np.full((1, 1, 2, 2), level, np.uint8) for _ in range(2))
    writer.write((1, 2, 2), LABELS, chunks, lambda: {"level": level})


def _never(*arguments: object) -> NoReturn:
    raise AssertionError("written twice")


def test_what_was_written_is_read(root: Path) -> None:
    first = Cache(root).entry("a", _write)
    again = Cache(root).entry("a", _never)
    assert isinstance(again.images, np.memmap)
    for entry in (first, again):
        assert entry.images.shape == (2, 1, 2, 2)
        assert (entry.images == 7).all()
        assert (entry.labels == LABELS).all()
        assert entry.facts == {"level": 7}


def test_a_second_load_decodes_nothing(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(train=5, test=2)
    data = load(DataSpec(f"folder:{folder}"))
    data.test()
    monkeypatch.setattr(FileImages, "decode", _never)
    again = load(DataSpec(f"folder:{folder}"))
    assert (again.train.images == data.train.images).all()
    assert again.key == data.key
    assert len(again.test()) == 4
    with pytest.raises(AssertionError):
        load(DataSpec(f"folder:{folder}", seed=1))


def test_a_changed_folder_is_decoded_anew(make_folder: MakeFolder) -> None:
    spec = DataSpec(f"folder:{make_folder(train=5)}")
    before = load(spec)
    make_folder(train=5, seed=1)
    changed = load(spec)
    assert changed.key != before.key
    assert not (changed.train.images == before.train.images).all()
    make_folder(train=6)
    assert load(spec).key not in (before.key, changed.key)


def test_a_touched_file_or_another_place_keeps_the_key(
    make_folder: MakeFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = make_folder(train=5)
    key = load(DataSpec(f"folder:{folder}")).key
    os.utime(folder / "train/cat/000.png", (1, 1))
    assert load(DataSpec(f"folder:{folder}")).key == key
    assert load(DataSpec(f"folder:{folder.rename(folder.with_name('elsewhere'))}")).key == key
    assert sum("decoded images" in message for message in caplog.messages) == 2  # moved: found again


def test_processes_that_start_together_decode_once(make_folder: MakeFolder, root: Path) -> None:
    folder = make_folder(train=40, size=(32, 32))
    code = f"""
import logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
from nas.data import *
print("ready", flush=True); sys.stdin.readline()
data = load(DataSpec("folder:{folder}"))
print("sum", data.train.images.sum(), data.key)
"""
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(Path(nas.__file__).parents[1])}
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[0].splitlines() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    sums = [line for lines in outputs for line in lines if line.startswith("sum")]
    assert len(sums) == 2
    assert sums[0] == sums[1]
    assert sum("decoded images" in line for lines in outputs for line in lines) == 1
    assert not list(root.glob("decoded/*.partial"))


def test_who_waited_for_the_lock_does_not_write_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = root / "decoded/finished"
    Cache(root).entry("finished", _write)
    waits = threading.Event()
    flock = fcntl.flock

    def lock(descriptor: int, operation: int) -> None:
        waits.set()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lock)
    with ThreadPoolExecutor(1) as pool, open(root / "decoded/a.lock", "w") as other:
        flock(other, fcntl.LOCK_EX)
        entry = pool.submit(Cache(root).entry, "a", _never)
        assert waits.wait(timeout=30)
        finished.rename(root / "decoded/a")
        flock(other, fcntl.LOCK_UN)
        assert (entry.result(timeout=30).images == 7).all()


def test_without_locks_the_first_wins(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    both = threading.Barrier(2, timeout=30)

    def write(writer: Writer) -> None:
        both.wait()
        _write(writer)
        both.wait()

    with ThreadPoolExecutor(2) as pool:
        entries = list(pool.map(lambda _: Cache(root).entry("a", write), range(2)))
    assert all((entry.images == 7).all() for entry in entries)
    assert not list(root.glob("decoded/*.partial"))


def test_what_a_killed_process_left_is_removed(root: Path) -> None:
    left = root / "decoded/a.0123.partial"
    left.mkdir(parents=True)
    (left / "images.npy").write_bytes(b"half")
    other = root / "decoded/b.0123.partial"
    other.mkdir()
    Cache(root).entry("a", _write)
    assert not left.exists()
    assert other.exists()


def test_a_failure_leaves_nothing_and_can_be_repeated(root: Path) -> None:
    def full(writer: Writer) -> None:
        def chunks() -> Iterator[np.ndarray]:
            yield np.zeros((1, 1, 2, 2), np.uint8)
            raise OSError(errno.ENOSPC, "No space left on device")

        writer.write((1, 2, 2), LABELS, chunks(), dict)

    with pytest.raises(DataError, match=r"cannot write decoded images to .*: No space left on device; set root or"):
        Cache(root).entry("a", full)
    assert [path.suffix for path in (root / "decoded").iterdir()] == [".lock"]
    assert (Cache(root).entry("a", _write).images == 7).all()


def test_a_root_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        DataError, match=r"cannot write decoded images to .*/file/decoded: Not a directory; set root or"
    ):
        load(DataSpec("digits", root=str(tmp_path / "file")))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_root_without_permission(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(DataError, match="Permission denied; set root or NAS_DATA"):
        load(DataSpec("digits", root=str(tmp_path / "closed")))


@pytest.mark.parametrize("damage", ["images.npy", "labels.npy", "facts.json"])
def test_a_damaged_entry_says_what_to_delete(root: Path, damage: str) -> None:
    Cache(root).entry("a", _write)
    file = root / "decoded/a" / damage
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"decoded/a cannot be used \(.*\); delete that directory"):
        Cache(root).entry("a", _never)
