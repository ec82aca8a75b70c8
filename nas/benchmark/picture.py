"""The curves of a contest as a picture, with matplotlib, which only this needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.benchmark.report import ordered
from nas.errors import BenchmarkError

SUFFIXES = (".svg", ".png", ".pdf")
PANELS = {"one": ("regret", "regret, points of accuracy", 100), "two": ("hypervolume", "share of the hypervolume", 1)}
LEAST = 1e-3  # points: less regret is drawn as this, since a logarithm has no zero


def check(path: Path) -> None:
    """Say at once what would go wrong after the runs. Raises `BenchmarkError`."""
    if path.suffix.lower() not in SUFFIXES:
        raise BenchmarkError(f"{path}: a plot is a file that ends in {', '.join(SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise BenchmarkError(f"{path}: there is no folder {path.absolute().parent}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise BenchmarkError("a plot needs matplotlib: pip install 'nas[bench]'") from None


def draw(document: Mapping[str, Any], path: Path) -> None:
    """Regret for one objective and hypervolume for two, against the number of children; bands of a standard error.

    Ours are solid, rivals dashed; ours and Optuna's form of one method share a colour. Raises `BenchmarkError`.
    """
    check(path)
    from matplotlib.figure import Figure

    results = document["results"]
    goals = [goal for goal in PANELS if any(result["objectives"] == goal for result in results)]
    methods = list(dict.fromkeys(_method(result["controller"]) for goal in goals for result in ordered(results, goal)))
    figure = Figure(figsize=(6.0 * len(goals) + 1.6, 4.8), layout="constrained")
    lines: dict[str, Any] = {}
    for place, goal in enumerate(goals, 1):
        axes = figure.add_subplot(1, len(goals), place)
        name, title, scale = PANELS[goal]
        least = LEAST if goal == "one" else 0.0
        for result in ordered(results, goal):
            steps = [point["children"] for point in result["curve"]]
            means = [scale * point[name] for point in result["curve"]]
            errors = [scale * (point[f"{name}_error"] or 0.0) for point in result["curve"]]
            colour, style = f"C{methods.index(_method(result['controller'])) % 10}", "-" if result["ours"] else "--"
            (lines[result["controller"]],) = axes.plot(
                steps, [max(least, mean) for mean in means], style, color=colour, label=result["controller"]
            )
            low = [max(least, mean - error) for mean, error in zip(means, errors, strict=True)]
            high = [max(least, mean + error) for mean, error in zip(means, errors, strict=True)]
            axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
        if goal == "one":
            axes.set_yscale("log")
        axes.set_xlabel("children")
        axes.set_ylabel(title)
        axes.set_title(f"{'accuracy' if goal == 'one' else 'accuracy and FLOPs'}", fontsize="medium")
        axes.grid(alpha=0.3)
    figure.legend(handles=list(lines.values()), loc="outside right upper", fontsize="small")
    figure.suptitle(document["problem"]["name"], fontsize="medium")
    try:
        figure.savefig(path)
    except OSError as error:
        raise BenchmarkError(f"{path}: {error.strerror}") from None


def _method(controller: str) -> str:
    return controller.removeprefix("optuna-").partition("+")[0]
