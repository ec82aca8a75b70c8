"""Published figures: every one has its network, and the recipes are those of papers with figures."""

from __future__ import annotations

import pytest

from nas.errors import ReproductionError
from nas.recipe import Recipe
from nas.reproduction.papers import (
    OF_DATASET,
    RECIPES,
    augmentation,
    datasets,
    our_words,
    paper_recipe,
    published_dataset,
    published_error,
)
from searchspaces import NETWORKS

SMALL = {"CIFAR-10", "CIFAR-100", "MNIST"}


def figures() -> set[tuple[str, str]]:
    return {(error.source, error.dataset) for network in NETWORKS.values() for error in network.errors}


def test_every_recipe_belongs_to_a_figure_of_the_catalogue() -> None:
    for source, dataset in RECIPES:
        found = {of for paper, of in figures() if paper == source}
        assert dataset in found if dataset else found & {"CIFAR-10", "CIFAR-100"}


def test_every_figure_on_small_images_has_a_recipe_and_is_an_error_rate() -> None:
    found = [error for each in NETWORKS.values() for error in each.errors if error.dataset in SMALL]
    assert len(found) >= 40
    for error in found:
        recipe = paper_recipe(error)
        assert recipe is not None, error
        assert recipe.words()
        assert error.top1 is not None
        assert 0 < error.top1 < 0.5


def test_the_names_of_datasets_are_those_of_the_figures() -> None:
    assert set(OF_DATASET.values()) <= set(datasets())
    assert published_dataset("cifar10") == "CIFAR-10"
    assert published_dataset("digits") is None
    assert published_dataset("folder:x", "cifar-100") == "CIFAR-100"
    with pytest.raises(ReproductionError, match=r"CIFAR-11.*did you mean 'CIFAR-1"):
        published_dataset("cifar10", "CIFAR-11")


def test_a_figure_is_the_one_with_augmentation_if_ours_has_any() -> None:
    with_it, without = (published_error(NETWORKS["nin_cifar"], "CIFAR-10", augmented) for augmented in (True, False))
    assert with_it
    assert with_it.top1 == 0.0881
    assert without
    assert without.top1 == 0.1041
    assert published_error(NETWORKS["resnet18"], "CIFAR-10") is None
    on_imagenet = published_error(NETWORKS["resnet50"], "ImageNet")
    assert on_imagenet is not None
    assert on_imagenet.dataset == "ImageNet"


def test_words() -> None:
    assert augmentation(Recipe()) == ""
    assert augmentation(Recipe(crop=4, flip=True)) == "crops of 4 pixels of padding and mirrors"
    assert our_words(Recipe(epochs=3, label_smoothing=0.1)) == (
        "3 epochs, batch 128, sgd onecycle from rate 0.1, weight decay 0.0005, no augmentation, label smoothing 0.1"
    )
