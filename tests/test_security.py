"""Nothing that is stored or given as a file is run: no pickle, no eval, no shell; and what is hostile is refused."""

from __future__ import annotations

import ast
import io
import json
import os
import pickle
import struct
import sys
import tarfile
import time
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nas
from nas.cli import main
from nas.data import DataSpec, load
from nas.data.cache import Cache
from nas.errors import DataError, NasError, StoreError
from nas.plan import make_plan
from nas.store import open_store
from searchspaces import SearchSpaceError

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas", "searchspaces", "dashboards")

# --- what the code calls ------------------------------------------------------------------------------------------

RUNS_TEXT = {"eval", "exec", "compile", "execfile", "__import__", "runpy.run_path", "runpy.run_module"}
UNPICKLES = {
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.open"),
    *("dill.load", "dill.loads", "joblib.load", "cloudpickle.load", "cloudpickle.loads", "pandas.read_pickle"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "jsonpickle.decode"),
}
STARTS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "os.execv", "os.execvp"}
UNPACKS = {"extractall", "extract", "unpack_archive", "_extract_member"}

# Where a call of these is allowed, and why it takes nothing from a file or a database.
ALLOWED = {
    ("nas/executors/worker.py", "pickle.loads"): "the payload that the search sends to its own worker through Ray",
}


def imported_names(tree: ast.AST) -> dict[str, str]:
    """What a module's own names stand for: `from pickle import loads as read` is {"read": "pickle.loads"}."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dangers(source: str) -> Iterator[tuple[str, int]]:
    """Each call that could run what it reads, with its line."""
    tree = ast.parse(source)
    names = imported_names(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        first, dot, rest = ast.unparse(node.func).partition(".")
        called = names.get(first, first) + dot + rest
        keywords = {word.arg: word.value for word in node.keywords}
        loads_objects = (called == "torch.load" and not _is(keywords.get("weights_only"), True)) or (
            called in ("numpy.load", "np.load") and "allow_pickle" in keywords
        )
        unpacks = bool(dot) and called.rpartition(".")[2] in UNPACKS and not called.startswith("sqlalchemy.")
        if called in RUNS_TEXT | UNPICKLES | STARTS or unpacks or loads_objects:
            yield called, node.lineno
        elif "shell" in keywords and not _is(keywords["shell"], False):
            yield "shell=True", node.lineno


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle\npickle.loads(x)", "pickle.loads"),
        ("from pickle import loads as read\nread(x)", "pickle.loads"),
        ("import pickle as p\np.load(x)", "pickle.load"),
        ("eval(x)", "eval"),
        ("import os\nos.system(x)", "os.system"),
        ("import subprocess\nsubprocess.run(x, shell=True)", "shell=True"),
        ("import subprocess\nsubprocess.run(x, shell=wanted)", "shell=True"),
        ("import torch\ntorch.load(x)", "torch.load"),
        ("import torch\ntorch.load(x, weights_only=False)", "torch.load"),
        ("import numpy as np\nnp.load(x, allow_pickle=True)", "numpy.load"),
        ("import yaml\nyaml.load(x)", "yaml.load"),
        ("archive.extractall(place)", "archive.extractall"),
        ("from shutil import unpack_archive\nimport shutil\nshutil.unpack_archive(x)", "shutil.unpack_archive"),
        ("import torch\ntorch.load(x, weights_only=True)", ""),
        ("model.eval()\nimport numpy as np\nnp.load(x)\nre.compile(x)", ""),
    ],
)
def test_the_reader_of_calls_finds_every_kind(source: str, found: str) -> None:
    assert [name for name, _ in dangers(source)] == ([found] if found else [])


def test_no_code_runs_what_it_reads() -> None:
    found: dict[tuple[str, str], list[int]] = {}
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for name, line in dangers(path.read_text(encoding="utf-8")):
            found.setdefault((str(path.relative_to(ROOT)), name), []).append(line)
    assert {key: lines for key, lines in found.items() if key not in ALLOWED} == {}
    assert set(ALLOWED) <= set(found), "an entry of the list that nothing needs"


# --- hostile files of data sets -----------------------------------------------------------------------------------


class Evil:
    """Unpickled, it leaves a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.mark),))


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG whose header claims this size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight small images in two classes, and a data root of the test's own."""
    monkeypatch.setenv("NAS_DATA", str(tmp_path / "root"))
    for name, grey in (("cat", 40), ("dog", 200)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(4):
            Image.new("RGB", (8, 8), (grey + index,) * 3).save(tmp_path / "images" / name / f"{index}.png")
    return tmp_path / "images"


def refused(folder: Path, **options: Any) -> str:
    begun = time.process_time()
    with pytest.raises(DataError) as caught:
        load(DataSpec(f"folder:{folder}", **options))
    assert time.process_time() - begun < 2
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # what a person's Python does
@pytest.mark.parametrize(
    ("width", "height"), [(10_000, 10_000), (30_000, 30_000), (2**31 - 1, 2**31 - 1), (100_000_000, 1)]
)
@pytest.mark.parametrize("size", [8, None])
def test_an_image_that_claims_to_be_huge_is_refused_before_it_is_decoded(
    folder: Path, width: int, height: int, size: int | None
) -> None:
    (folder / "cat" / "0.png").write_bytes(png(width, height, zlib.compress(b"\0" * 1000)))
    line = refused(folder, image_size=size)
    assert "cat/0.png" in line
    assert "pixels" in line


def test_a_decompression_bomb_is_refused_by_its_size(folder: Path) -> None:
    """150 KB of file, 300 MB of pixels."""
    side = 10_000
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + 3 * side)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    (folder / "dog" / "1.png").write_bytes(png(side, side, data))
    assert "dog/1.png" in (line := refused(folder, image_size=8))
    assert "pixels" in line


