"""Which hand-designed networks stand beside the children."""

from __future__ import annotations

import pytest

from nas.baselines import DEAREST, choose, find
from nas.errors import StudyError
from nas.objectives import Constraint
from searchspaces import NETWORKS, SPACES, Architecture, price

IMAGE, CLASSES = (3, 32, 32), 10


def flops(network: Architecture) -> int:
    return price(network.draw(IMAGE, CLASSES)).flops


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("budget", [1, 20, 200])
def test_auto_is_affordable_ordered_and_names_the_rest(space: str, budget: int) -> None:
    made = SPACES[space](32)
    picked = choose(made, "auto", IMAGE, CLASSES, budget)
    costs = [flops(network) for network in picked.networks.values()]
    assert costs == sorted(costs)
    assert set(picked.left_out) == set(made.networks) - set(picked.networks)
    if budget == 200:
        assert any(name.startswith("resnet") for name in picked.networks)
        assert any(name.startswith("mobilenet") for name in picked.networks)
        # Whatever is left out costs more than anything of the space that was taken.
        taken = [flops(made.networks[name]) for name in picked.networks if name in made.networks]
        assert all(flops(made.networks[name]) > max(taken) for name in picked.left_out)


def test_a_small_budget_buys_less() -> None:
    made = SPACES["resnext"](32)
    spent = [sum(map(flops, choose(made, "auto", IMAGE, CLASSES, budget).networks.values())) for budget in (1, 3, 20)]
    assert 0 < spent[0] < spent[1] < spent[2]


def test_constraints_lower_what_is_affordable() -> None:
    made = SPACES["mobilenet"](32)
    free = choose(made, "auto", IMAGE, CLASSES, 50).networks
    tight = choose(made, "auto", IMAGE, CLASSES, 50, [Constraint.parse("flops<=15M")]).networks
    assert max(map(flops, tight.values())) <= DEAREST * 15e6 < max(map(flops, free.values()))


def test_all_none_and_names() -> None:
    made = SPACES["vgg"](32)
    assert set(choose(made, "all", IMAGE, CLASSES, 1).networks) == set(made.networks)
    assert choose(made, "none", IMAGE, CLASSES, 1).networks == {}
    named = choose(made, ["resnet20", "vgg11"], IMAGE, CLASSES, 1).networks
    assert list(named) == ["resnet20", "vgg11"]
    assert named["resnet20"] == NETWORKS["resnet20"].architecture
    assert named["vgg11"] == made.networks["vgg11"] != NETWORKS["vgg11"].architecture


def test_an_unknown_network_suggests_the_nearest() -> None:
    with pytest.raises(StudyError, match="did you mean 'resnet20'"):
        find("resnet_20", SPACES["vgg"](32), IMAGE)
