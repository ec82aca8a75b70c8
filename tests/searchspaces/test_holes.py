"""Holes: finding them, filling them, and reading the choices back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from templates import TEMPLATES, Pair, every, random_templates, space

from searchspaces import InvalidSpace, OneOf
from searchspaces.holes import Miss, children, compile_template, match, occurrences


def test_the_parts_of_a_tree_have_path_steps() -> None:
    assert list(children(Pair(3, "x"))) == [(".left", 3), (".right", "x")]
    assert list(children((5, 6))) == [("[0]", 5), ("[1]", 6)]
    assert list(children("text")) == []


def test_a_hole_inside_a_value_has_the_way_down_as_its_condition() -> None:
    found = {hole.name: condition for hole, condition in occurrences(TEMPLATES["nested conditions"])}
    assert found == {"a": (), "b": (("a", 0),), "c": (("a", 0), ("b", 0))}


def test_parts_without_holes_are_shared() -> None:
    plain = Pair((1, 2), 3)
    fill = compile_template(Pair(plain, OneOf("a", (4, plain))))
    assert fill({"a": 1}) == Pair(plain, plain)
    assert fill({"a": 0}).left is plain


def test_a_negative_choice_is_no_choice() -> None:
    with pytest.raises(KeyError):
        compile_template(OneOf("a", (1, 2)))({"a": -1})


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_matching_reads_back_exactly_the_choices_that_filled(template: Any) -> None:
    fill = compile_template(template)
    for value, choices in every(template, {}):
        assert fill(choices) == value
        assert list(match(template, value, {}, Miss())) == [choices]


@settings(deadline=None)
@given(random_templates())
def test_matching_inverts_filling_on_any_template(template: Any) -> None:
    try:
        space(template)
    except InvalidSpace:
        assume(False)
    for value, choices in every(template, {}):
        assert list(match(template, value, {}, Miss())) == [choices]


def test_matching_backtracks_where_a_tied_hole_contradicts_an_earlier_guess() -> None:
    # Both choices of `a` fit the left 8; only the right one says which it was.
    template = Pair(OneOf("a", (8, 8, 16)), OneOf("a", (1, 2, 3)))
    assert list(match(template, Pair(8, 2), {}, Miss())) == [{"a": 1}]


@pytest.mark.parametrize(
    ("template", "value", "path", "problem"),
    [
        (Pair(OneOf("a", (1, 2)), 3), Pair(7, 3), "left", "7 is not a choice of axis 'a'; allowed: 1, 2"),
        (Pair(1, 3), Pair(1, 4), "right", "4, the space has 3"),
        (Pair(1, (2, Pair(5, 6))), Pair(1, (2, Pair(5, 7))), "right[1].right", "7, the space has 6"),
        (Pair((1, 2), 3), Pair((1, 2, 3), 3), "left", "3 entries, the space has 2"),
        (Pair(Pair(1, 2), 3), Pair(1, 3), "left", "a int, the space has a Pair here"),
        (
            Pair(OneOf("a", (1, 2)), OneOf("a", (10, 20))),
            Pair(1, 20),
            "right",
            "20, but axis 'a' as chosen elsewhere means 10",
        ),
        (
            Pair(OneOf("a", (Pair(1, 2), (3, 4))), 5),
            Pair("x", 5),
            "left",
            "a str is not a choice of axis 'a'; allowed: Pair, tuple",
        ),
    ],
)
def test_a_miss_names_the_furthest_place_and_what_is_allowed(
    template: Any, value: Any, path: str, problem: str
) -> None:
    miss = Miss()
    assert list(match(template, value, {}, miss)) == []
    assert (miss.path, miss.problem) == (path, problem)


def test_a_miss_reports_the_branch_that_got_furthest() -> None:
    template = OneOf("a", (Pair(1, (2, 3)), Pair(9, (2, 3))))
    miss = Miss()
    assert list(match(template, Pair(1, (2, 4)), {}, miss)) == []
    assert (miss.path, miss.problem) == ("right[1]", "4, the space has 3")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: OneOf("a", ()), "hole 'a' has no values"),
        (lambda: OneOf("a", (1, 2), labels=("one",)), "2 values but 1 labels"),
        (lambda: space(Pair(OneOf("a", (1, 2)), OneOf("a", (1, 2, 3)))), "share one choice but have 2 and 3 values"),
        (lambda: space(OneOf("a", (1, Pair(OneOf("a", (1, 2)))))), "stands inside one of its own values"),
        (
            lambda: space(Pair(OneOf("a", (1, OneOf("b", (1, 2)))), OneOf("b", (1, OneOf("a", (1, 2)))))),
            None,  # both also stand free, so neither depends on the other
        ),
        (
            lambda: space(
                (
                    OneOf("c", (0, OneOf("a", (1, OneOf("b", (1, 2)))))),
                    OneOf("d", (0, OneOf("b", (1, OneOf("a", (1, 2)))))),
                )
            ),
            "axes 'a' and 'b' depend on each other",
        ),
    ],
)
def test_templates_that_contradict_themselves_are_refused(make: Any, problem: str | None) -> None:
    if problem is None:
        assert [axis.name for axis in make().axes] == ["a", "b"]
    else:
        with pytest.raises(InvalidSpace, match=problem):
            make()
