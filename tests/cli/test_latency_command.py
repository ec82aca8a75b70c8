"""`nas latency`, run as a person runs it, with good and bad input."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_commands import nas, reads

from nas.store import open_store

TINY = ["--image", "3,16,16", "--classes", "10", "--seconds", "0.05", "--device", "cpu"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study whose front has a latency."""
    folder = tmp_path_factory.mktemp("place")
    done = nas(
        *("search", "--space", "vgg", "--budget", "2", "--recipe", "epochs=1", "--controller", "random"),
        *("--executor", "inline", "--baselines", "none", "--name", "first", "--latency", "device=cpu"),
        *("--objective", "accuracy", "--objective", "latency", "--constraint", "latency<=5s", "--quiet"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    (folder / "search.out").write_text(done.stdout)
    return folder


def test_networks_are_measured_whole_and_as_a_sum(tmp_path: Path) -> None:
    one, eight = reads("latency", "resnet8", "resnet20", *TINY, "--batch", "1", "--batch", "8", cwd=tmp_path)
    assert (one["batch"], eight["batch"], one["device"], one["threads"]) == (1, 8, "cpu", 1)
    for found in (one, eight):
        assert [network["network"] for network in found["networks"]] == ["resnet8", "resnet20"]
        assert "torch" in found["machine"]
        for network in found["networks"]:
            low, median, high = (network[f"{name}_seconds"] for name in ("low", "median", "high"))
            assert 0 < low <= median <= high
            assert network["images_per_second"] == pytest.approx(found["batch"] / median)
            assert network["error"] == pytest.approx(network["sum_seconds"] / median - 1)
            assert "blocks" not in network
        errors = [abs(network["error"]) for network in found["networks"]]
        assert found["mean_absolute_error"] == pytest.approx(sum(errors) / 2)
        assert found["rank_correlation"] is None  # of two
    conditions = {name: eight[name] for name in ("machine", "device", "threads", "batch", "precision")}
    with open_store(tmp_path / "nas.db") as store:
        kept = store.latencies(**conditions, kind="network")
    assert {key: record.median for key, record in kept.items()} == {
        network["key"]: network["median_seconds"] for network in eight["networks"]
    }


def test_a_dry_run_says_that_it_measures_nothing(tmp_path: Path) -> None:
    done = nas("search", "--dry-run", "--baselines", "none", "--constraint", "latency<=1us", cwd=tmp_path)
    assert done.returncode == 0
    assert "bounds on latency are left out" in done.stderr
    assert "1000 within the constraints" in done.stdout


def test_blocks_are_measured_once_and_shown(tmp_path: Path) -> None:
    first, again = (reads("latency", "resnet8", *TINY, "--blocks", cwd=tmp_path)[0]["networks"][0] for _ in range(2))
    assert first["blocks"] == again["blocks"]
    assert [block["block"] for block in first["blocks"]][:2] == ["", "stem"]
    assert first["sum_seconds"] == pytest.approx(sum(block["seconds"] for block in first["blocks"]))
    printed = nas("latency", "resnet8", *TINY, "--blocks", cwd=tmp_path)
    for word in ("batches of 1 image on", "1 thread", "images/s", "sum of blocks", "stage1.block1", "(the call)"):
        assert word in printed.stdout


def test_a_front_is_measured_from_the_blocks_of_its_search(place: Path) -> None:
    printed = (place / "search.out").read_text()
    assert "latency" in printed
    assert any(unit in printed for unit in (" ms", " µs"))
    (found,) = reads("latency", "--front", "first", "--seconds", "0.05", "--device", "cpu", cwd=place)
    study = reads("show", "first", cwd=place)
    front = {f"first:{trial['trial']}": trial["values"]["latency"] for trial in study["front"]}
    assert {one["network"]: one["sum_seconds"] for one in found["networks"]} == pytest.approx(front)
    assert study["study"]["spec"]["latency"] == {name: found[name] for name in study["study"]["spec"]["latency"]}
