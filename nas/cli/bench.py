"""`nas bench controllers`: our controllers and Optuna's own, side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from nas.cli import EXIT_INTERRUPTED, app
from nas.cli.bar import Bar
from nas.cli.name_values import TableOptions, name_values, parts_of
from nas.cli.output import JsonFlag, console, note, print_json, table

if TYPE_CHECKING:
    from nas.benchmark.problems import Benchmark

bench = typer.Typer(help="Benchmarks.", no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(bench, name="bench")

REFERENCE = 85.0  # per cent, of a table
SIDE = 32  # pixels, of a synthetic problem


@bench.command()
def controllers(
    path: Annotated[
        Path | None,
        typer.Option("--table", help="A JSON or CSV table of results, such as NAS-Bench-Macro's.", metavar="FILE"),
    ] = None,
    synthetic: Annotated[
        str | None, typer.Option(help="smooth or rugged: a made-up accuracy of real, priced networks.")
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="The search space; default: nasbench_macro for a table, else resnext.")
    ] = None,
    table_options: TableOptions = None,
    names: Annotated[
        str | None,
        typer.Option("--controllers", help="Names with commas, as in pareto,optuna-tpe,tpe+startup=5; default: all."),
    ] = None,
    objectives: Annotated[str, typer.Option(help="one (accuracy), two (and FLOPs) or both.")] = "both",
    seeds: Annotated[int, typer.Option(help="How many runs of each.", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="The first seed.", min=0)] = 0,
    budgets: Annotated[str, typer.Option(help="Numbers of children to measure after, with commas.")] = "50,100,200",
    reference: Annotated[
        float | None,
        typer.Option(
            help="Least accuracy of the hypervolume, per cent; default: 85 for a table, else the median.",
            min=0,
            max=100,
        ),
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes at once, of one thread each.", min=1)] = None,
    plot: Annotated[
        Path | None, typer.Option("--output", "-o", help="Draw the curves as well (needs matplotlib).", metavar="FILE")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run controllers and Optuna's own samplers on a table of results or a synthetic problem."""
    from nas.benchmark import picture
    from nas.benchmark.contest import GOALS, RIVALS, Goal, contest, entries
    from nas.benchmark.report import footnote, measure
    from nas.controllers import CONTROLLERS

    if objectives not in ("both", *get_args(Goal)):
        raise typer.BadParameter(f"{objectives!r}; choose one, two or both", param_hint="--objectives")
    after = _budgets(budgets)
    if plot is not None:
        picture.check(plot)
    chosen = parts_of(names) if names else [*CONTROLLERS, *RIVALS]
    goals = [goal for goal in GOALS if objectives in (goal, "both")]
    everyone = entries(chosen, goals, range(seed, seed + seeds))
    benchmark = _benchmark(path, synthetic, space, table_options)
    if reference is None and synthetic is None:
        reference = REFERENCE
    processes = jobs or os.cpu_count() or 1
    try:
        with Bar("runs", quiet) as bar:
            runs, survey = contest(benchmark, everyone, after[-1], processes, bar.show)
    except KeyboardInterrupt:
        note("stopped; a benchmark keeps nothing until it is whole")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    document = measure(benchmark, runs, survey, after, None if reference is None else reference / 100, processes)
    if plot is not None:
        picture.draw(document, plot)
        note(f"drawn: {plot}")
    if as_json:
        print_json(document)
        return
    _print(document)
    console().print(f"\n{footnote(document)}", markup=False)


def _benchmark(path: Path | None, synthetic: str | None, space: str | None, options: list[str] | None) -> Benchmark:
    from nas.benchmark.problems import made_up, tabled
    from nas.tabular import PREFIX, TabularEvaluator

    if (path is None) == (synthetic is None):
        raise typer.BadParameter("give --table FILE or --synthetic smooth|rugged", param_hint="--table")
    if synthetic is not None:
        if options:
            raise typer.BadParameter("only with --table", param_hint="--table-option")
        return made_up(synthetic, space or "resnext", SIDE)
    name = space or "nasbench_macro"
    how = name_values(options, "--table-option", "val_accuracy=acc/100")
    return tabled(TabularEvaluator.named(f"{PREFIX}{path}", name, how), name)


def _budgets(text: str) -> list[int]:
    parts = parts_of(text)
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise typer.BadParameter(f"{text!r}; numbers of children with commas, as in 50,100", param_hint="--budgets")
    return sorted({int(part) for part in parts})


def _print(document: Mapping[str, Any]) -> None:
    """A table for each goal, the best first."""
    from nas.benchmark.report import cell, milliseconds, ordered

    budgets, out = document["budgets"], console()
    columns = ["controller", *(f"regret {budget}" for budget in budgets)]
    columns += [*(f"volume {budget}" for budget in budgets), "ms (max)", "duplicates"]
    titles = {"one": "One objective: accuracy", "two": "Two objectives: accuracy and FLOPs"}
    for goal, title in titles.items():
        rows = [
            [
                result["controller"],
                *(cell(budget, measured) for measured in titles for budget in result["budgets"]),
                milliseconds(result),
                f"{100 * result['duplicates']:.0f} %",
            ]
            for result in ordered(document["results"], goal)
        ]
        if rows:
            out.print(table(columns, rows, title=title, left=["controller"]))
            out.print()
