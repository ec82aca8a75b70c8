"""`nas search` and `nas baseline`: the commands that begin a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli import app
from nas.cli.name_values import TableOptions, name_values, parts_of
from nas.cli.output import DEFAULT_STORAGE, JsonFlag, Storage, note
from nas.cli.run_study import run_study
from nas.cli.workers import (
    Cpus,
    EpochTimeout,
    Executor,
    Gpus,
    MaxConcurrent,
    MaxFailures,
    RayAddress,
    TrialTimeout,
    executor_options,
    limits,
)

if TYPE_CHECKING:
    from nas.plan import Plan

Dataset = Annotated[
    str,
    typer.Option(
        help="digits, mnist, fashion_mnist, cifar10, cifar100, svhn, or folder:PATH with train/<class>/ images."
    ),
]
Fraction = Annotated[float, typer.Option(help="Share of the training images to use, in (0, 1].")]
ImageSize = Annotated[
    int | None, typer.Option("--image-size", help="Resize the images to so many pixels a side.", min=1)
]
RecipeOptions = Annotated[
    list[str] | None,
    typer.Option("--recipe", help="A training setting, as in epochs=5; may be repeated.", metavar="NAME=VALUE"),
]
Seed = Annotated[int, typer.Option(help="Seed of the controller, of the validation split and of training.", min=0)]
Table = Annotated[
    str | None, typer.Option("--table", help="Train nothing: look results up in this JSON or CSV file.", metavar="FILE")
]
Name = Annotated[str | None, typer.Option("--name", help="The study's name; default: SPACE-DATASET-N.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]


@app.command()
def search(
    space: Annotated[str, typer.Option(help="The search space; see nas spaces.")] = "resnext",
    budget: Annotated[int, typer.Option(help="How many children to train.", min=1)] = 20,
    dataset: Dataset = "digits",
    controller: Annotated[
        str, typer.Option(help="pareto, or one of those in docs/controllers.md; options as in pareto+startup=12.")
    ] = "pareto",
    objective: Annotated[
        list[str] | None,
        typer.Option(help="accuracy, flops, params, latency …; may be repeated. Default: accuracy, flops."),
    ] = None,
    constraint: Annotated[
        list[str] | None, typer.Option(help='As in "flops<=300M", "flops=300M±10%" or "latency<=5ms"; may be repeated.')
    ] = None,
    latency: Annotated[
        list[str] | None,
        typer.Option(
            help="How the latency of an objective or constraint is measured: threads=4, batch=8, device=cpu, "
            "precision=bfloat16; may be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    baselines: Annotated[
        str, typer.Option(help="Networks to train for comparison: auto, all, none, or names with commas.")
    ] = "auto",
    fraction: Fraction = 1.0,
    image_size: ImageSize = None,
    recipe: RecipeOptions = None,
    scheduler: Annotated[
        str,
        typer.Option(
            help="Stop bad children early: asha, hyperband, median; options as in asha+first=2. Default: none."
        ),
    ] = "none",
    results: Table = None,
    table_options: TableOptions = None,
    executor: Annotated[
        str | None, typer.Option(help="ray (parallel workers) or inline (this process); default: ray to train.")
    ] = None,
    ray_address: RayAddress = None,
    cpus_per_trial: Cpus = None,
    gpus_per_trial: Gpus = None,
    max_concurrent: MaxConcurrent = None,
    epoch_timeout: EpochTimeout = None,
    trial_timeout: TrialTimeout = None,
    max_failures: MaxFailures = 1,
    seed: Seed = 0,
    name: Name = None,
    storage: Storage = DEFAULT_STORAGE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Price a sample of the space and train nothing.")] = False,
    quiet: Quiet = False,
    as_json: JsonFlag = False,
) -> None:
    """Search a space: train children, keep everything in the database, print the front."""
    from nas.plan import make_plan
    from nas.store import open_store

    if table_options and results is None:
        raise typer.BadParameter("only with --table FILE", param_hint="--table-option")
    if results is not None and (dataset, fraction, image_size, recipe) != ("digits", 1.0, None, None):
        raise typer.BadParameter("trains nothing: no --dataset, --fraction, --recipe …", param_hint="--table")
    executor = executor or ("ray" if results is None else "inline")
    controller, controller_options = _with_options(controller, "--controller")
    scheduler, scheduler_options = _with_options(scheduler, "--scheduler")
    plan = make_plan(
        space,
        evaluator=None if results is None else f"table:{results}",
        evaluator_options=name_values(table_options, "--table-option", "val_accuracy=acc/100"),
        dataset=dataset_of(dataset, fraction, image_size, seed),
        controller=controller,
        controller_options=controller_options,
        scheduler=scheduler,
        scheduler_options=scheduler_options,
        budget=budget,
        objectives=objective or ("accuracy", "flops"),
        constraints=constraint or (),
        latency=name_values(latency, "--latency", "threads=4"),
        recipe=name_values(recipe),
        baselines=_names(baselines),
        executor=executor,
        executor_options=executor_options(executor, ray_address, cpus_per_trial, gpus_per_trial, max_concurrent)
        | limits(epoch_timeout, trial_timeout),
        max_failures=max_failures,
        seed=seed,
    )
    if dry_run:
        from nas.cli.dry_run import dry_run as look

        look(plan, as_json)
        return
    with open_store(storage) as store:
        from nas.api import free_name, run_plan

        if not quiet:
            _introduce(plan)
        study = free_name(plan, store) if name is None else name
        run_study(study, store, storage, quiet, as_json, lambda observer: run_plan(plan, study, store, observer))


@app.command()
def baseline(
    networks: Annotated[list[str], typer.Argument(help="Hand-designed networks; see nas networks.", metavar="NETWORK")],
    study: Annotated[str | None, typer.Option(help="Add them to this study, under its data and recipe.")] = None,
    dataset: Dataset = "digits",
    fraction: Fraction = 1.0,
    image_size: ImageSize = None,
    recipe: RecipeOptions = None,
    executor: Executor = "ray",
    ray_address: RayAddress = None,
    cpus_per_trial: Cpus = None,
    gpus_per_trial: Gpus = None,
    max_concurrent: MaxConcurrent = None,
    epoch_timeout: EpochTimeout = None,
    trial_timeout: TrialTimeout = None,
    max_failures: MaxFailures = 1,
    seed: Seed = 0,
    name: Name = None,
    storage: Storage = DEFAULT_STORAGE,
    quiet: Quiet = False,
    as_json: JsonFlag = False,
) -> None:
    """Train hand-designed networks, in a study of their own or beside the children of another."""
    from nas import api
    from nas.plan import make_plan
    from nas.store import open_store

    if study is not None:
        with open_store(storage, create=False) as store:
            run_study(
                study, store, storage, quiet, as_json, lambda seen: api.add_baselines(study, store, networks, seen)
            )
        return
    plan = make_plan(
        "resnet",  # of no consequence: nothing is sampled
        dataset=dataset_of(dataset, fraction, image_size, seed),
        budget=0,
        recipe=name_values(recipe),
        baselines=networks,
        executor=executor,
        executor_options=executor_options(executor, ray_address, cpus_per_trial, gpus_per_trial, max_concurrent)
        | limits(epoch_timeout, trial_timeout),
        max_failures=max_failures,
        seed=seed,
    )
    with open_store(storage) as store:
        own = api.free_name(plan, store, "baselines") if name is None else name
        run_study(own, store, storage, quiet, as_json, lambda seen: api.run_plan(plan, own, store, seen))


def _introduce(plan: Plan) -> None:
    from nas.spec import data_name

    spec = plan.spec
    how = f"looked up in {data_name(spec.to_json())}" if spec.table else f"{spec.recipe.get('epochs')} epochs a child"
    stops = "" if spec.scheduler == "none" else f", scheduler {spec.scheduler}"
    side = "×".join(map(str, spec.image))
    note(
        f"space {spec.space}: {plan.space.size:.3g} points for images of {side} · controller {spec.controller} · "
        f"objectives {', '.join(spec.objectives)} · {how}{stops}"
    )
    if spec.latency is not None:
        from nas.latency.conditions import Conditions

        here = Conditions(**spec.latency)
        note(f"latency: blocks are measured as they are met, batches of {here.batch} on {here}")
    if spec.baselines:
        note(f"baselines: {', '.join(spec.baselines)}")
    if plan.left_out:
        note(f"left out as too dear for this space: {', '.join(plan.left_out)} (--baselines all trains them)")


def dataset_of(name: str, fraction: float, image_size: int | None, seed: int) -> Any:
    """The data that the options name."""
    from nas.data import DataSpec

    return DataSpec(name, fraction=fraction, image_size=image_size, seed=seed)


def _with_options(text: str, flag: str) -> tuple[str, dict[str, Any]]:
    from nas.options import split

    try:
        return split(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from None


def _names(text: str) -> str | list[str]:
    return text if text in ("auto", "all", "none") else parts_of(text)
