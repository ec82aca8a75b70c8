"""`nas latency`: measured time of networks on this machine, beside the sum over their blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli import app
from nas.cli.networks import image_of
from nas.cli.output import DEFAULT_STORAGE, JsonFlag, Storage, console, count, note, print_json, seconds, table
from nas.cli.target import find_target

if TYPE_CHECKING:
    from nas.latency.conditions import Conditions
    from nas.latency.survey import Surveyed
    from nas.store import Store
    from searchspaces import Graph


@app.command()
def latency(
    targets: Annotated[
        list[str] | None,
        typer.Argument(help="Networks, as nas describe takes them.", metavar="NETWORK|STUDY:TRIAL|FILE"),
    ] = None,
    front: Annotated[list[str] | None, typer.Option("--front", help="The front of this study as well.")] = None,
    batch: Annotated[list[int] | None, typer.Option(help="Images a batch; may be repeated. Default: 1.", min=1)] = None,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 1,
    device: Annotated[str, typer.Option(help="auto (the GPU where there is one), cpu, cuda:0 …")] = "auto",
    precision: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    image: Annotated[
        str | None,
        typer.Option("--image", help="Channels, height, width; default: the network's own.", metavar="C,H,W"),
    ] = None,
    classes: Annotated[int | None, typer.Option("--classes", help="Default: the network's own.", min=1)] = None,
    duration: Annotated[
        float, typer.Option("--seconds", help="About how long each network is run.", min=0.01, max=3600)
    ] = 1.0,
    blocks: Annotated[bool, typer.Option("--blocks", help="What each block adds, too.")] = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: JsonFlag = False,
) -> None:
    """Measure networks on this machine: median, quartiles, images a second, and the sum of the blocks beside it."""
    from nas.latency.conditions import Conditions
    from nas.store import open_store

    if not targets and not front:
        raise typer.BadParameter("give a network, or --front STUDY", param_hint="NETWORK")
    found = _graphs([*(targets or ()), *_front(front or [], storage)], image, classes, storage)
    conditions = [Conditions.here(device, threads, size, precision) for size in batch or [1]]
    with open_store(storage) as store:
        rows = [(here, _measured(store, found, here, duration)) for here in conditions]
    if as_json:
        print_json([_document(here, measured, blocks) for here, measured in rows])
        return
    for here, measured in rows:
        _print(here, measured, blocks)


def _front(studies: list[str], storage: str) -> list[str]:
    from nas.api import open_study

    return [f"{name}:{trial.number}" for name in studies for trial in open_study(name, storage).front]


def _graphs(names: list[str], image: str | None, classes: int | None, storage: str) -> dict[str, Graph]:
    shape = image_of(image)
    graphs = {}
    for name in dict.fromkeys(names):
        target = find_target(name, shape, storage)
        graphs[name] = target.architecture.draw(shape or target.image, classes or target.classes)
    return graphs


def _measured(store: Store, graphs: dict[str, Graph], here: Conditions, duration: float) -> list[Surveyed]:
    from nas.latency.blocks import Blocks, StoreTable
    from nas.latency.measure import Effort
    from nas.latency.survey import keep, survey

    table_of_blocks = Blocks(here, StoreTable(store, here))
    rows = []
    for one in survey(graphs, table_of_blocks, Effort(seconds=duration)):
        keep(store, here, one)
        rows.append(one)
    return rows


def _document(here: Conditions, rows: list[Surveyed], blocks: bool) -> dict[str, Any]:
    from nas.latency.survey import mean_absolute_error, rank_correlation

    networks = [one.to_json() for one in rows]
    if not blocks:
        for document in networks:
            del document["blocks"]
    return {
        **here.to_json(),
        "networks": networks,
        "mean_absolute_error": mean_absolute_error(rows),
        "rank_correlation": rank_correlation(rows),
    }


def _print(here: Conditions, rows: list[Surveyed], blocks: bool) -> None:
    from nas.latency.survey import mean_absolute_error, rank_correlation

    out = console()
    size = "1 image" if here.batch == 1 else f"{here.batch} images"
    columns = ["network", "FLOPs", "params", "median", "quartiles", "runs", "images/s", "sum of blocks", "error"]
    lines = [
        [
            one.name,
            count(one.cost.flops),
            count(one.cost.params),
            seconds(one.timing.median),
            f"{seconds(one.timing.low)} – {seconds(one.timing.high)}",
            str(one.timing.runs),
            f"{one.images_per_second:,.1f}",
            seconds(one.sum),
            f"{100 * one.error:+.1f} %",
        ]
        for one in rows
    ]
    out.print(table(columns, lines, title=f"batches of {size} on {here}", left=["network"]))
    said = f"sum of blocks: mean absolute error {100 * mean_absolute_error(rows):.1f} %"
    correlation = rank_correlation(rows)
    out.print(said if correlation is None else f"{said}, rank correlation {correlation:.3f}")
    if blocks:
        for one in rows:
            shares = [
                [name or "(the call)", seconds(own), f"{100 * own / one.sum:.1f} %" if one.sum else "-"]
                for name, own in one.blocks
            ]
            out.print()
            out.print(table(["block", "adds", "share"], shares, title=one.name, left=["block"]))
    if busy := [one.name for one in rows if one.busy]:
        note(f"the runs of {', '.join(busy)} differ by more than a quarter: something else uses this machine")
