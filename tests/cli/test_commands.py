"""The commands, run as a person runs them: real processes, real training on digits, good and bad input."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nas.api import open_study
from nas.errors import NasError

NAS = [sys.executable, "-c", "from nas.cli import main; main()"]
QUICK = ["--executor", "inline", "--recipe", "epochs=1", "--controller", "random"]


def nas(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "160", "NAS_STORAGE": "", **environment}
    env = {name: value for name, value in env.items() if value}
    return subprocess.run(
        [*NAS, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=240, check=False
    )


def reads(*arguments: str, cwd: Path) -> Any:
    """The JSON that a command prints; nothing else may be on stdout."""
    done = nas(*arguments, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one small search has run."""
    folder = tmp_path_factory.mktemp("place")
    arguments = [
        "search",
        "--space",
        "resnext",
        "--budget",
        "3",
        *QUICK,
        "--baselines",
        "resnet8,resnext29_8x2d",
        "--name",
        "first",
    ]
    done = nas(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "search.out").write_text(done.stdout)
    (folder / "search.err").write_text(done.stderr)
    return folder


def test_a_search_prints_its_front_and_how_to_go_on(place: Path) -> None:
    out, err = (place / "search.out").read_text(), (place / "search.err").read_text()
    assert "front of" in out
    assert "resnet8" in out
    assert re.search(r"resnext29_8x2d .*(dominated by trial|not dominated)", out)
    assert "\x1b[" not in out + err  # no colour when piped
    assert "nas show first" in err
    assert "resnet8, resnext29_8x2d" in err
    assert "Traceback" not in err


def test_search_json_is_one_object_on_stdout(tmp_path: Path) -> None:
    found = reads("search", "--budget", "2", *QUICK, "--baselines", "none", "--quiet", cwd=tmp_path)
    assert list(found) == ["study", "epochs", "trials", "front", "baselines"]
    assert found["study"]["name"] == "resnext-digits-1"
    assert [trial["state"] for trial in found["trials"]] == ["complete", "complete"]
    assert {trial["trial"] for trial in found["front"]} <= {0, 1}
    trial = found["trials"][0]
    assert trial["values"] == {"accuracy": trial["metrics"]["val_accuracy"], "flops": trial["flops"]}


def test_studies_show_and_pareto(place: Path) -> None:
    (study,) = reads("studies", cwd=place)
    assert study["name"] == "first"
    assert study["counts"]["complete"] == 5
    whole = reads("show", "first", cwd=place)
    assert len(whole["trials"]) == 5
    front = reads("pareto", "first", cwd=place)
    assert front["front"] == whole["front"]
    assert {baseline["name"] for baseline in front["baselines"]} == {"resnet8", "resnext29_8x2d"}
    trial = reads("show", "first:2", cwd=place)
    assert [epoch["epoch"] for epoch in trial["curve"]] == [1]
    assert trial["recipe"]["epochs"] == 1
    for command in (["studies"], ["show", "first"], ["show", "first:2"], ["pareto", "first"]):
        assert nas(*command, cwd=place).stdout.strip()


def test_describe_a_trial_a_file_and_a_network(place: Path) -> None:
    trial = reads("describe", "first:2", cwd=place)
    assert trial["params"] == reads("show", "first:2", cwd=place)["params"]
    (place / "child.json").write_text(json.dumps(trial["architecture"]))
    child = reads("describe", "child.json", "--image", "1,8,8", "--classes", "10", cwd=place)
    assert (child["params"], child["flops"]) == (trial["params"], trial["flops"])
    vgg = reads("describe", "vgg16", cwd=place)
    assert vgg["params"] == 138_357_544
    assert round(vgg["flops"] / 1e9, 2) == 15.47
    assert sum(layer["flops"] for layer in vgg["layers"]) == vgg["flops"]
    small = reads("describe", "mobilenet_v2", "--image", "3,32,32", cwd=place)
    assert "stride 1" in small["adapted"]
    text = nas("describe", "resnet50", cwd=place).stdout
    assert "25,557,032 parameters" in text
    assert "4.089 GFLOPs" in text


