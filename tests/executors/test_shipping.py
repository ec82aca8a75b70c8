"""The user's own modules reach a worker that has none of their files."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nas.errors

ROOT = Path(nas.errors.__file__).parents[1]

MINE = """
from __future__ import annotations
import threading
from dataclasses import dataclass
import own_depth as depths
from searchspaces import Architecture, Block, OneOf, Space, Stage
from searchspaces.documents import Kernel
from searchspaces.ends import ConvStem, PoolHead

LOCK = threading.Lock()  # a module with what cannot be pickled

@dataclass(frozen=True)
class Wiggle(Block):
    kernel: Kernel = 3

    def draw(self, g, x, width, stride):
        return g.unit(x, width, self.kernel, stride, act=depths.ACT)

def space(image_size=8):
    stem = ConvStem(8, kernel=3, stride=1, pool=False)
    return Space("own:space", Architecture(stem, (Stage(Wiggle(OneOf("k", (1, 3))), 1, 8),), PoolHead()))

def judge(architecture):
    from own_tools.scores import score  # imported by nobody before
    with LOCK:
        return score(architecture)
"""
SCORES = """
from .numbers import HALF
from searchspaces import price

def score(architecture):
    return HALF + price(architecture.draw((1, 8, 8), 10)).flops / 1e9
"""

# In the folder of the user's modules: what a worker gets, as text.
HERE = """
import base64, sys
from ray import cloudpickle
import own_space
from nas.evaluators import CallableEvaluator
from nas.executors.children import decode
from nas.executors.shipping import own_sources, pack
from searchspaces.holes import kinds_in

space = own_space.space()
assert set(own_sources()) >= {"own_space", "own_depth", "own_tools.scores", "own_tools.numbers"}, own_sources()
classes = kinds_in((space.template,))
evaluator = CallableEvaluator(own_space.judge, (1, 8, 8), 10)
payload = pack(cloudpickle.dumps, (classes, decode, evaluator), abroad=ABROAD)
print(base64.b64encode(payload).decode())
print(base64.b64encode(cloudpickle.dumps(space.decode(space.sample(__import__("random").Random(1))).to_json())).decode())
"""

# Elsewhere: the worker.
THERE = """
import base64, pickle, sys
from nas.executors import Job
from nas.executors.worker import WarmWorker
payload, document = (base64.b64decode(line) for line in sys.stdin.read().split())
_, decode, evaluator = pickle.loads(payload)
architecture, _ = decode(Job(1, pickle.loads(document), {}, 0, 1))
(metrics,) = evaluator.run(architecture, None, 0)
architecture.check()
print(type(architecture.stages[0].block).__module__, metrics["val_accuracy"] > 0.5)
"""


def run(code: str, folder: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """In a folder that is on the path of this process alone."""
    start = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]\n"
    command = [sys.executable, "-P", "-c", start + code]
    return subprocess.run(command, cwd=folder, input=given, text=True, capture_output=True, timeout=60, check=False)


def folders(tmp_path: Path) -> tuple[Path, Path]:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "own_tools").mkdir(parents=True)
    there.mkdir()
    (here / "own_space.py").write_text(MINE)
    (here / "own_depth.py").write_text('ACT = "tanh"\n')
    (here / "own_tools" / "scores.py").write_text(SCORES)
    (here / "own_tools" / "numbers.py").write_text("HALF = 0.5\n")
    return here, there


def test_a_worker_without_the_files_runs_the_users_code(tmp_path: Path) -> None:
    here, there = folders(tmp_path)
    sent = run(HERE.replace("ABROAD", "True"), here)
    assert sent.returncode == 0, sent.stderr
    done = run(THERE, there, sent.stdout)
    assert done.stdout == "own_space True\n", done.stderr


SCRIPT = """
from __future__ import annotations
import base64
from dataclasses import dataclass
from ray import cloudpickle
from nas.evaluators import CallableEvaluator
from nas.executors.children import decode
from nas.executors.shipping import pack
from searchspaces import Architecture, Block, OneOf, Space, Stage
from searchspaces.documents import Kernel
from searchspaces.ends import ConvStem, PoolHead
from searchspaces.holes import kinds_in

@dataclass(frozen=True)
class Wiggle(Block):
    kernel: Kernel = 3

    def draw(self, g, x, width, stride):
        return g.unit(x, width, self.kernel, stride, act="tanh")

stem = ConvStem(8, kernel=3, stride=1, pool=False)
space = Space("mine", Architecture(stem, (Stage(Wiggle(OneOf("k", (1, 3))), 1, 8),), PoolHead()))
evaluator = CallableEvaluator(lambda architecture: 0.9, (1, 8, 8), 10)
shipped = kinds_in((space.template,)), decode, evaluator
print(base64.b64encode(pack(cloudpickle.dumps, shipped, abroad=ABROAD)).decode())
document = space.decode(space.point({"k": 1})).to_json()
print(base64.b64encode(cloudpickle.dumps(document)).decode())
"""


@pytest.mark.parametrize("abroad", [True, False])
def test_a_block_of_a_script_with_annotations_as_text(tmp_path: Path, abroad: bool) -> None:
    here, there = folders(tmp_path)
    (here / "script.py").write_text(SCRIPT.replace("ABROAD", str(abroad)))
    sent = subprocess.run(
        [sys.executable, "script.py"],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert sent.returncode == 0, sent.stderr
    done = run(THERE, there, sent.stdout)
    assert done.stdout == "__main__ True\n", done.stderr


def test_on_this_machine_nothing_is_sent_along(tmp_path: Path) -> None:
    here, there = folders(tmp_path)
    sent = run(HERE.replace("ABROAD", "False"), here)
    assert sent.returncode == 0, sent.stderr
    done = run(THERE, there, sent.stdout)
    assert "No module named 'own_space'" in done.stderr


def test_what_comes_along_goes_before_an_older_file(tmp_path: Path) -> None:
    here, there = folders(tmp_path)
    (there / "own_depth.py").write_text("raise SystemExit('the old one')\n")
    sent = run(HERE.replace("ABROAD", "True"), here)
    done = run(THERE, there, sent.stdout)
    assert done.stdout == "own_space True\n", done.stderr


def test_nothing_that_is_installed_is_sent() -> None:
    code = """
import numpy, pathlib, json, nas.api, searchspaces, hypothesis
from nas.executors.shipping import own_sources
print(sorted(own_sources()))
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "[]\n", done.stderr


def test_the_text_of_a_payload_is_no_larger_than_its_modules(tmp_path: Path) -> None:
    here, _ = folders(tmp_path)
    (here / "unrelated.py").write_text("SECRET = 'this file is imported by nobody'\n")
    sent = run(HERE.replace("ABROAD", "True"), here)
    assert b"SECRET" not in base64.b64decode(sent.stdout.split()[0])
