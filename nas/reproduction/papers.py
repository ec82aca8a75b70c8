"""What the papers printed of networks on a dataset, and how they trained them, in words.

The error rates are those of the catalogue (`searchspaces.network.Errors`); here are the recipes behind them. What a
paper leaves open, or what we are not certain of, is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nas.errors import ReproductionError, unknown
from nas.recipe import Recipe
from searchspaces import NETWORKS, Network
from searchspaces.evidence import imagenet_error
from searchspaces.network import Errors

OF_DATASET = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "mnist": "MNIST"}  # as `Errors.dataset` has them
BARE = ("without augmentation", "no distortions")  # protocols of a figure that was reached without augmentation


@dataclass(frozen=True)
class PaperRecipe:
    """How a paper trained: `where` says it. None: not given."""

    where: str
    epochs: int | None = None
    batch_size: int | None = None
    schedule: str | None = None
    weight_decay: float | None = None
    augmentation: str | None = None
    more: str = ""

    def words(self) -> str:
        """In one line."""
        parts = [
            "epochs not given" if self.epochs is None else f"{self.epochs} epochs",
            None if self.batch_size is None else f"batch {self.batch_size}",
            self.schedule,
            None if self.weight_decay is None else f"weight decay {self.weight_decay:g}",
            self.augmentation,
            self.more or None,
        ]
        return ", ".join(part for part in parts if part)


_USUAL = "crops of 4 pixels of padding and mirrors"
_DENSENET = PaperRecipe("section 4.2", 300, 64, "rate 0.1 divided by 10 at 1/2 and 3/4", 1e-4, _USUAL, "Nesterov SGD")

# By the source of the figure and its dataset; "" stands for CIFAR-10 and CIFAR-100 alike.
RECIPES: Mapping[tuple[str, str], PaperRecipe] = {
    ("He et al. 2016, Deep Residual Learning", ""): PaperRecipe(
        *("section 4.2", 164, 128, "rate 0.1 divided by 10 at 1/2 and 3/4", 1e-4, _USUAL)
    ),
    ("He et al. 2016, Identity Mappings in Deep Residual Networks", ""): PaperRecipe(
        *("appendix", None, 128, "rate 0.1 divided by 10 after 32,000 and 48,000 steps", 1e-4, _USUAL),
        more="median of 5 runs",
    ),
    ("Zagoruyko & Komodakis 2016, Wide Residual Networks", ""): PaperRecipe(
        *("section 3", 200, 128, "rate 0.1 times 0.2 at epochs 60, 120 and 160", 5e-4, _USUAL, "Nesterov SGD")
    ),
    ("Xie et al. 2017, Aggregated Residual Transformations", ""): PaperRecipe(
        *("section 5.3", 300, 128, "rate 0.1 divided by 10 at 1/2 and 3/4", 5e-4, _USUAL, "mean of 10 runs")
    ),
    ("Huang et al. 2017, Densely Connected Convolutional Networks", ""): _DENSENET,
    ("the DenseNet authors' repository", ""): _DENSENET,
    ("Lin et al. 2014, Network In Network", "CIFAR-10"): PaperRecipe(
        *("section 4", None, 128, "rate divided by 10 twice, when the training accuracy stands still"),
        more="dropout, images contrast-normalised and whitened",
    ),
    ("Zoph et al. 2018, Learning Transferable Architectures", "CIFAR-10"): PaperRecipe(
        *("appendix", 600, None, "cosine"), more="ScheduledDropPath, an auxiliary classifier"
    ),
    ("LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition", "MNIST"): PaperRecipe(
        *("section III", 20, 1, "rate lowered in steps")
    ),
}


def datasets() -> list[str]:
    """The datasets that the catalogue has error rates on."""
    return sorted({error.dataset for network in NETWORKS.values() for error in network.errors})


def published_dataset(name: str, wish: str | None = None) -> str | None:
    """What the published figures call a dataset of nas; `wish` overrules. None where there are no figures.

    Raises `ReproductionError` for a wish without figures.
    """
    if wish is None:
        return OF_DATASET.get(name)
    known = datasets()
    found = next((each for each in known if each.lower() == wish.lower()), None)
    if found is None:
        raise ReproductionError(unknown("dataset of published figures", wish, known))
    return found


def published_error(network: Network, dataset: str | None, augmented: bool = True) -> Errors | None:
    """The published top-1 error of a network on a dataset; of several that with or without augmentation as asked."""
    if dataset == "ImageNet":
        return imagenet_error(network)
    found = [error for error in network.errors if error.dataset == dataset and error.top1 is not None]
    return min(found, key=lambda error: any(bare in error.protocol for bare in BARE) == augmented, default=None)


def paper_recipe(error: Errors) -> PaperRecipe | None:
    """How the paper of a figure trained; None where it is not noted here."""
    exact = RECIPES.get((error.source, error.dataset))
    return exact or (RECIPES.get((error.source, "")) if error.dataset.startswith("CIFAR") else None)


def augmentation(recipe: Recipe) -> str:
    """What a recipe of ours does to training images, in words; empty for nothing."""
    parts = {
        f"crops of {recipe.crop} pixels of padding": recipe.crop,
        f"crops resized from {recipe.resized_crop:g} of the area": recipe.resized_crop,
        "mirrors": recipe.flip,
        f"cutout {recipe.cutout}": recipe.cutout,
        f"mixup {recipe.mixup:g}": recipe.mixup,
        f"RandAugment {recipe.randaugment}": recipe.randaugment,
        f"jitter {recipe.jitter:g}": recipe.jitter,
    }
    return " and ".join(name for name, value in parts.items() if value)


def our_words(recipe: Recipe) -> str:
    """A recipe of ours in one line, in the order of `PaperRecipe.words`."""
    parts = [
        f"{recipe.epochs} epochs",
        f"batch {recipe.batch_size}",
        f"{recipe.optimizer} {recipe.schedule} from rate {recipe.lr:g}",
        f"weight decay {recipe.weight_decay:g}",
        augmentation(recipe) or "no augmentation",
        f"label smoothing {recipe.label_smoothing:g}" if recipe.label_smoothing else None,
        f"averaged weights {recipe.ema:g}" if recipe.ema else None,
    ]
    return ", ".join(part for part in parts if part)
