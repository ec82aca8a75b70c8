"""Under what is measured: read from options, kept with the study, compared before it goes on."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas.errors import NasError
from nas.latency import conditions as module
from nas.latency.conditions import Conditions, asked_for, processor
from nas.objectives import Constraint, Objective

ACCURACY, LATENCY = Objective.parse("accuracy"), Objective.parse("latency")
BOUND = Constraint.parse("latency<=5ms")


def test_they_name_this_machine() -> None:
    import torch

    here = Conditions.here("cpu", threads=2, batch=8)
    assert (here.device, here.threads, here.batch, here.precision) == ("cpu", 2, 8, "float32")
    assert here.machine.endswith(f"torch {torch.__version__}")
    assert Conditions(**here.to_json()) == here
    here.check_here()


def test_the_key_tells_conditions_apart() -> None:
    one = Conditions("m")
    changes: list[dict[str, Any]] = [
        *({"machine": "n"}, {"device": "cuda:0"}, {"threads": 2}, {"batch": 8}, {"precision": "bfloat16"})
    ]
    keys = {replace(one, **change).key for change in changes}
    assert len(keys | {one.key}) == 6
    assert Conditions("m").key == one.key


def test_another_machine_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        NasError, match=r"those of 'a Cray', and this is '.*'; latencies of two machines do not compare"
    ):
        Conditions("a Cray").check_here()
    here = Conditions.here("cpu")
    monkeypatch.setattr(module, "processor", lambda: "another CPU")
    with pytest.raises(NasError, match="this is 'another CPU"):
        here.check_here()


@pytest.mark.parametrize(
    ("listing", "name"),
    [
        ("model name\t: AMD EPYC\ncpu family\t: 25\nmodel\t\t: 17\nmodel name : B\n", "AMD EPYC (family 25 model 17)"),
        ("model name : Fast CPU\n", "Fast CPU"),
    ],
)
def test_the_processor_is_read_from_the_kernels_listing(tmp_path: Path, listing: str, name: str) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(listing)
    assert processor(path) == name
    assert processor(tmp_path / "none")  # some word, on any machine


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"threads": "0"}, "latency: threads = 0; a whole number, at least 1"),
        ({"threads": "two"}, "latency: threads = 'two'; a whole number"),
        ({"threads": 10**6}, "threads = 1000000; at most 1024"),
        ({"batch": "-1"}, "batch = '-1'; a whole number"),
        ({"batch": True}, "batch = True; a whole number"),
        ({"precision": "fp16"}, "unknown precision 'fp16'; .*float16"),
        ({"device": "tpu9"}, "unknown device 'tpu9'; use auto, cpu"),
        ({"device": "cuda:99"}, "device 'cuda:99' is not there"),
        ({"thread": "1"}, "unknown option of latency 'thread'; did you mean 'threads'"),
        ({"machine": "x"}, "unknown option of latency 'machine'"),
    ],
)
def test_bad_options_are_refused_in_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(NasError, match=message) as caught:
        Conditions.of_options(given)
    assert "\n" not in str(caught.value)


def test_a_study_has_conditions_where_it_asks_for_a_latency() -> None:
    assert asked_for([ACCURACY], [], None) is None
    assert asked_for([ACCURACY, Objective.parse("latency:min")], [], {}) is None
    here = Conditions.of_options({"threads": "2", "device": "cpu"}).to_json()
    for objectives, rules in (([ACCURACY, LATENCY], []), ([ACCURACY], [BOUND])):
        assert asked_for(objectives, rules, {"threads": "2", "device": "cpu"}) == here


def test_what_does_not_go_together() -> None:
    with pytest.raises(NasError, match=re.escape("such as 'latency<=5ms'")):
        asked_for([ACCURACY], [], {"threads": 2})
    with pytest.raises(NasError, match="a metric of the evaluator's own"):
        asked_for([ACCURACY, Objective.parse("latency:min")], [BOUND], None)
