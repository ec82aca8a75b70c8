"""A team of two processes without Ray: shares, statistics of normalisation, and going on where one of them died."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from nas.checkpoint import read_checkpoint
from nas.errors import TrainingError
from nas.retraining.retrain import retrain
from nas.retraining.tasks import Job, Order
from nas.training.team import ALONE, Team
from nas.training.train import Training

pytestmark = pytest.mark.usefixtures("one_thread")

MakeOrder = Callable[..., Order]
ROOT = Path(__file__).parents[2]


def together(place: Path, *jobs: tuple[Job, str | None]) -> None:
    """Train jobs in two processes."""
    document, meeting = place / "jobs.json", place / "meeting"
    document.write_text(json.dumps([(job.to_json(), copy) for job, copy in jobs]))
    command = [sys.executable, str(Path(__file__).with_name("member.py"))]
    arguments = str(meeting), str(document)
    members = [subprocess.Popen([*command, str(rank), *arguments], cwd=ROOT, env=environment()) for rank in range(2)]
    try:
        assert [member.wait(200) for member in members] == [0, 0]
    finally:
        for member in members:
            member.kill()
            member.wait()


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def test_shares_are_everything_once_and_of_nearly_one_size() -> None:
    for size in (1, 2, 3, 7):
        for count in (0, 1, 7, 20, 64):
            shares = [Team(rank, size).share(count) for rank in range(size)]
            assert [index for share in shares for index in range(count)[share]] == list(range(count))
            sizes = [len(range(count)[share]) for share in shares]
            assert max(sizes) - min(sizes) <= 1


def test_alone_nothing_is_wrapped_or_changed() -> None:
    module, numbers = nn.BatchNorm2d(2), torch.ones(3)
    assert ALONE.wrapped(module, torch.device("cpu")) is module
    assert Team(sync_bn=True).prepared(module) is module
    assert ALONE.total(numbers) is numbers
    assert isinstance(Team(0, 2, sync_bn=True).prepared(module), nn.SyncBatchNorm)


def test_two_images_each_are_needed(order: MakeOrder) -> None:
    asked = order("lenet5", recipe={"epochs": 1, "batch_size": 5})
    with pytest.raises(TrainingError, match=r"a batch of \d images has no two for each of 3 workers"):
        Training(nn.Flatten(), asked.data, asked.recipe, seed=0, device=torch.device("cpu"), team=Team(0, 3))


def test_a_team_evens_out_its_statistics_and_goes_on_bit_by_bit(order: MakeOrder, tmp_path: Path) -> None:
    """Three trainings in one pair of processes, which take longer to start than to train."""
    recipe = {"epochs": 3, "batch_size": 64, "ema": 0.9}
    whole, resumed = (order("resnet8", recipe=recipe, validation=0.2, output=tmp_path / each) for each in ("w", "r"))
    # At a rate of nearly nothing the mean over two halves of a batch is the mean over the batch.
    still = {"epochs": 1, "batch_size": 62, "lr": 1e-12, "weight_decay": 0.0}
    one, two = (order("resnet8", recipe=still, output=tmp_path / each) for each in ("one", "two"))
    jobs = [each.job(each.tasks[0], 0) for each in (whole, resumed, one, two)]
    retrain(one)
    together(tmp_path, (jobs[0], jobs[1].folder), (jobs[1], None), (jobs[3], None))
    weights = [read_checkpoint(Path(job.folder) / "last.safetensors").weights for job in jobs]
    losses = [
        [json.loads(line)["train_loss"] for line in (Path(job.folder) / "epochs.jsonl").read_text().splitlines()]
        for job in jobs
    ]
    assert len(losses[0]) == 3
    assert losses[1] == losses[0]
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())
    first = next(name for name in weights[2] if name.endswith("running_mean"))
    assert weights[2][first].abs().max() > 0.1
    # Halves of an odd batch differ by one image.
    torch.testing.assert_close(weights[3][first], weights[2][first], rtol=0.05, atol=2e-3)
