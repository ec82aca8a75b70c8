"""`nas evaluate`: how good trained networks are, each and averaged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli import app
from nas.cli.bar import Bar
from nas.cli.name_values import parts_of
from nas.cli.output import JsonFlag, console, duration, note, percent, print_json, table

if TYPE_CHECKING:
    from nas.evaluation.evaluate import Evaluation
    from nas.evaluation.tally import ClassResult, Tally

SHOWN_CLASSES = 20


@app.command()
def evaluate(
    targets: Annotated[
        list[str],
        typer.Argument(help="Checkpoints; or with --weights a network's name. Several are averaged.", metavar="TARGET"),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(help="A dataset's name or folder:PATH; default: what the first checkpoint was trained on."),
    ] = None,
    split: Annotated[
        str, typer.Option(help="test, validation, train; or all: every image of a folder of class folders.")
    ] = "test",
    weights: Annotated[
        str | None,
        typer.Option(help="For a network's name: a release such as IMAGENET1K_V1, default, or a file of its weights."),
    ] = None,
    views: Annotated[str, typer.Option(help="single, ten, dense or multi-scale; see docs/evaluate.md.")] = "single",
    resize: Annotated[
        int | None, typer.Option(help="Pixels of the shorter side before cropping; default: the network's own.")
    ] = None,
    crop: Annotated[int | None, typer.Option(help="Pixels of a crop's side; default: the network's own.")] = None,
    scales: Annotated[
        str | None, typer.Option(help="Shorter sides for multi-scale, with commas, as in 224,256,288.")
    ] = None,
    mirror: Annotated[
        bool | None,
        typer.Option(
            "--mirror/--no-mirror", help="Mirrored views as well; default: but for single, if training mirrored."
        ),
    ] = None,
    confusion: Annotated[
        Path | None,
        typer.Option(help="Write the confusion matrix: .csv; .png, .svg or .pdf need matplotlib.", metavar="FILE"),
    ] = None,
    all_classes: Annotated[
        bool, typer.Option("--all-classes", help=f"Print every class, not the worst {SHOWN_CLASSES} only.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:0.")] = "auto",
    batch: Annotated[
        int | None, typer.Option("--batch-size", help="Images at once; default: as memory allows.", min=1)
    ] = None,
    data_root: Annotated[
        str | None, typer.Option(help="Where datasets lie; default: NAS_DATA, else ~/.cache/nas.", metavar="FOLDER")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure trained networks: top-1, top-5, each class; alone and averaged."""
    from nas.evaluation import picture

    if confusion is not None:
        picture.check(confusion)
    sides = _scales(scales)

    from nas.evaluation.evaluate import evaluate as measure
    from nas.evaluation.evaluate import spec_for
    from nas.evaluation.members import find_members
    from nas.evaluation.views import Views
    from nas.evaluators import find_device

    asked = Views(views, resize, crop, sides, mirror)  # type: ignore[arg-type]  # it checks the kind
    where = find_device(device)
    members = find_members(targets, weights)
    for member in members:
        if member.guessed and not quiet:
            note(
                f"{member.guessed} is no release's file by its name: images are prepared as for the default release "
                f"of {member.name}; --resize, --crop change that"
            )
    spec = spec_for(members, dataset, data_root, split)
    with Bar("images", quiet) as bar:
        found = measure(members, spec, split=split, views=asked, device=where, batch=batch, shown=bar.show)
    if confusion is not None:
        title = f"{os.path.basename(spec.name)} ({split}), top-1 {percent(found.tally.found / found.tally.images)}"
        picture.write_confusion(found.tally.confusion, found.classes, confusion, title)
        note(f"written: {confusion}")
    if as_json:
        print_json(found.to_json())
    else:
        _print(found, all_classes)


def _scales(text: str | None) -> tuple[int, ...]:
    parts = parts_of(text) if text is not None else []
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise typer.BadParameter(f"{text!r}; pixels with commas, as in 224,256,288", param_hint="--scales")
    return tuple(dict.fromkeys(map(int, parts)))


def _print(found: Evaluation, all_classes: bool) -> None:
    from nas.evaluation.tally import by_class

    out, several = console(), len(found.members) > 1
    images = f"{found.tally.images:,} images of {len(found.classes)} classes"
    out.print(f"{found.dataset}, {found.split} split: {images}, {found.views.kind} views, on {found.device}")
    rows = [[each.member.name, _views(each.to_json()), *_numbers(each.tally)] for each in found.members]
    if several:
        rows.append([f"average of {len(found.members)}", "probabilities", *_numbers(found.tally)])
    columns = ["network", "views", "top-1", "95 % interval", "top-5", "loss"]
    out.print()
    out.print(table(columns, rows, left=["network", "views"]), markup=False)
    for each in found.members:
        if each.published is not None:
            numbers = f"top-1 {_exact(each.published['top1'])}, top-5 {_exact(each.published['top5'])}"
            title = f"{each.member.name} {each.member.release}"
            out.print(f"{title} has {numbers} on ImageNet's validation images, as published", markup=False)
    results = by_class(found.tally.confusion, found.classes)
    shown = results if all_classes else results[:SHOWN_CLASSES]
    title = f"Each class{', of the average' if several else ''}: the worst first"
    out.print()
    out.print(
        table(
            ["class", "accuracy", "images", "found", "most often taken for"],
            [_class(each) for each in shown],
            title=title,
            left=["class", "most often taken for"],
        ),
        markup=False,
    )
    if len(shown) < len(results):
        out.print(f"and {len(results) - len(shown)} better ones; --all-classes prints them")
    out.print(f"\nin {duration(found.seconds)}")


def _views(member: dict[str, Any]) -> str:
    sizes = "+".join(map(str, member["resized"]))
    crop = member["crop"] or ("" if sizes else "×".join(map(str, member["image"][1:])))
    said = f"{sizes} px" if sizes else f"{crop} px"
    said += f", crop {crop}" if sizes and crop else ""
    return f"{member['views']}: {said}{', mirrored too' if member['mirror'] else ''}"


def _numbers(tally: Tally) -> list[str]:
    document = tally.to_json()
    low, high = document["top1_interval"]
    interval = f"{100 * low:.1f}–{100 * high:.1f} %"
    return [_exact(document["top1"]), interval, _exact(document["top5"]), f"{document['loss']:.3f}"]


def _exact(fraction: float | None) -> str:
    """To two decimals, as accuracies on ImageNet are published."""
    return "-" if fraction is None else f"{100 * fraction:.2f} %"


def _class(each: ClassResult) -> list[str]:
    other = f"{each.taken_for} ({each.taken})" if each.taken_for is not None else "-"
    return [each.name, percent(each.accuracy), str(each.images), str(each.found), other]
