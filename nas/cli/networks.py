"""`nas spaces`, `nas networks` and `nas describe`: what can be searched, and what a network is and costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli import app
from nas.cli.output import DEFAULT_STORAGE, JsonFlag, Storage, console, count, print_json, table
from nas.errors import NasError, StudyError, unknown

ImageSide = Annotated[int, typer.Option("--image-size", help="Pixels a side of the images to be classified.", min=1)]


@app.command()
def spaces(
    name: Annotated[str | None, typer.Argument(help="One space: its axes and networks.")] = None,
    image_size: ImageSide = 224,
    as_json: JsonFlag = False,
) -> None:
    """List the search spaces, or the axes of one."""
    from searchspaces import SPACES

    if name is not None and name not in SPACES:
        raise StudyError(unknown("space", name, SPACES))
    made = {key: factory(image_size) for key, factory in SPACES.items() if name in (None, key)}
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
    pattern: Annotated[str, typer.Argument(help="Only names that contain this.")] = "", as_json: JsonFlag = False
) -> None:
    """List the hand-designed networks with their exact price on their native image."""
    from searchspaces import NETWORKS, price

    documents: list[dict[str, Any]] = [
        {
            "name": network.name,
            "image": list(network.image),
            "classes": network.classes,
            **price(network.architecture.draw(network.image, network.classes)).to_json(),
            "source": network.source,
            "note": network.note,
        }
        for network in NETWORKS.values()
        if pattern in network.name
    ]
    if not documents:
        raise StudyError(unknown("network", pattern, NETWORKS))
    if as_json:
        print_json(documents)
        return
    rows = [
        [
            d["name"],
            count(d["params"]),
            count(d["flops"]),
            "×".join(map(str, d["image"])),
            d["source"] + _aside(d["note"]),
        ]
        for d in documents
    ]
    console().print(table(["network", "params", "FLOPs", "image", "source"], rows, left=["network", "source"]))


@app.command()
def describe(
    target: Annotated[
        str, typer.Argument(help="A network, STUDY:TRIAL, or a JSON file.", metavar="NETWORK|STUDY:TRIAL|FILE")
    ],
    image: Annotated[
        str | None,
        typer.Option("--image", help="Channels, height, width; default: the network's own.", metavar="C,H,W"),
    ] = None,
    classes: Annotated[int | None, typer.Option("--classes", help="Default: the network's own.", min=1)] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: JsonFlag = False,
) -> None:
    """Show a network layer by layer: output, memory, parameters, FLOPs and receptive field."""
    from searchspaces import layer_table, price, receptive_field
    from searchspaces.summary import summarise

    architecture, native, own_classes, adapted = _target(target, _image(image), storage)
    shape, outputs = _image(image) or native, classes or own_classes
    graph = architecture.draw(shape, outputs)
    cost, layers = price(graph), layer_table(graph)
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


def _aside(text: str) -> str:
    return f" ({text})" if text else ""


def _adapted(names: list[str], image: int) -> list[tuple[str, str]]:
    from searchspaces import NETWORKS
    from searchspaces.adapt import explain

    known = [NETWORKS[name] for name in names if name in NETWORKS]
    lines = [(network.name, explain(network.architecture, network.at(image))) for network in known]
    return [(name, line) for name, line in lines if line]


def _image(text: str | None) -> tuple[int, int, int] | None:
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


def _target(
    target: str, image: tuple[int, int, int] | None, storage: str
) -> tuple[Any, tuple[int, int, int], int, str]:
    """The architecture, its native image and classes, and what the small-image rule changed."""
    from searchspaces import NETWORKS, Architecture
    from searchspaces.adapt import explain

    if target in NETWORKS:
        network = NETWORKS[target]
        fitted = network.architecture if image is None else network.at(min(image[1:]))
        channels, height, width = network.image
        return fitted, (channels, height, width), network.classes, explain(network.architecture, fitted)
    path = Path(target)
    if path.suffix == ".json" or path.is_file():
        try:
            document: Any = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise NasError(f"{target}: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise NasError(f"{target}: not a JSON document ({error})") from None
        if isinstance(document, dict) and isinstance(document.get("architecture"), dict):
            document = document["architecture"]  # what `nas describe --json` and `nas show --json` print
        return Architecture.from_json(document), (3, 224, 224), 1000, ""
    study, colon, number = target.rpartition(":")
    if colon and number.isdigit():
        from nas.api import open_study

        found = open_study(study, storage)
        spec = found.spec
        return found.architecture(int(number)), spec.image, spec.classes, ""
    raise StudyError(unknown("network", target, NETWORKS) + "; or give STUDY:TRIAL or a JSON file")
