"""Recipes: validation, JSON, keys, texts of the command line, schedules, defaults."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import RecipeError
from nas.recipe import LATER, RULES, Recipe

PLAIN = Recipe()

recipes = st.builds(
    Recipe,
    epochs=st.integers(1, 1000),
    batch_size=st.integers(2, 4096),
    optimizer=st.sampled_from(["sgd", "adamw"]),
    lr=st.floats(1e-8, 100),
    schedule=st.sampled_from(["onecycle", "cosine", "step", "constant"]),
    warmup=st.floats(0, 1),
    momentum=st.floats(0, 0.999),
    nesterov=st.booleans(),
    weight_decay=st.floats(0, 1),
    decay_norm_and_bias=st.booleans(),
    label_smoothing=st.floats(0, 0.9),
    clip=st.floats(0, 100) | st.integers(0, 100),
    crop=st.integers(0, 32),
    flip=st.booleans(),
    cutout=st.integers(0, 32),
    precision=st.sampled_from(["float32", "bf16", "fp16", "auto"]),
    channels_last=st.booleans(),
    eval_batch_size=st.integers(1, 10_000),
    auxiliary=st.floats(0, 10),
    mixup=st.floats(0, 100),
    randaugment=st.integers(0, 10),
    magnitude=st.floats(0, 1),
    ema=st.floats(0, 0.9999),
    resized_crop=st.floats(0, 1),
    jitter=st.floats(0, 1),
)


def test_every_field_has_a_rule() -> None:
    assert list(RULES) == [entry.name for entry in fields(Recipe)]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("epochs", 0, "a whole number at least 1"),
        ("epochs", 2.0, "a whole number"),
        ("epochs", True, "a whole number"),
        ("epochs", "5", "a whole number"),
        ("batch_size", 1, "at least 2"),
        ("optimizer", "adam", "one of: sgd, adamw"),
        ("optimizer", None, "one of: sgd, adamw"),
        ("lr", 0, "a number above 0"),
        ("lr", -0.1, "a number above 0"),
        ("lr", math.nan, "a number above 0"),
        ("lr", math.inf, "a number above 0"),
        ("lr", 10**400, "a number above 0"),
        ("lr", "0.1", "a number above 0"),
        ("schedule", "linear", "one of: onecycle, cosine, step, constant"),
        ("warmup", 1.1, "at least 0 and at most 1"),
        ("momentum", 1, "at least 0 and at most 0.9999"),
        ("nesterov", 1, "true or false"),
        ("weight_decay", -1e-9, "a number at least 0"),
        ("decay_norm_and_bias", "no", "true or false"),
        ("label_smoothing", 1.0, "at most 0.9999"),
        ("clip", -1, "a number at least 0"),
        ("crop", -1, "a whole number at least 0"),
        ("flip", 0, "true or false"),
        ("cutout", 2.5, "a whole number at least 0"),
        ("precision", "bfloat16", "one of: float32, bf16, fp16, auto"),
        ("channels_last", None, "true or false"),
        ("eval_batch_size", 0, "at least 1"),
        ("auxiliary", -0.3, "a number at least 0"),
        ("mixup", -0.1, "a number at least 0 and at most 100"),
        ("mixup", 101, "at most 100"),
        ("mixup", True, "a number"),
        ("randaugment", 11, "a whole number at least 0 and at most 10"),
        ("randaugment", 2.0, "a whole number"),
        ("magnitude", 1.01, "at least 0 and at most 1"),
        ("magnitude", math.nan, "at least 0 and at most 1"),
        ("ema", 1.0, "at most 0.99999"),
        ("ema", -1, "at least 0"),
        ("resized_crop", 1.1, "at most 1"),
        ("resized_crop", -0.5, "at least 0"),
        ("jitter", 2, "at most 1"),
        ("jitter", "0.4", "at least 0"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, value: Any, allowed: str) -> None:
    for make in (lambda: replace(PLAIN, **{name: value}), lambda: Recipe.from_json({name: value})):
        with pytest.raises(RecipeError) as error:
            make()
        message = str(error.value)
        assert message.startswith(f"recipe: {name} must be ")
        assert allowed in message
        assert message.endswith(repr(value))


@given(recipes)
def test_json_gives_the_recipe_back(recipe: Recipe) -> None:
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
    assert again == recipe
    assert again.key == recipe.key
    assert len(recipe.key) == 16
    assert int(recipe.key, 16) >= 0


@given(recipes, recipes)
def test_keys_are_equal_when_recipes_are(a: Recipe, b: Recipe) -> None:
    assert (a.key == b.key) == (a == b)


@given(recipes)
def test_texts_of_all_fields_give_the_recipe_back(recipe: Recipe) -> None:
    texts = {name: str(value) for name, value in recipe.to_json().items()}
    assert PLAIN.with_options(texts) == recipe


def test_the_key_is_frozen() -> None:
    # Stored results are found by this key: when it changes, every user's cache is lost.
    recipe = Recipe(
        *(8, 64, "sgd", 0.1, "onecycle", 0.2, 0.9, True, 5e-4, False, 0.1, 1.0, 4, True, 8, "bf16", True, 512)
    )
    assert recipe.key == "22eac921ba62ee1d"


def test_options_that_came_later_leave_the_key_of_a_recipe_without_them() -> None:
    later = {name: value for name, value in PLAIN.to_json().items() if name in LATER}
    assert later == LATER
    assert len(later) == 10
    first = {name: value for name, value in PLAIN.to_json().items() if name not in LATER}
    text = json.dumps(first, sort_keys=True, separators=(",", ":"))
    assert PLAIN.key == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_every_field_changes_the_key() -> None:
    other: dict[str, Any] = {
        **dict.fromkeys(("nesterov", "channels_last"), False),
        **dict.fromkeys(("decay_norm_and_bias", "flip"), True),
        **{"optimizer": "adamw", "schedule": "step", "precision": "bf16", "compile": "default"},
    }
    keys = {replace(PLAIN, **{name: other.get(name, 3 if name in INTEGERS else 0.7)}).key for name in RULES}
    assert len(keys | {PLAIN.key}) == len(RULES) + 1


INTEGERS = {entry.name for entry in fields(Recipe) if entry.type == "int"}


def test_numbers_that_are_equal_are_one_recipe() -> None:
    assert Recipe(lr=1, weight_decay=-0.0).key == Recipe(lr=1.0, weight_decay=0).key


def test_unknown_fields_suggest_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"unknown recipe field 'epoch'; did you mean 'epochs'\?"):
        Recipe.from_json({"epoch": 3})
    with pytest.raises(RecipeError, match=r"unknown recipe field 'batchsize'; did you mean 'batch_size'"):
        PLAIN.with_options({"batchsize": "3"})


def test_options_are_read_by_the_type_of_their_field() -> None:
    recipe = PLAIN.with_options({"lr": "1e-2", "epochs": " 5 ", "flip": "Yes", "nesterov": "off", "optimizer": "adamw"})
    assert recipe == replace(PLAIN, lr=0.01, epochs=5, flip=True, nesterov=False, optimizer="adamw")
    assert PLAIN.with_options({}) == PLAIN
    assert PLAIN.with_options({"lr": 0.5, "flip": True}) == replace(PLAIN, lr=0.5, flip=True)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("epochs", "5.5", "recipe: epochs must be a whole number at least 1; got '5.5'"),
        ("epochs", "0", "recipe: epochs must be a whole number at least 1; got 0"),
        ("lr", "fast", "recipe: lr must be a number above 0; got 'fast'"),
        ("lr", "nan", "recipe: lr must be a number above 0; got nan"),
        ("flip", "perhaps", "recipe: flip must be true or false; got 'perhaps'"),
        ("schedule", "linear", "recipe: schedule must be one of: onecycle, cosine, step, constant; got 'linear'"),
    ],
)
def test_a_text_that_cannot_be_read_is_named(name: str, text: str, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        PLAIN.with_options({name: text})
    assert str(error.value) == message


# Schedules


def rates(steps: int, **options: Any) -> list[float]:
    recipe = Recipe(lr=2.0, **options)
    return [recipe.lr_at(step, steps) for step in range(steps)]


def test_onecycle_rises_and_falls_in_straight_lines() -> None:
    assert rates(10, schedule="onecycle", warmup=0.4) == pytest.approx(
        [2 * x for x in (1 / 5, 2 / 5, 3 / 5, 4 / 5, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6)]
    )


def test_cosine_falls_as_half_a_cosine() -> None:
    assert rates(8, schedule="cosine", warmup=0.0) == pytest.approx(
        [2 * 0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    )


def test_step_divides_by_ten_at_half_and_three_quarters() -> None:
    assert rates(8, schedule="step", warmup=0.25) == pytest.approx([2 / 3, 4 / 3, 2, 2, 0.2, 0.2, 0.02, 0.02])


def test_constant_is_constant_after_warmup() -> None:
    assert rates(4, schedule="constant", warmup=0.25) == pytest.approx([1, 2, 2, 2])


@given(recipes, st.integers(1, 500))
def test_rates_stay_between_nothing_and_the_peak(recipe: Recipe, steps: int) -> None:
    of_steps = [recipe.lr_at(step, steps) for step in range(steps)]
    assert all(0 < rate <= recipe.lr * (1 + 1e-12) for rate in of_steps)
    if recipe.schedule != "step":
        assert max(of_steps) == pytest.approx(recipe.lr)


# Defaults


@given(st.integers(1, 10**7), st.integers(1, 1024))
def test_there_is_a_recipe_for_any_data(images: int, size: int) -> None:
    recipe = Recipe.for_data(images, size)
    assert 4 <= recipe.epochs <= 30
    assert 32 <= recipe.batch_size <= 1024
    assert recipe.crop * 8 <= size
    assert (recipe.resized_crop > 0) == (images >= 20_000 and size >= 64)
    assert not (recipe.crop and recipe.resized_crop)
    assert recipe.flip == (size >= 32)


def test_recipes_of_known_data() -> None:
    digits, mnist, cifar = (Recipe.for_data(*data) for data in ((1150, 8), (54_000, 28), (45_000, 32)))
    assert (digits.epochs, digits.batch_size, digits.lr, digits.crop, digits.flip) == (4, 32, 0.15, 0, False)
    assert (mnist.epochs, mnist.batch_size, mnist.crop, mnist.flip) == (4, 512, 0, False)
    assert (cifar.epochs, cifar.batch_size, cifar.lr, cifar.crop, cifar.flip) == (8, 512, 0.4, 4, True)


def test_cifar_is_trained_by_one_cycle_in_at_most_eight_epochs() -> None:
    for images in (40_000, 45_000, 47_500, 50_000):
        recipe = Recipe.for_data(images, 32)
        assert recipe.schedule == "onecycle"
        assert recipe.epochs <= 8


def test_many_photographs_get_the_recipe_of_imagenet() -> None:
    recipe = Recipe.for_data(1_281_167, 224)
    assert recipe == replace(Recipe.imagenet(), epochs=recipe.epochs)
    assert (recipe.epochs, recipe.batch_size, recipe.lr, recipe.schedule) == (5, 256, 0.1, "cosine")
    assert (recipe.label_smoothing, recipe.ema, recipe.resized_crop, recipe.jitter) == (0.1, 0.999, 0.35, 0.4)
    assert (recipe.flip, recipe.crop, recipe.mixup, recipe.randaugment) == (True, 0, 0, 0)
    few, small = Recipe.for_data(5_000, 224), Recipe.for_data(100_000, 63)
    assert few.resized_crop == small.resized_crop == 0
    assert few.schedule == small.schedule == "onecycle"


def test_the_learning_rate_of_imagenet_follows_the_batch() -> None:
    half, whole = Recipe.imagenet(size=112), Recipe.imagenet(size=224)
    assert half.batch_size == 4 * whole.batch_size
    assert half.lr == pytest.approx(4 * whole.lr)
    assert Recipe.imagenet(epochs=3, size=1).epochs == 3


@pytest.mark.parametrize(("images", "size"), [(0, 8), (100, 0)])
def test_there_is_none_for_no_data(images: int, size: int) -> None:
    with pytest.raises(RecipeError, match="no recipe for 0"):
        Recipe.for_data(images, size)


def test_reading_recipes_needs_no_torch() -> None:
    code = "import sys, nas.recipe; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