@pytest.mark.parametrize("text", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + b"\xff" * 20, b"<svg/>", b"#!/bin/sh\nexit"])
def test_a_file_that_is_no_image_is_refused(folder: Path, text: bytes) -> None:
    (folder / "cat" / "0.png").write_bytes(text)
    assert "cat/0.png" in refused(folder, image_size=8)


def test_an_image_shorter_than_it_says_is_refused(folder: Path) -> None:
    (folder / "cat" / "0.png").write_bytes(png(8, 8, zlib.compress(b"\0" * 10)))
    assert "cat/0.png" in refused(folder, image_size=8)


def test_a_file_larger_than_any_image_is_not_read(folder: Path) -> None:
    with open(folder / "cat" / "0.png", "r+b") as file:
        file.truncate(2**33)  # sparse: it takes no room on the disk
    assert "cat/0.png" in (line := refused(folder, image_size=8))
    assert "512 MiB" in line


def test_what_is_no_file_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "cat" / "pipe.png")
    assert "pipe.png is no regular file" in refused(folder, image_size=8)
    (folder / "cat" / "pipe.png").unlink()
    (folder / "cat" / "zero.png").symlink_to("/dev/zero")
    assert "zero.png is no regular file" in refused(folder, image_size=8)


def test_a_link_to_a_folder_is_not_followed_and_one_to_a_text_gives_nothing_of_it(folder: Path, tmp_path: Path) -> None:
    (folder / "cat" / "round").symlink_to(folder)
    before = load(DataSpec(f"folder:{folder}")).train
    assert len(before) + len(load(DataSpec(f"folder:{folder}")).validation) == 8
    (tmp_path / "secret.txt").write_text("the password is swordfish")
    (folder / "cat" / "s.png").symlink_to(tmp_path / "secret.txt")
    line = refused(folder)
    assert "s.png" in line
    assert "swordfish" not in line


@pytest.mark.parametrize("name", ["a\nb.png", "\x1b[2J.png", "$(touch x).png", "'; drop table.png", "–ü.png"])
def test_a_strange_file_name_is_a_name(folder: Path, name: str) -> None:
    Image.new("RGB", (8, 8)).save(folder / "cat" / name, format="png")
    data = load(DataSpec(f"folder:{folder}"))
    assert len(data.train) + len(data.validation) == 9


