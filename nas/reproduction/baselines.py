"""Which hand-designed networks are trained, by family, and our test error of each beside the published one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nas.catalogue import Wanted
from nas.data import Dataset, DataSpec
from nas.errors import ReproductionError, unknown
from nas.objectives import Constraint
from nas.recipe import Recipe
from nas.reproduction.papers import augmentation, our_words, paper_recipe, published_dataset, published_error
from nas.retraining.images import all_images
from nas.retraining.selection import Wish as Targets
from nas.retraining.selection import make_order as retraining_order
from nas.retraining.summary import Summary
from nas.retraining.tasks import Order
from searchspaces import NETWORKS, Architecture, Network, find_network, price
from searchspaces.adapt import explain
from searchspaces.catalog import FAMILY_OF
from searchspaces.errors import SearchSpaceError
from searchspaces.network import Errors


@dataclass(frozen=True)
class Wish:
    """What a person asks for. `families` and `names` add up; without either, what has a published figure.

    `published`: the dataset that the figures are of, where its name does not say it (a folder). `max_flops`: of one
    image of the data, such as "100M".
    """

    dataset: str
    families: Sequence[str] = ()
    names: Sequence[str] = ()
    published: str | None = None
    max_flops: str | None = None
    image_size: int | None = None
    fraction: float = 1.0
    validation: float = 0.0
    recipe: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Candidate:
    """A network that is trained. `adapted`: what the small-image rule changed of it; empty: nothing."""

    name: str
    network: Network
    adapted: str
    cost: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Plan:
    """The candidates, what was left out and why, and the order to train them by."""

    candidates: tuple[Candidate, ...]
    left_out: Mapping[str, str]
    published: str | None
    order: Order

    def figure(self, candidate: Candidate) -> Errors | None:
        """The published error of a candidate; of several, that with augmentation if ours has any."""
        return published_error(candidate.network, self.published, bool(augmentation(self.order.recipe)))

    def check_plot(self) -> None:
        """Say before anything is trained that a plot would be empty. Raises `ReproductionError`."""
        if not self.order.data.has_test:
            raise ReproductionError(f"nothing to plot: {self.order.data.name} has no test split")
        if not any(map(self.figure, self.candidates)):
            raise ReproductionError("nothing to plot: none of these networks has a published figure for this dataset")


def make_plan(wish: Wish, **settings: Any) -> Plan:
    """Choose the networks and load the data; nothing is trained and no test image read.

    Those made for images of this size come first, then the cheaper ones. `settings` are those fields of
    `nas.retraining.tasks.Order` that say how. Raises `NasError`, `SearchSpaceError` with one line for what is not
    there or leaves nothing to train.
    """
    dataset = published_dataset(wish.dataset, wish.published)
    names = _named(wish, dataset)
    bound = _bound(wish.max_flops)
    spec = DataSpec(wish.dataset, image_size=wish.image_size, fraction=wish.fraction, validation=wish.validation)
    data = all_images(spec)
    chosen: list[Candidate] = []
    left_out: dict[str, str] = {}
    for name in names:
        found = _candidate(name, data, asked=name in wish.names)
        if isinstance(found, str):
            left_out[name] = found
        elif bound is not None and not bound.holds(found.cost):
            left_out[name] = f"more than {wish.max_flops} FLOPs an image"
        else:
            chosen.append(found)
    if not chosen:
        raise ReproductionError(f"none of {len(names)} networks is left to train; raise --max-flops, or name others")
    side = min(data.image[1:])
    chosen.sort(key=lambda each: (each.network.image[1] != side, each.cost["flops"]))
    targets = Targets(
        [candidate.name for candidate in chosen],
        dataset=wish.dataset,
        image_size=wish.image_size,
        fraction=wish.fraction,
        validation=wish.validation,
        recipe=wish.recipe or {},
        baselines="none",
    )
    order = retraining_order(targets, "", _architecture, **settings)
    trained = {task.source for task in order.tasks}
    left_out |= {each.name: "is another of these networks" for each in chosen if each.name not in trained}
    return Plan(tuple(each for each in chosen if each.name in trained), left_out, dataset, order)


def _named(wish: Wish, dataset: str | None) -> list[str]:
    names = list(wish.names)
    for name in names:
        if name not in NETWORKS and ":" not in name:
            raise ReproductionError(unknown("network", name, NETWORKS) + "; or give module:attribute")
    known = sorted(set(FAMILY_OF.values()))
    for family in wish.families:
        found = [name for name in NETWORKS if f"{FAMILY_OF[name]}_".startswith(f"{family}_")]
        if not found:
            raise ReproductionError(unknown("family", family, known))
        names += found
    if not names and dataset is None:
        raise ReproductionError(
            f"no published figures of {wish.dataset} are stored; choose networks with --family or --networks, "
            "or say with --published what these images are"
        )
    return list(dict.fromkeys(names)) or [name for name in NETWORKS if published_error(NETWORKS[name], dataset)]


def _bound(text: str | None) -> Constraint | None:
    if text is None:
        return None
    Wanted(max_flops=text)  # says what a number may look like
    return Constraint.parse(f"flops<={text}")


def _architecture(name: str, image: tuple[int, int, int]) -> Architecture:
    return find_network(name).at(min(image[1:]))


def _candidate(name: str, data: Dataset, asked: bool) -> Candidate | str:
    """The candidate, or why the network cannot be trained; raises `ReproductionError` for one that was asked for."""
    network = find_network(name)
    fitted = network.at(min(data.image[1:]))
    try:
        cost = price(fitted.draw(data.image, len(data.classes))).to_json()
    except SearchSpaceError as error:
        if asked:
            size = "×".join(map(str, data.image))
            raise ReproductionError(f"{name} cannot take images of {size}: {error}") from None
        return f"cannot take these images: {error}"
    return Candidate(name, network, explain(network.architecture, fitted), cost)


def document(plan: Plan, summaries: Sequence[Summary]) -> dict[str, Any]:
    """Everything as JSON values; `summaries` are those of `nas.retraining`, none before anything is trained.

    A network's `difference` is our mean test error minus the published one, as a fraction; `differences` say in
    words what was done otherwise than in the paper.
    """
    order = plan.order
    by_name = {summary.task.source: summary for summary in summaries}
    return {
        "dataset": {name: value for name, value in order.spec.to_json().items() if name != "root"},
        "data_key": order.data.key,
        "image": list(order.data.image),
        "published_dataset": plan.published,
        "training_images": len(order.data.train),
        "recipe": order.recipe.to_json(),
        "recipe_words": our_words(order.recipe),
        "seeds": order.seeds,
        "output": str(order.output),
        "networks": [_network(plan, each, by_name.get(each.name)) for each in plan.candidates],
        "left_out": dict(plan.left_out),
    }


def _network(plan: Plan, candidate: Candidate, summary: Summary | None) -> dict[str, Any]:
    figure = plan.figure(candidate)
    test = summary.test if summary else None
    ours = None if test is None else {"mean": 1 - test["mean"], "std": test["std"], "n": test["n"]}
    paper = figure and paper_recipe(figure)
    return {
        "name": candidate.name,
        "family": FAMILY_OF.get(candidate.name, ""),
        "params": candidate.cost["params"],
        "flops": candidate.cost["flops"],
        "native_image": list(candidate.network.image),
        "adapted": candidate.adapted,
        "test_error": ours,
        "test_images": test and test["images"],
        "published": figure and {**asdict(figure), "recipe": paper and {**asdict(paper), "words": paper.words()}},
        "difference": ours["mean"] - figure.top1 if ours and figure and figure.top1 is not None else None,
        "differences": differences(plan.order, candidate, figure) if figure else [],
        "failed": summary.failed if summary else None,
    }


def differences(order: Order, candidate: Candidate, figure: Errors) -> list[str]:
    """What we do otherwise than the paper of a figure, as far as it is known, the weightiest first."""
    recipe, paper, found = order.recipe, paper_recipe(figure), []
    if order.spec.fraction < 1:
        found.append(f"{100 * order.spec.fraction:g} % of the training images")
    if order.spec.validation > 0:
        found.append(f"{100 * order.spec.validation:g} % of those held out")
    if order.data.image != candidate.network.image:
        found.append("images of {}×{}×{} instead of {}×{}×{}".format(*order.data.image, *candidate.network.image))
    if order.spec.name.startswith("folder:"):
        found.append("images from a folder")
    if paper is None:
        return [*found, "the paper's recipe is not noted here"]
    ours: dict[str, tuple[object, object]] = {
        "epochs": (recipe.epochs, paper.epochs),
        "batch": (recipe.batch_size, paper.batch_size),
        "weight decay": (f"{recipe.weight_decay:g}", paper.weight_decay and f"{paper.weight_decay:g}"),
        "augmentation": (augmentation(recipe) or "none", paper.augmentation),
    }
    found += [f"{name} {mine} instead of {its}" for name, (mine, its) in ours.items() if its and mine != its]
    found += [f"{_schedule(recipe)} instead of {paper.schedule}"] if paper.schedule else []
    return found + ([f"label smoothing {recipe.label_smoothing:g}"] if recipe.label_smoothing else [])


def _schedule(recipe: Recipe) -> str:
    return f"{recipe.schedule} from rate {recipe.lr:g}"
