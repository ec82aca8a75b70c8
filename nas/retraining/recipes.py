"""The full recipe: the one that ranked the children, for as many epochs as a final accuracy needs."""

from __future__ import annotations

from dataclasses import replace

from nas.recipe import MANY, PHOTOGRAPH, Recipe

TIMES = 10  # the epochs that ranking takes by the size of the data
FEWEST, MOST = 30, 100
PHOTOGRAPHS = 90  # epochs on many photographs, as usual for ImageNet (Goyal et al. 2017, section 5.1)


def final_recipe(ranking: Recipe, images: int, size: int) -> Recipe:
    """`ranking` with the epochs of a final training on so many images of `size` × `size` pixels.

    Ten times the epochs that `Recipe.for_data` ranks by, from 30 to 100; 90 for many photographs; never fewer than
    `ranking` has. All else stays, so that what the search found is trained as it was found. Raises `RecipeError`.
    """
    wanted = min(max(TIMES * Recipe.for_data(images, size).epochs, FEWEST), MOST)
    if images >= MANY and size >= PHOTOGRAPH:
        wanted = PHOTOGRAPHS
    return replace(ranking, epochs=max(ranking.epochs, wanted))