def test_spaces_and_networks(place: Path) -> None:
    assert {space["name"] for space in reads("spaces", cwd=place)} >= {"resnet", "resnext", "mobilenet", "vgg"}
    axes = reads("spaces", "resnext", "--image-size", "32", cwd=place)["axes"]
    assert "cardinality" in {axis["name"] for axis in axes}
    found = reads("networks", "resnext50", cwd=place)
    params = {n["name"]: n["params"] for n in found}
    assert params.items() >= {"resnext50_32x4d": 25_028_904, "se_resnext50_32x4d": 27_559_896}.items()
    assert all("resnext50" in name for name in params)
    assert "resnext50_32x4d" in nas("networks", cwd=place).stdout


def test_dry_run_prices_and_trains_nothing(tmp_path: Path) -> None:
    found = reads("search", "--dry-run", "--constraint", "flops<=2M", cwd=tmp_path)
    flops = [quantile["flops"] for quantile in found["quantiles"]]
    assert flops == sorted(flops)
    assert max(flops) <= 2e6
    assert 0 < found["within_constraints"] < found["sample"]
    assert not (tmp_path / "nas.db").exists()
    assert "nothing was trained" in nas("search", "--dry-run", cwd=tmp_path).stdout


def test_baseline_in_a_study_of_its_own_and_beside_children(place: Path, tmp_path: Path) -> None:
    options = ["--executor", "inline", "--recipe", "epochs=1"]
    alone = reads("baseline", "resnet8", "resnet14", *options, "--quiet", cwd=tmp_path)
    assert [trial["name"] for trial in alone["trials"]] == ["resnet8", "resnet14"]
    beside = reads("baseline", "resnet14", "--study", "first", "--quiet", cwd=place)
    assert "resnet14" in {baseline["name"] for baseline in beside["baselines"]}


def test_ray_runs_children_and_keeps_stdout_clean(tmp_path: Path) -> None:
    arguments = ["search", "--budget", "4", "--recipe", "epochs=1", "--controller", "reinforce", "--baselines", "none"]
    found = reads(*arguments, cwd=tmp_path)
    assert [trial["state"] for trial in found["trials"]] == ["complete"] * 4
    assert all(trial["worker"] for trial in found["trials"])


