"""A comparison as a picture: the error distributions, and beside them what each axis matters; with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.benchmark.picture import check
from nas.errors import ComparisonError

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#4a9fd0", "#7a5195", "#5f6b7a")  # the dashboard's
STYLES = ("-", "--", "-.", ":")
EDGE = 0.97  # of every space's children lie within the picture


def draw(document: Mapping[str, Any], path: Path) -> None:
    """Draw what `nas.comparison.report.measure` gives. Raises `NasError` where the file cannot be written."""
    check(path)
    from matplotlib.figure import Figure

    spaces = document["spaces"]
    axes = sorted({one["axis"] for space in spaces for one in space["importance"]}, key=_most(spaces))
    wide = max(3.8, 0.28 * len(axes) * len(spaces) ** 0.5)
    figure = Figure(figsize=(11.0, wide + 1.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
    _draw_distributions(left, document)
    _draw_importance(right, spaces, axes)
    figure.suptitle(_title(document), fontsize="medium")
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise ComparisonError(f"{path}: {error.strerror}") from None


def _draw_distributions(axes: Any, document: Mapping[str, Any]) -> None:
    """Steps with the bootstrap's band around them; a cross at each median."""
    ends = []
    for place, space in enumerate(document["spaces"]):
        colour, style = COLOURS[place % len(COLOURS)], STYLES[place % len(STYLES)]
        curve = space["curve"]
        errors = [100 * point["error"] for point in curve]
        shares, lows, highs = ([point[name] for point in curve] for name in ("value", "low", "high"))
        failed = f", {space['failed']} failed" if space["failed"] else ""
        label = f"{space['name']}: {space['counted']} networks{failed}, median {100 * space['median']['value']:.1f} %"
        axes.step(errors, shares, style, where="post", color=colour, label=label, linewidth=1.8)
        axes.fill_between(errors, lows, highs, step="post", color=colour, alpha=0.18, linewidth=0)
        axes.plot([100 * space["median"]["value"]], [0.5], "x", color=colour, markersize=8, markeredgewidth=2)
        ends.append(next((error for error, share in zip(errors, shares, strict=True) if share >= EDGE), errors[-1]))
    start = 100 * document["spaces"][0]["curve"][0]["error"]
    axes.set_xlim(max(0.0, start - 0.05 * (max(ends) - start)), max(ends) + 0.02 * (max(ends) - start) or start + 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("validation error, %")
    axes.set_ylabel("share of networks with at most that error")
    axes.set_title(f"Error distributions, bands of {100 * document['level']:.0f} %", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize="small")


def _draw_importance(axes: Any, spaces: list[dict[str, Any]], names: list[str]) -> None:
    """A group of bars an axis, one bar a space that has it."""
    height = 0.8 / len(spaces)
    for place, space in enumerate(spaces):
        known = {one["axis"]: one["importance"] for one in space["importance"]}
        rows = [(row, known[name]) for row, name in enumerate(names) if known.get(name) is not None]
        axes.barh(
            [row + 0.4 - (place + 0.5) * height for row, _ in rows],
            [100 * value for _, value in rows],
            height=0.9 * height,
            color=COLOURS[place % len(COLOURS)],
            label=space["name"],
        )
        for row, name in enumerate(names):
            if name not in known:
                level = row + 0.4 - (place + 0.5) * height
                axes.text(0.6, level, f"not in {space['name']}", fontsize="x-small", color="#5f6b7a", va="center")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(left=0)
    axes.set_xlabel("variance of the error that the axis explains, %")
    axes.set_title("Importance of the axes", fontsize="medium")
    axes.grid(axis="x", alpha=0.3)


def _most(spaces: list[dict[str, Any]]) -> Any:
    """A key that sorts axes by their largest importance in any space, the largest last, which is at the top."""
    found: dict[str, float] = {}
    for space in spaces:
        for one in space["importance"]:
            found[one["axis"]] = max(found.get(one["axis"], 0.0), one["importance"] or 0.0)
    return lambda name: (found[name], name)


def _title(document: Mapping[str, Any]) -> str:
    parts = [document["data"]]
    if document["epochs"]:
        parts.append(f"{document['epochs']} epochs")
    parts += document["constraints"]
    if document["matched"]:
        parts.append(f"weighted to the same {document['matched']['cost']}")
    return " · ".join(parts)
