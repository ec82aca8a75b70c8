"""Trained to the end, stopped and gone on with, tested once, and nobody else's folder touched."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas.checkpoint import read_checkpoint
from nas.data import Split
from nas.errors import CheckpointError, RetrainingError, TrainingError
from nas.retraining.retrain import Silent, retrain
from nas.retraining.tasks import Order, Task
from nas.training.placement import place
from nas.training.train import measure

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
MakeOrder = Callable[..., Order]


class Listener(Silent):
    """Notes the epochs; stops the whole at one of them."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.epochs: list[int] = []
        self.failures: list[str] = []
        self.stop_at = stop_at

    def epoch(self, metrics: Mapping[str, float]) -> None:
        self.epochs.append(int(metrics["epoch"]))
        if len(self.epochs) == self.stop_at:
            raise KeyboardInterrupt

    def failed(self, task: Task, seed: int, reason: str) -> None:
        self.failures.append(reason)


def folder(order: Order, seed: int = 0, task: int = 0) -> Path:
    return order.output / order.tasks[task].name / f"seed{seed}"


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


def weights(path: Path) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in read_checkpoint(path).weights.items()}


def test_a_run_leaves_its_last_weights_and_its_result(order: MakeOrder) -> None:
    asked = order("lenet5", seeds=2)
    (summary,) = retrain(asked)
    assert names(folder(asked)) == ["epochs.jsonl", "last.safetensors", "result.json"]  # the state is gone
    kept = read_checkpoint(folder(asked) / "last.safetensors")
    assert kept.source == "lenet5"
    assert kept.seed == 0
    assert kept.data_key == asked.data.key
    found = measure(kept.module(), asked.data.test(), place(asked.data, CPU), asked.recipe, device=CPU)
    assert kept.results["test_accuracy"] == pytest.approx(found["accuracy"], abs=1e-6)
    assert kept.results["test_images"] == len(asked.data.test())
    assert "val_accuracy" not in kept.results
    assert summary.accuracies[0] == kept.results["test_accuracy"] > 0.5
    assert weights(folder(asked) / "last.safetensors") != weights(folder(asked, seed=1) / "last.safetensors")
    assert json.loads((asked.output / "lenet5-digits" / "result.json").read_text()) == summary.to_json()


def test_no_image_is_held_out_unless_asked_for(order: MakeOrder) -> None:
    everything, some = order("lenet5", fraction=1.0), order("lenet5", fraction=1.0, validation=0.2)
    assert len(everything.data.validation) == 0
    assert len(everything.data.train) == len(some.data.train) + len(some.data.validation)


def test_a_folders_own_validation_images_are_trained_on_too(order: MakeOrder, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 3)):
        for label in ("cat", "dog"):
            place = tmp_path / "pets" / split / label
            place.mkdir(parents=True)
            for index in range(count):
                Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(place / f"{index}.png")
    asked = order("lenet5", dataset=f"folder:{tmp_path}/pets", fraction=1.0)
    held = order("lenet5", dataset=f"folder:{tmp_path}/pets", fraction=1.0, validation=0.1)
    assert [len(each.data.train) for each in (asked, held)] == [18, 12]
    assert [len(each.data.validation) for each in (asked, held)] == [0, 6]
    assert asked.data.key != held.data.key
    assert sorted(asked.data.train.labels.tolist()) == [0] * 9 + [1] * 9
    assert not asked.data.has_test
    (summary,) = retrain(asked)
    assert summary.test is None


def test_with_images_held_out_the_best_epoch_is_kept_too(order: MakeOrder) -> None:
    asked = order("lenet5", validation=0.3, recipe={"epochs": 4, "batch_size": 32, "lr": 0.3, "schedule": "constant"})
    (summary,) = retrain(asked)
    curve = [json.loads(line) for line in (folder(asked) / "epochs.jsonl").read_text().splitlines()]
    accuracies = [epoch["val_accuracy"] for epoch in curve]
    best, last = (read_checkpoint(folder(asked) / f"{name}.safetensors") for name in ("best", "last"))
    assert best.results["epoch"] == 1 + accuracies.index(max(accuracies))
    assert best.results["val_accuracy"] == max(accuracies)
    assert last.results["epoch"] == 4
    assert {"test_accuracy", "test_loss"} <= best.results.keys() & last.results.keys()
    assert summary.results[0]["checkpoint"] == "best.safetensors"
    assert summary.accuracies == [best.results["test_accuracy"]]


def test_the_test_split_is_read_once_and_after_the_last_epoch(order: MakeOrder) -> None:
    asked = order("lenet5", validation=0.3)
    listener, reads = Listener(), list[int]()
    plain = asked.data.read_test
    assert plain is not None

    def read() -> Split:
        reads.append(len(listener.epochs))
        return plain()

    retrain(replace(asked, data=replace(asked.data, read_test=read)), listener)
    assert reads == [asked.recipe.epochs]


def test_without_a_test_split_there_is_no_number(order: MakeOrder) -> None:
    asked = order("lenet5")
    (summary,) = retrain(replace(asked, data=replace(asked.data, read_test=None)))
    assert summary.test is None
    assert summary.optimism is None
    assert not any(name.startswith("test") for name in read_checkpoint(folder(asked) / "last.safetensors").results)