WRONG: list[tuple[list[str], int, str]] = [
    (["search", "--space", "resnxt"], 1, "did you mean 'resnext'"),
    (["search", "--controller", "tpee"], 1, "did you mean 'tpe'"),
    (["search", "--dataset", "digit"], 1, "did you mean 'digits'"),
    (["search", "--dataset", "folder:/nowhere"], 1, "/nowhere"),
    (["search", "--budget", "0"], 2, "budget"),
    (["search", "--budget", "x"], 2, "budget"),
    (["search", "--constraint", "flops<300"], 1, "flops<300"),
    (["search", "--constraint", "accuracy>=0.9"], 1, "accuracy"),
    (["search", "--objective", "acuracy"], 1, "acuracy"),
    (["search", "--recipe", "epochs"], 2, "NAME=VALUE"),
    (["search", "--recipe", "epoch=3"], 1, "did you mean 'epochs'"),
    (["search", "--recipe", "lr=fast"], 1, "lr"),
    (["search", "--fraction", "2"], 1, "fraction"),
    (["search", "--baselines", "resnet9"], 1, "did you mean"),
    (["search", "--executor", "inline", "--max-concurrent", "2"], 2, "Ray options"),
    (["search", "--storage", "/no/such/folder/nas.db", "--executor", "inline"], 1, "/no/such/folder"),
    (["search", "--nonsense"], 2, "nonsense"),
    (["resume", "first"], 1, "nas.db"),
    (["show", "first"], 1, "nas.db"),
    (["describe", "resnet5"], 1, "resnet50"),
    (["describe", "nothing.json"], 1, "nothing.json"),
    (["describe", "vgg16", "--image", "3,x,1"], 2, "3,224,224"),
    (["describe", "vgg16", "--image", "3,0,1"], 2, "at least 1|from 1"),
    (["describe", "vgg16", "--image", "3,4,4", "--classes", "0"], 2, "classes"),
    (["spaces", "resnets"], 1, "did you mean 'resnet'"),
    (["networks", "zzz"], 1, "unknown network"),
    (["baseline", "resnet21"], 1, "did you mean"),
    (["baseline"], 2, "NETWORK"),
    (["serch"], 2, "search"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "message"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_wrong_use_gets_one_clear_line(arguments: list[str], code: int, message: str, tmp_path: Path) -> None:
    done = nas(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert re.search(message, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    if code == 1:
        assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "nas.db").exists()


def test_an_unknown_study_suggests_the_nearest(place: Path) -> None:
    for command in ("show", "resume", "pareto"):
        done = nas(command, "firts", cwd=place)
        assert done.returncode == 1
        assert "did you mean 'first'" in done.stderr
    assert "it has 0 to" in nas("show", "first:99", cwd=place).stderr


def test_a_malformed_file_is_refused(tmp_path: Path) -> None:
    for name, text in {
        "a.json": "{",
        "b.json": "[]",
        "c.json": '{"format": "nas.architecture/1", "kind": "Stage"}',
    }.items():
        (tmp_path / name).write_text(text)
        done = nas("describe", name, cwd=tmp_path)
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.faults(only_long=True))])
def test_ctrl_c_then_resume(tmp_path: Path, executor: str) -> None:
    options = ["--budget", "8", "--executor", executor, "--controller", "random", "--baselines", "none"]
    options += ["--recipe", "epochs=2", "--constraint", "flops<=2M", "--fraction", "0.3"]
    process = subprocess.Popen(
        [*NAS, "search", *options], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(0.1)
        with suppress(NasError):  # there is no database yet, or no study
            if open_study("resnext-digits-1", tmp_path / "nas.db").record.counts["complete"] >= 2:
                break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "nas resume resnext-digits-1" in err
    assert "Traceback" not in err
    kept = {
        t["trial"]: t["finished"]
        for t in reads("show", "resnext-digits-1", cwd=tmp_path)["trials"]
        if t["state"] == "complete"
    }
    assert len(kept) >= 2
    whole = reads("resume", "resnext-digits-1", "--quiet", cwd=tmp_path)
    complete = [trial for trial in whole["trials"] if trial["state"] == "complete"]
    assert len([trial for trial in complete if not trial["reused"]]) == 8
    assert {t["trial"]: t["finished"] for t in complete if t["trial"] in kept} == kept  # not trained again
    assert len({trial["architecture"] for trial in complete}) == 8


def test_resume_refuses_data_that_has_changed(tmp_path: Path) -> None:
    for name, grey in (("dark", 40), ("light", 200)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(12):
            Image.new("L", (8, 8), grey + index).save(tmp_path / "images" / name / f"{index}.png")
    done = nas("search", "--dataset", "folder:images", "--budget", "1", *QUICK, "--baselines", "none", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    Image.new("L", (8, 8), 90).save(tmp_path / "images" / "dark" / "new.png")
    refused = nas("resume", "resnext-images-1", "--budget", "2", cwd=tmp_path)
    assert refused.returncode == 1
    assert "the data has changed since the study" in refused.stderr
    assert reads("studies", cwd=tmp_path)[0]["spec"]["budget"] == 1  # and the study is as it was


def test_help_is_fast(tmp_path: Path) -> None:
    nas("--help", cwd=tmp_path)  # compiled files are made once
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        assert nas("--help", cwd=tmp_path).returncode == 0
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.5


def test_a_closed_pipe_is_no_traceback(place: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -c 'from nas.cli import main; main()' describe resnet101 | head -1",
        shell=True,
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
