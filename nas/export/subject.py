"""`Subject`: what is exported, a trained network from a checkpoint or an architecture with fresh weights."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nas import __version__
from nas.build import build

if TYPE_CHECKING:
    from nas.checkpoint import Checkpoint
    from searchspaces import Architecture, Graph

SEED = 0
UNTRAINED = f"untrained weights (seed {SEED})"


class Normalised(nn.Module):
    """A network that normalises its images itself: (N, C, H, W) of floats in [0, 1] to scores."""

    def __init__(self, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Scores of images."""
        scores: Tensor = self.network((image - self.mean) / self.std)
        return scores


@dataclass(frozen=True, eq=False)
class Subject:
    """What is exported. `normalise`: whether the exported model takes images in [0, 1] and normalises them itself.

    `checkpoint` is None for an untrained network, which has no names of classes and no normalisation of its own.
    """

    source: str
    architecture: Architecture
    image: tuple[int, int, int]
    classes: int
    checkpoint: Checkpoint | None = None
    normalise: bool = True

    @classmethod
    def of(cls, checkpoint: Checkpoint, source: str, normalise: bool = True) -> Subject:
        """A trained network."""
        found = checkpoint
        return cls(source, found.architecture, found.image, len(found.classes), found, normalise)

    @property
    def name(self) -> str:
        """What its files are called, a name that Python can import: `digits_3`."""
        stem = self.source.rpartition("/")[2].removesuffix(".safetensors").removesuffix(".json")
        name = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_")[:60] or "network"
        return f"network_{name}" if name[0].isdigit() else name

    @property
    def title(self) -> str:
        """What was trained, as the checkpoint says; else what was asked for."""
        return self.source if self.checkpoint is None else self.checkpoint.source or self.name

    @cached_property
    def graph(self) -> Graph:
        """The network as it is used, without auxiliary classifiers. Raises `InvalidArchitecture`."""
        return self.architecture.draw(self.image, self.classes)

    @property
    def normalises(self) -> bool:
        """Whether there is a normalisation, and it is part of the exported model."""
        return self.normalise and self.checkpoint is not None

    @property
    def takes(self) -> str:
        """The input in words."""
        sides = ", ".join(map(str, self.image))
        if self.checkpoint is None:
            return f"float32 images (N, {sides}); no normalisation is known, since nothing was trained"
        if self.normalise:
            return f"float32 images (N, {sides}) with values in [0, 1]; the model normalises them itself"
        return f"float32 images (N, {sides}), normalised: (value in [0, 1] - mean) / std in each channel"

    @property
    def weights(self) -> str:
        """The weights in words."""
        return "trained" if self.checkpoint is not None else UNTRAINED

    @cached_property
    def network(self) -> nn.Module:
        """The network alone, on the CPU in evaluation mode; takes normalised images."""
        made = build(self.graph, SEED) if self.checkpoint is None else self.checkpoint.module()
        return made.eval()

    def module(self) -> nn.Module:
        """What is exported, with its normalisation."""
        if self.checkpoint is None or not self.normalise:
            return self.network
        return Normalised(self.network, self.checkpoint.mean, self.checkpoint.std).eval()

    def metadata(self) -> Mapping[str, str]:
        """What every exported file says of itself, as texts by name; lists and objects are JSON."""
        said = {
            "nas_version": __version__,
            "nas_key": self.architecture.key,
            "source": self.title,
            "weights": self.weights,
            "input": self.takes,
            "output": f"scores (logits) (N, {self.classes})",
            "image": json.dumps(list(self.image)),
        }
        if (found := self.checkpoint) is not None:
            said |= {
                "classes": json.dumps(list(found.classes)),
                "mean": json.dumps(list(found.mean)),
                "std": json.dumps(list(found.std)),
                "normalises": json.dumps(self.normalise),
                "results": json.dumps(dict(found.results)),
                "recipe": json.dumps(found.recipe.to_json()),
                "seed": str(found.seed),
                "dataset": json.dumps(dict(found.dataset)),
                "data_key": found.data_key,
            }
        return said
