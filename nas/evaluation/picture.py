"""The confusion matrix as a picture (with matplotlib, which only this needs) or as a table in a file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import EvaluationError

PICTURES, TABLE = (".png", ".svg", ".pdf"), ".csv"
NUMBERED = 20  # classes: up to so many, the cells show their numbers
NAMED = 120  # up to so many, each row and column has its name
LONGEST = 24  # letters of a name


def check(path: Path) -> None:
    """Say before anything is measured what would go wrong after. Raises `EvaluationError`."""
    if path.suffix.lower() not in (*PICTURES, TABLE):
        raise EvaluationError(f"{path}: a confusion matrix is a file that ends in {', '.join((*PICTURES, TABLE))}")
    if not path.absolute().parent.is_dir():
        raise EvaluationError(f"{path}: there is no folder {path.absolute().parent}")
    if path.suffix.lower() in PICTURES:
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            raise EvaluationError("a picture needs matplotlib: pip install 'nas[bench]'; or write a .csv") from None


def write_confusion(confusion: NDArray[np.int64], names: Sequence[str], path: Path, title: str) -> None:
    """Write the matrix (true class by row, predicted class by column) to a file, in the form of its ending.

    Raises `EvaluationError`.
    """
    check(path)
    try:
        if path.suffix.lower() == TABLE:
            _table(confusion, names, path)
        else:
            _draw(confusion, names, path, title)
    except OSError as error:
        raise EvaluationError(f"{path}: {error.strerror}") from None


def _table(confusion: NDArray[np.int64], names: Sequence[str], path: Path) -> None:
    """Images by true class (rows) and predicted class (columns)."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["true class", *names])
        writer.writerows([name, *map(int, row)] for name, row in zip(names, confusion, strict=True))


def _draw(confusion: NDArray[np.int64], names: Sequence[str], path: Path, title: str) -> None:
    """Each row as shares of its class. Shades grow with the square root, so that rare mistakes can be seen."""
    from matplotlib import rc_context
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    count = len(names)
    images = confusion.sum(1, keepdims=True)
    shares = np.divide(confusion, images, out=np.zeros(confusion.shape), where=images > 0)
    side = min(18.0, max(5.0, 2.2 + (0.42 if count <= NUMBERED else 0.145) * count))
    letters, words = (9.0, 11.0) if count <= NUMBERED else (6.5, 0.9 * side)  # points: of names, and of titles
    with rc_context({"font.size": letters, "svg.fonttype": "none"}):
        figure = Figure(figsize=(side + 1.4, side), layout="constrained")
        axes = figure.add_subplot()
        # One hue from white to dark: lightness alone tells, to whoever sees colours otherwise and in grey print.
        shown = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
        bar = figure.colorbar(shown, ax=axes, shrink=0.7, aspect=30, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 1])
        bar.ax.set_yticklabels(["0", "1 %", "5 %", "10 %", "25 %", "50 %", "100 %"], fontsize=max(letters, 0.7 * words))
        bar.set_label("share of the true class", fontsize=words)
        step = 1 if count <= NAMED else -(-count // 50)
        ticks = list(range(0, count, step))
        labels = [_shortened(names[index]) for index in ticks]
        upright = max(map(len, labels)) > 3 or count > NUMBERED
        axes.set_xticks(ticks, labels, rotation=90 if upright else 0)
        axes.set_yticks(ticks, labels)
        axes.set_xlabel("predicted class", fontsize=words)
        axes.set_ylabel("true class", fontsize=words)
        axes.set_title(title, fontsize=words + 1)
        if count <= NUMBERED:
            _numbers(axes, confusion, shares, letters)
        elif count <= NAMED:
            axes.set_xticks(np.arange(-0.5, count), minor=True)
            axes.set_yticks(np.arange(-0.5, count), minor=True)
            axes.grid(which="minor", color="black", linewidth=0.2, alpha=0.15)
            axes.tick_params(which="minor", length=0)
        figure.savefig(path, dpi=150)


def _numbers(axes: Any, confusion: NDArray[np.int64], shares: NDArray[np.float64], letters: float) -> None:
    """The number of images in each cell that is not empty, in black or white, whichever stands out."""
    size = letters if confusion.max() < 1000 else letters - 2
    for row, column in zip(*confusion.nonzero(), strict=True):
        colour = "white" if shares[row, column] > 0.3 else "black"
        axes.text(column, row, str(confusion[row, column]), ha="center", va="center", color=colour, fontsize=size)


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
