"""`nas spaces`, `nas networks` and `nas describe`: what can be searched, and what a network is and costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli import app, picture
from nas.cli.output import DEFAULT_STORAGE, JsonFlag, Storage, console, count, note, percent, print_json, table
from nas.cli.picture import Draw
from nas.cli.target import find_target
from nas.errors import StudyError, unknown

if TYPE_CHECKING:
    from searchspaces import Network, Space

ImageSide = Annotated[int, typer.Option("--image-size", help="Pixels a side of the images to be classified.", min=1)]


@app.command()
def spaces(
    name: Annotated[str | None, typer.Argument(help="One space: its axes and networks.")] = None,
    image_size: ImageSide = 224,
    as_json: JsonFlag = False,
) -> None:
    """List the search spaces, or the axes of one."""
    from searchspaces import SPACES, SearchSpaceError, find_space

    if name is not None and ":" not in name and name.partition("+")[0] not in SPACES:
        raise StudyError(unknown("space", name, SPACES))
    made: dict[str, Space] = {}
    for key in SPACES if name is None else [name]:
        try:
            made[key] = find_space(key, image_size)
        except SearchSpaceError as error:
            if name is not None:
                raise
            note(f"nas: space {key!r} is left out: {error}")  # one of another package
    if as_json:
        documents = [
            {
                "name": space.name,
                "size": space.size,
                "axes": [
                    {"name": axis.name, "choices": list(axis.labels), "conditional": axis.conditional}
                    for axis in space.axes
                ],
                "networks": list(space.networks),
            }
            for space in made.values()
        ]
        print_json(documents if name is None else documents[0])
        return
    out = console()
    if name is None:
        rows = [[key, f"{s.size:.3g}", str(len(s.axes)), ", ".join(s.networks)] for key, s in made.items()]
        out.print(table(["space", "points", "axes", "networks in it"], rows, left=["space", "networks in it"]))
        return
    space = made[name]
    rows = [
        [axis.name, ", ".join(map(str, axis.labels)), "sometimes" if axis.conditional else "always"]
        for axis in space.axes
    ]
    out.print(f"{name}: {space.size:,} points for images of {image_size} pixels\n")
    out.print(table(["axis", "choices", "active"], rows, left=["axis", "choices", "active"]))
    out.print(f"\nhand-designed points: {', '.join(space.networks)}")
    for network, line in _adapted(list(space.networks), image_size):
        out.print(f"{network} on {image_size} pixels: {line}")


@app.command()
def networks(
    pattern: Annotated[str, typer.Argument(help="Only names that contain this.")] = "",
    family: Annotated[str | None, typer.Option("--family", help="Only those of one family.")] = None,
    since: Annotated[int | None, typer.Option("--since", help="Published in this year or later.")] = None,
    until: Annotated[int | None, typer.Option("--until", help="Published in this year or earlier.")] = None,
    max_params: Annotated[str | None, typer.Option("--max-params", help="At most, as in 5M.", metavar="NUMBER")] = None,
    max_flops: Annotated[str | None, typer.Option("--max-flops", help="At most, as in 0.3G.", metavar="NUMBER")] = None,
    proof: Annotated[
        str | None, typer.Option("--proof", help="Only those proved by outputs, params, flops or documents.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the hand-designed networks: exact price on their native image, published error, what proves them."""
    from nas.catalogue import Wanted
    from searchspaces.evidence import evidence, imagenet_error, native_cost

    chosen = Wanted(pattern, family, since, until, max_params, max_flops, proof).select()
    if as_json:
        print_json([evidence(network) for network in chosen])
        return
    if not chosen:
        note("no network is all of this; leave a filter out")
        return
    rows = []
    for network in chosen:
        cost, error = native_cost(network), imagenet_error(network)
        rows.append(
            [
                network.name,
                str(network.year or "-"),
                count(cost.params),
                count(cost.flops),
                "×".join(map(str, network.image)),
                network.proofs[0] if network.proofs else "-",
                "-" if error is None else percent(error.top1),
                "" if error is None else error.protocol,
                _authors(network) + _aside(network.note),
            ]
        )
    columns = ["network", "year", "params", "FLOPs", "image", "proof", "ImageNet error", "tested on", "source"]
    console().print(table(columns, rows, left=["network", "proof", "tested on", "source"]))


