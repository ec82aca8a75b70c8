"""`nas reproduce`: published results of hand-designed networks, trained again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli import EXIT_ERROR, app
from nas.cli.name_values import name_values, parts_of
from nas.cli.output import JsonFlag, console, count, note, print_json, table
from nas.cli.search import Dataset, Fraction, ImageSize, Quiet, RecipeOptions

reproduce = typer.Typer(help="Train published results again: baselines by family, degradation.", no_args_is_help=True)
app.add_typer(reproduce, name="reproduce")

Networks = Annotated[str | None, typer.Option("--networks", help="Names with commas, see nas networks.")]
Seeds = Annotated[int, typer.Option(help="Train each network so many times, with seeds from 0 on.", min=1)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:0.")]
Output = Annotated[Path, typer.Option(help="The folder of all runs; the same command goes on there.")]
Plot = Annotated[
    Path | None, typer.Option("--plot", help="Draw it: a .png, .svg or .pdf (needs matplotlib).", metavar="FILE")
]


@reproduce.command()
def baselines(
    family: Annotated[
        list[str] | None,
        typer.Option(help="All networks of this family, such as resnet or densenet; may be repeated."),
    ] = None,
    networks: Networks = None,
    dataset: Dataset = "cifar10",
    published: Annotated[
        str | None, typer.Option(help="What the images of a folder are: CIFAR-10, CIFAR-100, ImageNet or MNIST.")
    ] = None,
    max_flops: Annotated[
        str | None, typer.Option(help="Leave networks out that cost more an image of this data, as in 100M.")
    ] = None,
    seeds: Seeds = 1,
    image_size: ImageSize = None,
    fraction: Fraction = 1.0,
    validation: Annotated[
        float, typer.Option(help="Share of the training images held out, to keep the best epoch by.", min=0.0)
    ] = 0.0,
    recipe: RecipeOptions = None,
    num_workers: Annotated[
        int, typer.Option("--num-workers", help="Processes that train one network together.", min=1)
    ] = 1,
    device: Device = "auto",
    output: Output = Path("reproduced"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be trained, and train nothing.")] = False,
    plot: Plot = None,
    quiet: Quiet = False,
    as_json: JsonFlag = False,
) -> None:
    """Train hand-designed networks by one recipe; print our test error beside the published one.

    Without --family or --networks: all that have a published figure for the dataset. The test split is read once.
    """
    from nas.benchmark.picture import check
    from nas.cli.retrain_progress import RetrainProgress, going_on
    from nas.reproduction import picture
    from nas.reproduction.baselines import Wish, document, make_plan
    from nas.retraining.retrain import retrain

    if plot is not None:
        check(plot)
    wish = Wish(
        dataset,
        families=family or (),
        names=_names(networks),
        published=published,
        max_flops=max_flops,
        image_size=image_size,
        fraction=fraction,
        validation=validation,
        recipe=name_values(recipe),
    )
    plan = make_plan(wish, seeds=seeds, output=output, device=device, workers=num_workers)
    if plot is not None:
        plan.check_plot()
    order = plan.order
    if not quiet:
        names = ", ".join(candidate.name for candidate in plan.candidates)
        note(f"{names}: epochs: {order.recipe.epochs}, training images: {len(order.data.train):,}, seeds: {seeds}")
    summaries = []
    if not dry_run:
        bar = RetrainProgress(len(order.tasks), seeds, order.recipe.epochs, quiet=quiet)
        with going_on(), bar as progress:
            summaries = retrain(order, progress)
    found = document(plan, summaries)
    if as_json:
        print_json(found)
    else:
        _print_baselines(found, dry_run)
    if plot is not None and not dry_run:
        picture.draw_errors(found, plot)
        note(f"drawn: {plot}")
    if any(each["failed"] for each in found["networks"]):
        raise typer.Exit(EXIT_ERROR)


@reproduce.command()
def degradation(
    networks: Networks = None,
    dataset: Dataset = "cifar10",
    seeds: Seeds = 1,
    image_size: ImageSize = None,
    fraction: Fraction = 1.0,
    validation: Annotated[float, typer.Option(help="Share of the training images held out, to measure on.")] = 0.2,
    measured: Annotated[
        int, typer.Option(help="Training images on which the training error is measured.", min=1)
    ] = 5000,
    recipe: RecipeOptions = None,
    device: Device = "auto",
    output: Output = Path("reproduced"),
    plot: Plot = None,
    quiet: Quiet = False,
    as_json: JsonFlag = False,
) -> None:
    """Show whether deeper networks train worse, with and without shortcuts (He et al. 2016, figure 4).

    Networks: plain18, plain34, resnet18 and resnet34 from 64 pixels on, else plain20, plain56, resnet20 and resnet56.
    """
    from nas.benchmark.picture import check
    from nas.cli.reproduce_progress import CurveProgress
    from nas.cli.retrain_progress import going_on
    from nas.data import DataSpec
    from nas.reproduction import picture, verdict
    from nas.reproduction.degradation import make_order, run

    if plot is not None:
        check(plot)
    spec = DataSpec(dataset, image_size=image_size, fraction=fraction, validation=validation)
    order = make_order(
        *(_names(networks), spec, name_values(recipe)), seeds=seeds, measured=measured, output=output, device=device
    )
    if not quiet:
        names = ", ".join(member.name for member in order.members)
        note(f"{names}: epochs: {order.recipe.epochs}, training images: {len(order.data.train):,}, seeds: {seeds}")
    bar = CurveProgress(len(order.members), seeds, order.recipe.epochs, quiet=quiet)
    with going_on(), bar as progress:
        courses = run(order, progress)
    found = verdict.document(order, courses)
    if plot is not None:
        picture.draw_curves(found, plot)
        note(f"drawn: {plot}")
    if as_json:
        print_json(found)
    else:
        _print_degradation(found)
    if any(course.failed for course in courses):
        raise typer.Exit(EXIT_ERROR)


def _names(text: str | None) -> list[str]:
    names = [name for name in parts_of(text or "") if name]
    if text is not None and not names:
        raise typer.BadParameter(f"{text!r}; give names with commas, as in resnet20,resnet56", param_hint="--networks")
    return names


def _print_baselines(found: Mapping[str, Any], dry_run: bool) -> None:
    rows, notes = [], []
    papers: dict[tuple[str, str], list[str]] = {}
    for each in found["networks"]:
        published, ours = each["published"], each["test_error"]
        rows.append(
            [
                each["name"] + " *" * bool(each["adapted"]),
                count(each["params"]),
                count(each["flops"]),
                "-" if ours is None else _mean(ours),
                "-" if published is None else f"{100 * published['top1']:.2f}",
                "-" if each["difference"] is None else f"{100 * each['difference']:+.2f}",
            ]
        )
        if each["adapted"]:
            notes.append(f"* {each['name']}: made for {each['native_image'][1]} pixels; {each['adapted']}")
        if published:
            how = published["recipe"]["words"] if published["recipe"] else "recipe not noted here"
            where = f"{published['source']} ({published['protocol']}): {how}"
            papers.setdefault((where, "; ".join(each["differences"])), []).append(each["name"])
    columns = ["network", "params", "FLOPs", "our test error, %", "published, %", "difference"]
    out = console()
    out.print(table(columns, rows, left=["network"]))
    out.print(f"\nOurs: {found['recipe_words']}; {found['training_images']:,} training images, seeds: {found['seeds']}")
    for (where, otherwise), names in papers.items():
        out.print(f"\n{', '.join(names)}\n  published: {where}\n  ours differs: {otherwise or 'in nothing known'}")
    for line in notes:
        out.print(f"\n{line}")
    for why in dict.fromkeys(found["left_out"].values()):
        note(f"left out, {why}: {', '.join(name for name, own in found['left_out'].items() if own == why)}")
    for each in found["networks"]:
        if each["failed"]:
            note(f"{each['name']} was not trained to its end: {each['failed']}")
        elif each["test_error"] is None and not dry_run:
            note(f"{each['name']} has no test error: the dataset has no test split")
    if not dry_run:
        note(f"weights and results: {found['output']}/")


def _mean(test: Mapping[str, Any]) -> str:
    spread = "" if test["std"] is None else f" ± {100 * test['std']:.2f}"
    return f"{100 * test['mean']:.2f}{spread} (n = {test['n']})"


def _print_degradation(found: Mapping[str, Any]) -> None:
    from nas.recipe import Recipe
    from nas.reproduction.papers import our_words
    from nas.reproduction.verdict import milestones

    epochs = milestones(found["recipe"]["epochs"])
    rows = []
    for each in found["networks"]:
        by_epoch = {point["epoch"]: point for point in each["curve"]}
        cells = [
            f"{100 * by_epoch[e]['train_error']:.1f} / {100 * by_epoch[e]['val_error']:.1f}" if e in by_epoch else "-"
            for e in epochs
        ]
        rows.append([each["name"], count(each["params"]), count(each["flops"]), str(len(each["seeds"])), *cells])
    out = console()
    out.print("Training / validation error, %, after so many epochs")
    columns = ["network", "params", "FLOPs", "seeds", *map(str, epochs)]
    out.print(table(columns, rows, left=["network"]))
    size = "×".join(map(str, found["image"]))
    out.print(f"\n{found['reading']}")
    for caution in found["cautions"]:
        out.print(f"Caution: {caution}.")
    out.print(
        f"\nTraining errors are of {found['measured_images']:,} of the {found['training_images']:,} training images "
        f"({size}), in evaluation mode and without augmentation; validation errors of {found['validation_images']:,} "
        f"held out. Recipe: {our_words(Recipe.from_json(found['recipe']))}."
    )
    for each in found["networks"]:
        if each["failed"]:
            note(f"{each['name']} was not trained to its end: {each['failed']}")
    note(f"curves: {found['output']}/")
