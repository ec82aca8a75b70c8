"""A block, a space and an evaluator of the user's own, in a script, in other processes, without touching our code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from dataclasses import dataclass

import nas
from searchspaces import Architecture, Block, OneOf, Space, Stage, price
from searchspaces.documents import Kernel
from searchspaces.ends import ConvStem, PoolHead
from searchspaces.resnet import Basic


@dataclass(frozen=True)
class Wiggle(Block):
    "A block that nas has never seen."
    kernel: Kernel = 3

    def draw(self, g, x, width, stride):
        return g.unit(x, width, self.kernel, stride, act="tanh")


block = OneOf("block", (Wiggle(OneOf("kernel", (1, 3, 5))), Basic()))
stem = ConvStem(8, kernel=3, stride=1, pool=False)
space = Space("mine", Architecture(stem, (Stage(block, OneOf("depth", (1, 2, 3)), 8),), PoolHead()))


def judge(architecture):
    return 1 / (1 + price(architecture.draw((1, 8, 8), 10)).flops)


if __name__ == "__main__":
    options = {"executor": "EXECUTOR", "controller": "random"}
    trained = nas.search(space, budget=2, recipe={"epochs": "1"}, baselines="none", **options)
    judged = nas.search(space, evaluator=judge, image=(1, 8, 8), budget=12, **options)
    for study in (trained, judged):
        print(*sorted({trial.state + (trial.reason or "") for trial in study.trials if trial.kind == "child"}))
    print(len(judged.front), judged.baselines())
"""


@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.faults(only_long=True))])
def test_a_script_with_its_own_block_space_and_evaluator(executor: str, tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT.replace("EXECUTOR", executor))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    trained, judged, rest = done.stdout.splitlines()
    assert trained == judged == "complete"
    assert rest.startswith("1 ")  # the cheapest is also the best here