@app.command()
def describe(
    target: Annotated[
        str,
        typer.Argument(
            help="A network, STUDY:TRIAL, a JSON file, or module:attribute of a module of yours.",
            metavar="NETWORK|STUDY:TRIAL|FILE",
        ),
    ],
    image: Annotated[
        str | None,
        typer.Option("--image", help="Channels, height, width; default: the network's own.", metavar="C,H,W"),
    ] = None,
    classes: Annotated[int | None, typer.Option("--classes", help="Default: the network's own.", min=1)] = None,
    draw: Draw = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: JsonFlag = False,
) -> None:
    """Show a network layer by layer: output, memory, parameters, FLOPs and receptive field."""
    from searchspaces import layer_table, price, receptive_field
    from searchspaces.summary import summarise

    found = find_target(target, image_of(image), storage)
    architecture, adapted = found.architecture, found.adapted
    shape, outputs = image_of(image) or found.image, classes or found.classes
    graph = architecture.draw(shape, outputs)
    cost, layers = price(graph), layer_table(graph)
    if draw is not None:
        said = f"adapted to {shape[1]}×{shape[2]} pixels: {adapted}" if adapted else ""
        picture.save(draw, architecture, shape, outputs, target, list(filter(None, (found.source, said))))
    if as_json:
        print_json(
            {
                "target": target,
                "key": architecture.key,
                "summary": summarise(architecture),
                "image": list(shape),
                "classes": outputs,
                "adapted": adapted,
                **cost.to_json(),
                "receptive_field": receptive_field(graph),
                "layers": [layer.to_json() for layer in layers],
                "architecture": architecture.to_json(),
            }
        )
        return
    rows = [
        [
            layer.name,
            layer.kind,
            "" if layer.kernel is None else str(layer.kernel),
            "" if layer.stride is None else str(layer.stride),
            "×".join(map(str, layer.output)),
            f"{layer.memory / 1024:,.1f}",
            f"{layer.params / 1e3:,.1f}",
            f"{layer.flops / 1e6:,.1f}",
            str(layer.receptive_field),
        ]
        for layer in layers
    ]
    counted = sum(layer.memory for layer in layers if layer.kind in ("conv", "linear"))
    totals = [
        *("total", "", "", "", "", f"{counted / 1024:,.1f}"),
        *(f"{cost.params / 1e3:,.1f}", f"{cost.flops / 1e6:,.1f}", str(receptive_field(graph))),
    ]
    columns = ["layer", "kind", "kernel", "stride", "output", "memory KB", "params k", "FLOPs M", "field px"]
    out = console()
    out.print(f"{target}: {summarise(architecture)}")
    if adapted:
        out.print(f"adapted to {shape[1]}×{shape[2]} pixels: {adapted}")
    out.print(table(columns, [*rows, [""] * 9, totals], left=["layer", "kind"]))
    out.print(
        f"\n{cost.params:,} parameters · {cost.flops / 1e9:.4g} GFLOPs (multiply-adds) · "
        f"{count(cost.activations)} activations · {cost.memory / 2**20:.1f} MiB of tensors for one image"
    )
    out.print("The total of memory is that of convolutions and linear layers; params and FLOPs add up over all rows.")


def _authors(network: Network) -> str:
    """The source up to its year, without the title."""
    found, year, _ = network.source.partition(str(network.year))
    return found + year if network.year else network.source


def _aside(text: str) -> str:
    return f" ({text})" if text else ""


def _adapted(names: list[str], image: int) -> list[tuple[str, str]]:
    from searchspaces import NETWORKS
    from searchspaces.adapt import explain

    known = [NETWORKS[name] for name in names if name in NETWORKS]
    lines = [(network.name, explain(network.architecture, network.at(image))) for network in known]
    return [(name, line) for name, line in lines if line]


def image_of(text: str | None) -> tuple[int, int, int] | None:
    """Channels, height and width of an `--image`; wrong usage for what is none."""
    if text is None:
        return None
    try:
        channels, height, width = (int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}; give channels, height, width, as in 3,224,224", param_hint="--image"
        ) from None
    if min(channels, height, width) < 1 or max(channels, height, width) > 65536:
        raise typer.BadParameter(f"{text!r}; each must be from 1 to 65536", param_hint="--image")
    return channels, height, width