@pytest.mark.parametrize("changes", [{}, {"validation": 0.3}])
def test_stopped_by_ctrl_c_it_goes_on_where_it_was(order: MakeOrder, tmp_path: Path, changes: dict[str, Any]) -> None:
    recipe = {"epochs": 3, "batch_size": 64, "ema": 0.9, "crop": 1}
    whole = order("resnet8", recipe=recipe, output=tmp_path / "whole", **changes)
    retrain(whole)
    asked = order("resnet8", recipe=recipe, **changes)
    with pytest.raises(KeyboardInterrupt):
        retrain(asked, Listener(stop_at=2))
    assert "state.safetensors" in names(folder(asked))
    listener = Listener()
    retrain(asked, listener)
    assert listener.epochs == [3]
    files = ["last.safetensors", *(["best.safetensors"] if changes else [])]
    for file in files:
        assert weights(folder(asked) / file) == weights(folder(whole) / file)
        assert read_checkpoint(folder(asked) / file).results == read_checkpoint(folder(whole) / file).results
    again = Listener()
    retrain(asked, again)
    assert again.epochs == []  # what is trained is not trained again
    retrain(replace(asked, seeds=2), again)
    assert again.epochs == [1, 2, 3]  # a second seed beside the first


def test_killed_in_the_middle_the_same_command_ends_with_the_same_bits(order: MakeOrder, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from nas.cli import main; main()", "retrain", "resnet8", "--quiet"]
    settings = ["--recipe", "epochs=8", "--recipe", "batch_size=32", "--fraction", "0.6", "--device", "cpu"]
    run = [*command, *settings, "--output", "killed"]
    state = tmp_path / "killed/resnet8-digits/seed0/state.safetensors"
    process = subprocess.Popen(run, cwd=tmp_path, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state.exists()
    assert not (state.parent / "last.safetensors").exists()
    (state.parent / ".state.safetensors.1.part").write_bytes(b"half")  # as a kill in the middle of a write leaves
    subprocess.run(run, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    retrain(order("resnet8", fraction=0.6, recipe={"epochs": 8, "batch_size": 32}, output=tmp_path / "whole"))
    last = "resnet8-digits/seed0/last.safetensors"
    assert weights(tmp_path / "killed" / last) == weights(tmp_path / "whole" / last)
    assert names(state.parent) == ["epochs.jsonl", "last.safetensors", "result.json"]
    curves = [(tmp_path / each / last).with_name("epochs.jsonl").read_text() for each in ("killed", "whole")]
    losses = [[json.loads(line)["train_loss"] for line in curve.splitlines()] for curve in curves]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 8


def test_a_folder_of_another_run_is_left_alone(order: MakeOrder) -> None:
    asked = order("lenet5")
    retrain(asked)
    for other, said in (
        (order("lenet5", recipe={"epochs": 2, "batch_size": 64}), "epochs is 3 there and 2 here"),
        (order("lenet5", fraction=0.4), "data is"),
        (replace(asked, workers=2), "workers is 1 there and 2 here"),
    ):
        with pytest.raises(RetrainingError, match=f"holds another run: {said}.*another --output"):
            retrain(other)
    path = asked.output / "lenet5-digits" / "run.json"
    document = json.loads(path.read_text())
    del document["run"]["recipe"]["jitter"]
    path.write_text(json.dumps(document))
    retrain(asked)  # a field of a recipe that came later stands there at its default
    path.write_text("[]")
    with pytest.raises(RetrainingError, match="not what nas retrain wrote"):
        retrain(asked)


def test_two_processes_do_not_train_in_one_folder(order: MakeOrder) -> None:
    asked = order("lenet5")
    retrain(asked)
    with (asked.output / "lenet5-digits" / "run.json").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RetrainingError, match="another process trains there"):
            retrain(asked)


def test_where_nothing_can_be_written_one_line_says_so(order: MakeOrder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        CheckpointError, match=r"file/out/lenet5-digits/run\.json: cannot be written \(Not a directory\)"
    ):
        retrain(order("lenet5", output=tmp_path / "file" / "out"))
    if os.path.exists("/dev/full"):
        asked = order("lenet5")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("safetensors.torch.save_file", lambda *arguments, **more: Path("/dev/full").write_bytes(b"x"))
            with pytest.raises(
                CheckpointError, match=r"state\.safetensors: cannot be written \(No space left on device\)"
            ):
                retrain(asked)


def test_a_network_that_fails_stops_itself_only(order: MakeOrder) -> None:
    asked = order("resnet8", "lenet5", seeds=2, recipe={"epochs": 2, "lr": 1e30, "clip": 0, "schedule": "constant"})
    listener = Listener()
    first, second = retrain(asked, listener)
    assert len(listener.failures) == 2  # one of each network: its other seed is left out
    for summary in (first, second):
        assert summary.failed is not None
        assert "seed 0: loss became" in summary.failed
        assert summary.test is None


def test_what_cannot_be_is_said_before_anything_is_trained(order: MakeOrder) -> None:
    with pytest.raises(RetrainingError, match=r"sync_bn is for several workers"):
        retrain(order("lenet5", sync_bn=True))
    with pytest.raises(RetrainingError, match=r"on GPUs only"):
        retrain(order("lenet5", sync_bn=True, workers=2))
    with pytest.raises(TrainingError, match=r"unknown device 'gpu'"):
        retrain(order("lenet5", device="gpu"))
    assert not order("lenet5").output.exists()
