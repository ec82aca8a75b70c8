"""`nas export`: a network for use elsewhere, and its model card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli import app
from nas.cli.networks import image_of
from nas.cli.output import DEFAULT_STORAGE, JsonFlag, Storage, note, print_json
from nas.cli.target import find_target

if TYPE_CHECKING:
    from nas.export import Subject


@app.command()
def export(
    target: Annotated[
        str,
        typer.Argument(
            help="A checkpoint (.safetensors), or untrained: STUDY:TRIAL, a network's name, a JSON file.",
            metavar="CHECKPOINT|STUDY:TRIAL|NETWORK",
        ),
    ],
    form: Annotated[
        str, typer.Option("--format", help="onnx, torch-export, torchscript or python.", metavar="FORMAT")
    ] = "onnx",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file, or a folder; default: here.", metavar="PATH")
    ] = None,
    normalise: Annotated[
        bool,
        typer.Option(
            "--normalise/--no-normalise",
            help="Take images in [0, 1] and normalise them in the model; or take normalised images.",
        ),
    ] = True,
    image: Annotated[
        str | None,
        typer.Option("--image", help="Channels, height, width; not for checkpoints.", metavar="C,H,W"),
    ] = None,
    classes: Annotated[int | None, typer.Option("--classes", help="Not for checkpoints.", min=1)] = None,
    card: Annotated[
        Path | None, typer.Option("--card", help="The model card; default: MODEL_CARD.md beside.", metavar="FILE.md")
    ] = None,
    with_card: Annotated[bool, typer.Option("--with-card/--no-card", help="Write a model card.")] = True,
    latency: Annotated[bool, typer.Option("--latency/--no-latency", help="Measure latencies for the card.")] = True,
    threads: Annotated[int, typer.Option("--threads", help="CPU threads of those latencies.", min=1)] = 1,
    licence: Annotated[str, typer.Option("--licence", help="For the card.")] = "not stated",
    author: Annotated[str, typer.Option("--author", help="For the card.")] = "not stated",
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: JsonFlag = False,
) -> None:
    """Export a network as ONNX, torch.export, TorchScript or Python, with a model card."""
    from nas.export import order as ordered

    if card is not None and not with_card:
        raise typer.BadParameter("not with --no-card", param_hint="--card")
    subject = _subject(target, image, classes, normalise, storage)
    if subject.checkpoint is None:
        note(f"note: {subject.weights}; {_hint(target)}")
    wanted = ordered.Order(form, output, force, card, with_card, latency, threads, licence, author)
    made = ordered.write(subject, wanted)
    if made.exported.note:
        note(f"note: {made.exported.note}")
    if as_json:
        print_json(made.to_json())
        return
    for line in made.lines():
        typer.echo(line)


def _subject(target: str, image: str | None, classes: int | None, normalise: bool, storage: str) -> Subject:
    from nas.checkpoint import read_checkpoint
    from nas.export import Subject
    from searchspaces import NETWORKS

    path = Path(target)
    try:
        a_file = path.suffix == ".safetensors" or (path.suffix != ".json" and path.exists())
    except OSError:
        a_file = False
    if a_file and target not in NETWORKS:
        for option, given in (("--image", image), ("--classes", classes)):
            if given is not None:
                raise typer.BadParameter("a checkpoint has its own", param_hint=option)
        return Subject.of(read_checkpoint(path), target, normalise)
    shape = image_of(image)
    found = find_target(target, shape, storage)
    return Subject(target, found.architecture, shape or found.image, classes or found.classes, None, normalise)


def _hint(target: str) -> str:
    _, colon, tail = target.rpartition(":")
    if colon and tail.isdigit():
        return f"a search keeps none: nas retrain {target} trains it, then export the checkpoint"
    return "for measurements of cost and latency; export a checkpoint for use"
