"""How many children share a GPU, with made-up sizes of GPUs: no GPU is needed, and none was used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nas.gpu_share import largest, resident, share_of
from nas.plan import Plan, make_plan
from nas.training.memory import CONTEXT, MARGIN, training_memory

GIB = 2**30


def plan_of(*constraints: str, baselines: tuple[str, ...] = ()) -> Plan:
    return make_plan(
        "resnext", dataset="digits", constraints=constraints, budget=5, baselines=baselines or "none", executor="ray"
    )


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of()


def test_so_many_children_as_fit(plan: Plan) -> None:
    share = share_of(plan.terms, plan.evaluator)
    one = CONTEXT + resident(plan.evaluator, 80 * GIB) + MARGIN * largest(plan.terms)
    assert share(int(one) + 2) == 1.0
    assert share(int(3.5 * one)) == pytest.approx(1 / 3, abs=1e-4)
    assert share(int(3.5 * one)) <= 1 / 3
    assert share(int(20.5 * one)) == 0.05


def test_where_none_fits_a_child_has_the_gpu_to_itself(plan: Plan) -> None:
    assert share_of(plan.terms, plan.evaluator)(CONTEXT) == 1.0


def test_the_size_is_that_of_the_dearest_child_within_the_constraints(plan: Plan) -> None:
    whole, bound = largest(plan.terms), largest(plan_of("flops<=1M").terms)
    assert bound < whole


def test_baselines_are_trained_too(plan: Plan) -> None:
    terms = plan_of("flops<=1M", baselines=("resnet18",)).terms
    graph = terms.baselines["resnet18"].draw(terms.problem.image, terms.problem.classes)
    assert largest(terms) == training_memory(graph, terms.recipe).peak


def test_a_larger_batch_leaves_room_for_fewer(plan: Plan) -> None:
    terms = plan.terms
    small, large = (replace(terms, recipe=replace(terms.recipe, batch_size=size)) for size in (64, 4096))
    assert share_of(small, plan.evaluator)(8 * GIB) < share_of(large, plan.evaluator)(8 * GIB)


def test_data_that_stay_on_the_host_take_no_room(plan: Plan) -> None:
    assert resident(plan.evaluator, 80 * GIB) > 0
    assert resident(plan.evaluator, 10_000) == 0
