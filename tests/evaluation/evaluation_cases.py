"""What the tests of evaluation share: a small trained network on digits, and folders of made images."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from nas.build import build
from nas.checkpoint import Checkpoint
from nas.data import DataSpec, load
from nas.recipe import Recipe
from nas.training.train import train
from searchspaces import NETWORKS, Architecture

CPU = torch.device("cpu")


@lru_cache
def on_digits(seed: int = 0, epochs: int = 1) -> Checkpoint:
    """LeNet-5, trained for a second, which leaves it mistakes to count."""
    data, lenet = load(DataSpec("digits")), NETWORKS["lenet5"].at(8)
    recipe = replace(Recipe.for_data(len(data.train), 8), epochs=epochs)
    module = build(lenet.draw(data.image, 10), seed)
    list(train(module, data, recipe, seed=seed, device=CPU))
    spec = {name: value for name, value in DataSpec("digits").to_json().items() if name != "root"}
    weights = {name: value.detach().clone() for name, value in module.state_dict().items()}
    facts = (lenet, data.image, data.classes, data.mean, data.std)
    return Checkpoint(*facts, recipe, seed, spec, data.key, f"lenet5 of seed {seed}", weights)


def untrained(
    architecture: Architecture, image: tuple[int, int, int], classes: tuple[str, ...], *, flip: bool = False
) -> Checkpoint:
    """A network with the weights that it begins with."""
    module = build(architecture.draw(image, len(classes)), seed=5)
    mean, std = (0.5,) * image[0], (0.25,) * image[0]
    recipe = Recipe(flip=flip)
    return Checkpoint(architecture, image, classes, mean, std, recipe, 5, {}, "", "", module.state_dict())


def picture(width: int, height: int, seed: int) -> Image.Image:
    """A photograph of sorts: smooth, in colour, with noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    noisy = (smooth + rng.integers(-20, 21, smooth.shape)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(noisy)


def folder(root: Path, classes: tuple[str, ...], parts: tuple[str, ...] = ("train", "test"), each: int = 3) -> Path:
    """Images of several sizes; those of `train` are as many as those of the others."""
    for part in parts:
        for label, name in enumerate(classes):
            (root / part / name).mkdir(parents=True)
            for index in range(each):
                seed = 100 * label + index + 10_000 * (part == "test")
                picture(40 + 3 * index, 34 + 2 * label, seed).save(root / part / name / f"{index}.png")
    return root
