"""`nas compare`: which of some spaces holds the better networks, as distributions of random children."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli import EXIT_INTERRUPTED, app
from nas.cli.name_values import name_values
from nas.cli.output import DEFAULT_STORAGE, JsonFlag, Storage, console, count, note, print_json, table
from nas.cli.search import Dataset, Fraction, ImageSize, Quiet, RecipeOptions, Seed, dataset_of
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
    from nas.comparison.sampling import Part
    from nas.store import Store

SAMPLES = 100


@app.command()
def compare(
    ctx: typer.Context,
    names: Annotated[
        list[str], typer.Argument(help="Two spaces or more, see nas spaces; or studies.", metavar="SPACE SPACE...")
    ],
    studies: Annotated[
        bool, typer.Option("--studies", help="The names are those of studies: compare them, and train nothing.")
    ] = False,
    samples: Annotated[int, typer.Option(help="How many random networks of each space.")] = SAMPLES,
    constraint: Annotated[
        list[str] | None,
        typer.Option(help='What each network must cost, as in "flops=10M±10%" (or +-); may be repeated.'),
    ] = None,
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
    match: Annotated[
        str,
        typer.Option(
            help="Weight networks until all spaces cost alike: flops, params, activations, memory, none; "
            "auto: by flops, unless a band holds the cost."
        ),
    ] = "auto",
    errors: Annotated[
        str | None, typer.Option(help="Per cent, with commas: where to tell the distributions; default: chosen.")
    ] = None,
    bound: Annotated[
        float | None,
        typer.Option(help="Per cent: a larger error counts as this in the mean; default: the 90 % quantile."),
    ] = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap samples behind an interval.")] = 2000,
    seed: Seed = 0,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw it: a .png, .svg or .pdf (needs matplotlib).", metavar="FILE")
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    quiet: Quiet = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare spaces: train a random sample of each alike, and print and draw how their errors are distributed.

    Each space has a study, which is read again, or continued, when the same comparison is asked for again.
    """
    from nas.benchmark.picture import check
    from nas.comparison import picture, report, sampling
    from nas.store import open_store

    if studies:
        _refuse_training(ctx)
    if plot is not None:
        check(plot)
    how: dict[str, Any] = {"match": match, "errors": _percentages(errors), "resamples": resamples}
    how["bound"] = None if bound is None else bound / 100
    report.check(**how)
    if studies:
        plans = []
    else:
        plans = sampling.make_plans(
            names,
            samples,
            dataset=dataset_of(dataset, fraction, image_size, seed),
            constraints=constraint or (),
            recipe=name_values(recipe),
            executor=executor,
            executor_options=executor_options(executor, ray_address, cpus_per_trial, gpus_per_trial, max_concurrent)
            | limits(epoch_timeout, trial_timeout),
            max_failures=max_failures,
            seed=seed,
        )
    with open_store(storage, create=not studies) as store:
        found = sampling.stored(names, store) if studies else _sample(plans, store, quiet)
        children = sampling.gather(found)
    document = report.measure(children, **how, seed=seed)
    if plot is not None:
        picture.draw(document, plot)
        note(f"drawn: {plot}")
    if as_json:
        print_json(document)
        return
    _print(document)


TRAINING = ("samples", "constraint", "dataset", "fraction", "image_size", "recipe", "executor", "ray_address")
WORKERS = ("cpus_per_trial", "gpus_per_trial", "max_concurrent", "epoch_timeout", "trial_timeout", "max_failures")


def _refuse_training(ctx: typer.Context) -> None:
    given = [name for name in (*TRAINING, *WORKERS) if str(ctx.get_parameter_source(name)).endswith("COMMANDLINE")]
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise typer.BadParameter(f"trains nothing: no {flags}", param_hint="--studies")


def _percentages(text: str | None) -> list[float]:
    try:
        return [float(part) / 100 for part in text.split(",")] if text else []
    except ValueError:
        raise typer.BadParameter(f"{text!r}; per cent with commas, as in 2,5,10", param_hint="--errors") from None


def _sample(plans: Sequence[Any], store: Store, quiet: bool) -> list[Any]:
    """The studies of the spaces, with progress on stderr; after Ctrl-C, how to go on."""
    from nas.cli.progress import Progress
    from nas.comparison import sampling

    words = {"new": "new study", "continued": "goes on:", "read": "known already:"}

    @contextmanager
    def observe(part: Part) -> Iterator[Any]:
        if not quiet:
            note(f"{part.plan.space.name}: {words[part.state]} {part.name}")
        if part.state == "read":
            yield None
            return
        with Progress(quiet=quiet) as progress:
            yield progress

    try:
        return sampling.run(plans, store, observe)
    except KeyboardInterrupt:
        note("\nstopped; trained networks are kept. The same command goes on where it stopped")
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _print(document: Mapping[str, Any]) -> None:
    """A table of the spaces, one of the axes, what the pairs say, and what to be careful with."""
    out, spaces = console(), document["spaces"]
    held = ", ".join(document["constraints"]) or "none"
    out.print(f"{document['data']}, constraints: {held}; in brackets {100 * document['level']:.0f} % intervals\n")
    out.print(table(["", *(space["name"] for space in spaces)], _lines(document), left=[""]))
    out.print("\nImportance of the axes, % of the variance of the error", markup=False)
    out.print(table(["axis", *(space["name"] for space in spaces)], _importance(spaces), left=["axis"]))
    for pair in document["pairs"]:
        out.print(f"\n{pair['reading']}", markup=False)
    for caution in document["cautions"]:
        out.print(f"\nCaution: {caution}.", markup=False)
    out.print(f"\nStudies: {', '.join(space['study'] for space in spaces)}", markup=False)


def _lines(document: Mapping[str, Any]) -> list[list[str]]:
    """The rows of the table: what each is called, and what it is for every space."""
    from nas.comparison.report import told

    spaces = document["spaces"]
    lines = [["networks", *(str(space["counted"]) for space in spaces)]]
    if document["matched"]:
        lines.append(["  as good as, unweighted", *(f"{space['effective']:.3g}" for space in spaces)])
    lines.append(["  failed", *(str(space["failed"]) for space in spaces)])
    ranges = [(count(space["flops"]["min"]), count(space["flops"]["max"])) for space in spaces]
    lines.append(["FLOPs", *(f"{low} to {high}" for low, high in ranges)])
    mean = f"mean error, at most {100 * document['bound']:.3g} each, %"
    for label, name in (("least error, %", "min"), ("median error, %", "median"), (mean, "mean")):
        lines.append([label, *(told(space[name]) for space in spaces)])
    for place, point in enumerate(spaces[0]["edf"]):
        label = f"with an error of at most {100 * point['error']:.3g} %, %"
        lines.append([label, *(told(space["edf"][place], digits=0) for space in spaces)])
    return lines


def _importance(spaces: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A row an axis; a dash where the space lacks it, or nothing can be said."""
    known = [{one["axis"]: one["importance"] for one in space["importance"]} for space in spaces]
    axes = list(dict.fromkeys(axis for own in known for axis in own))
    return [
        [axis, *("-" if (value := own.get(axis)) is None else f"{100 * value:.0f}" for own in known)] for axis in axes
    ]