def test_decoded_arrays_are_never_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    entry = tmp_path / "decoded" / "x"
    entry.mkdir(parents=True)
    for name in ("images.npy", "labels.npy"):
        np.save(entry / name, np.array([Evil(mark)], dtype=object), allow_pickle=True)
    (entry / "facts.json").write_text("{}")
    with pytest.raises(DataError, match="delete that directory"):
        Cache(tmp_path).entry("x", lambda writer: None)
    assert not mark.exists()


def test_a_hostile_copy_of_a_published_dataset_is_neither_run_nor_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CIFAR's batches are pickles, in an archive: torchvision reads them only if their checksums are those it knows."""

    def offline(*_: object, **__: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    batches = tmp_path / "cifar-10-batches-py"
    batches.mkdir()
    for name in ("batches.meta", "test_batch", *(f"data_batch_{i}" for i in range(1, 6))):
        (batches / name).write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("../escaped")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"evil"))
    with pytest.raises(DataError, match="cannot get cifar10"):
        load(DataSpec("cifar10", root=str(tmp_path)))
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path.parent / "escaped").exists()


# --- names, texts and what is stored ------------------------------------------------------------------------------

MARKUP = ["[/]", "[red]x[/red]", "[link=file:///etc/passwd]x", "<script>alert(1)</script>", "'; drop table studies;--"]


def fails(architecture: object) -> float:
    raise RuntimeError("x\x1b[2Jy [/] <b>\u202e")


@pytest.mark.parametrize(
    "name", [*MARKUP, "../../etc/passwd", "/etc/passwd", "a/b\\c", "%2e%2e", "$(id)", "{0}", "ü" * 200]
)
def test_a_study_name_is_a_text_everywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options: dict[str, Any] = {"image": (1, 8, 8), "budget": 2, "controller": "random", "baselines": "none"}
    nas.search(evaluator=fails, name=name, storage="nas.db", **options)
    before = sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(("-wal", "-shm")))
    for words in (["studies"], ["show", name], ["pareto", name], ["show", f"{name}:0"], ["show", name, "--json"]):
        monkeypatch.setattr(sys, "argv", ["nas", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
        out, err = capsys.readouterr()
        assert err == ""
        assert name[:30] in (json.loads(out)["study"]["name"] if "--json" in words else out)
        assert "\x1b" not in out
        assert "\u202e" not in out
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(("-wal", "-shm"))) == before


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x00b", "\x1b[2J", "x" * 256, "\u202egnp", "a:1"])
def test_a_study_name_that_could_not_be_typed_or_shown_is_refused(name: str) -> None:
    with open_store() as store, pytest.raises(StoreError, match="cannot be used") as caught:
        store.create_study(name, {})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_a_report_of_a_hostile_study_holds_its_name_as_text(tmp_path: Path) -> None:
    from dashboards.report import write_report

    name = "</script><img src=x onerror=alert(1)>"
    options: dict[str, Any] = {"image": (1, 8, 8), "budget": 2, "controller": "random", "baselines": "none"}
    nas.search(evaluator=lambda architecture: 0.5, name=name, storage=tmp_path / "nas.db", **options)
    write_report(str(tmp_path / "nas.db"), name, tmp_path / "report.html")
    assert "<img src=x" not in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "spec", ["__import__('os').mkdir('ran')", "os:system", "os.path:join", "antigravity:fly", "a" * 10_000 + ":x"]
)
def test_a_space_named_in_a_stored_study_runs_no_text(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "antigravity", None)  # type: ignore[arg-type]  # it would open a browser
    with open_store(tmp_path / "nas.db") as store:
        plan = make_plan("resnext", evaluator=fails, image=(1, 8, 8), baselines="none", controller="random")
        store.create_study("s", {**plan.spec.to_json(), "space": spec})
        with pytest.raises((NasError, SearchSpaceError)):
            nas.resume("s", store, evaluator=fails)
    assert not (tmp_path / "ran").exists()


def test_rays_dashboard_stays_off() -> None:
    source = (ROOT / "nas" / "executors" / "ray_tune.py").read_text(encoding="utf-8")
    assert '"include_dashboard": False' in source
