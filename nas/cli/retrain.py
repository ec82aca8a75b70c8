"""`nas retrain`: networks trained from scratch to their end, and then tested."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli import EXIT_ERROR, app
from nas.cli.name_values import name_values, parts_of
from nas.cli.output import DEFAULT_STORAGE, JsonFlag, Storage, console, count, note, percent, print_json, table
from nas.cli.search import Fraction, ImageSize, Quiet, RecipeOptions

if TYPE_CHECKING:
    from nas.retraining.summary import Summary
    from nas.retraining.tasks import Order


@app.command()
def retrain(
    targets: Annotated[
        list[str],
        typer.Argument(
            help="Trials, networks, JSON files or module:attribute; with --top studies.",
            metavar="STUDY:TRIAL|NETWORK|FILE",
        ),
    ],
    top: Annotated[int | None, typer.Option(help="The best so many children of each study.", min=1)] = None,
    seeds: Annotated[int, typer.Option(help="Train each network so many times, with seeds from 0 on.", min=1)] = 1,
    dataset: Annotated[str | None, typer.Option(help="As in nas search; default: the study's, else digits.")] = None,
    image_size: ImageSize = None,
    fraction: Fraction = 1.0,
    validation: Annotated[
        float, typer.Option(help="Share of the training images held out, to keep the best epoch by.", min=0.0)
    ] = 0.0,
    recipe: RecipeOptions = None,
    baselines: Annotated[
        str, typer.Option(help="Networks to train beside them: auto, none, or names with commas.")
    ] = "auto",
    num_workers: Annotated[
        int, typer.Option("--num-workers", help="Processes that train one network together.", min=1)
    ] = 1,
    sync_bn: Annotated[
        bool, typer.Option("--sync-bn", help="Batch normalisation over the images of all workers; GPUs only.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:0.")] = "auto",
    output: Annotated[Path, typer.Option(help="The folder of all runs: each network's is below it.")] = Path(
        "retrained"
    ),
    storage: Storage = DEFAULT_STORAGE,
    quiet: Quiet = False,
    as_json: JsonFlag = False,
) -> None:
    """Train networks from scratch on all training images, then read the test split once."""
    from nas.cli.retrain_progress import RetrainProgress, going_on
    from nas.cli.target import find_target
    from nas.retraining.retrain import retrain as train_all
    from nas.retraining.selection import Wish, make_order

    wish = Wish(
        targets=targets,
        top=top,
        dataset=dataset,
        image_size=image_size,
        fraction=fraction,
        validation=validation,
        recipe=name_values(recipe),
        baselines=baselines if baselines in ("auto", "none") else parts_of(baselines),
    )
    order = make_order(
        wish,
        storage,
        lambda name, image: find_target(name, image, storage).architecture,
        seeds=seeds,
        output=output,
        device=device,
        workers=num_workers,
        sync_bn=sync_bn,
    )
    if not quiet:
        _introduce(order)
    bar = RetrainProgress(len(order.tasks), seeds, order.recipe.epochs, quiet=quiet)
    with going_on(), bar as progress:
        found = train_all(order, progress)
    if as_json:
        print_json(document(order, found))
    else:
        _print(order, found)
    if any(summary.failed for summary in found):
        raise typer.Exit(EXIT_ERROR)


def document(order: Order, found: list[Summary]) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "dataset": {name: value for name, value in order.spec.to_json().items() if name != "root"},
        "data_key": order.data.key,
        "training_images": len(order.data.train),
        "validation_images": len(order.data.validation),
        "recipe": order.recipe.to_json(),
        "workers": order.workers,
        "output": str(order.output),
        "networks": [summary.to_json() for summary in found],
    }


def _introduce(order: Order) -> None:
    data = order.data
    held = f", {len(data.validation):,} held out" if len(data.validation) else ""
    names = ", ".join(task.source for task in order.tasks)
    seeds = f"{order.seeds} seed{'s' * (order.seeds > 1)}"
    note(f"{names}: {order.recipe.epochs} epochs on {len(data.train):,} training images of {data.name}{held}, {seeds}")
    if not data.has_test:
        note(f"{data.name} has no test split: the networks are trained, and there is no test accuracy")


def _print(order: Order, found: list[Summary]) -> None:
    rows = []
    for summary in found:
        test = summary.test
        low, high = test["interval"] if test else (None, None)
        rows.append(
            [
                summary.task.source + " (baseline)" * (summary.task.kind == "baseline"),
                _accuracy(test),
                str(test["n"]) if test else "-",
                f"{percent(low)[:-2]}–{percent(high)}" if test else "-",
                percent(summary.task.search_accuracy),
                "-" if summary.optimism is None else f"{100 * summary.optimism:+.1f}",
                count(summary.cost["flops"]),
            ]
        )
    out = console()
    columns = ["network", "test accuracy", "n", "95 % interval", "search", "optimism", "FLOPs"]
    out.print(table(columns, rows, left=["network"]))
    for summary in found:
        if summary.failed:
            note(f"{summary.task.source} was not trained to its end: {summary.failed}")
    note(f"weights and results: {order.output}/")


def _accuracy(test: dict[str, Any] | None) -> str:
    """Mean ± standard deviation over the seeds; of one seed no deviation."""
    if test is None:
        return "-"
    if test["std"] is None:
        return percent(test["mean"])
    return f"{100 * test['mean']:.1f} ± {100 * test['std']:.1f} %"
