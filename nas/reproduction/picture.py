"""The pictures of `nas reproduce`, with matplotlib: curves of degradation, and our errors against published ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.benchmark.picture import check
from nas.errors import ReproductionError

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # of Okabe and Ito: told apart by the colour-blind
STYLES = ("-", "--", "-.", ":")
MARKERS = "osD^vP*X"
THIN, BOLD = 1.0, 2.6


def draw_curves(document: Mapping[str, Any], path: Path) -> None:
    """A panel for each series, as He et al. 2016, figure 4: thin lines training error, bold ones validation error.

    Bands of one standard deviation of the seeds. Raises `NasError` where the file cannot be written.
    """
    check(path)
    from matplotlib.figure import Figure

    series = [pair["series"] for pair in document["pairs"]]
    figure = Figure(figsize=(5.4 * max(len(series), 1.4), 4.8), layout="constrained")
    panels = figure.subplots(1, len(series), sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, series, strict=True):
        own = sorted((each for each in document["networks"] if each["series"] == name), key=lambda each: each["depth"])
        for place, network in enumerate(own):
            _draw_network(axes, network, COLOURS[place % len(COLOURS)], STYLES[place % len(STYLES)])
        axes.set_title(f"{name}: {' and '.join(str(each['depth']) for each in own)} layers", fontsize="medium")
        axes.set_xlabel("epochs")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    panels[0].set_ylabel("error, %")
    panels[0].set_ylim(bottom=0)
    seeds = max((point["n"] for each in document["networks"] for point in each["curve"]), default=0)
    how = f"mean of {seeds} seeds, bands of one standard deviation" if seeds > 1 else "one seed"
    size = "×".join(map(str, document["image"]))
    figure.suptitle(
        f"{document['training_images']:,} training images of {size}, {document['recipe']['epochs']} epochs, {how}\n"
        "thin: training error, measured in evaluation mode; bold: validation error",
        fontsize="medium",
    )
    _save(figure, path)


def _draw_network(axes: Any, network: Mapping[str, Any], colour: str, style: str) -> None:
    epochs = [point["epoch"] for point in network["curve"]]
    for name, what, width in (("train_error", "training", THIN), ("val_error", "validation", BOLD)):
        means = [100 * point[name] for point in network["curve"]]
        label = f"{network['name']}, {what}" + (f": {means[-1]:.1f} % at the end" if means else ": not trained")
        axes.plot(epochs, means, style, color=colour, linewidth=width, label=label)
        spread = [100 * (point[f"{name}_std"] or 0.0) for point in network["curve"]]
        low = [mean - std for mean, std in zip(means, spread, strict=True)]
        high = [mean + std for mean, std in zip(means, spread, strict=True)]
        axes.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)


def draw_errors(document: Mapping[str, Any], path: Path) -> None:
    """Our test error against the published one, a marker and a colour for each family; the line is equality.

    Raises `ReproductionError` where no network has both, `NasError` where the file cannot be written.
    """
    check(path)
    known = [each for each in document["networks"] if each["difference"] is not None]
    if not known:
        raise ReproductionError("nothing to draw: no network has both a test error of ours and a published one")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes = figure.subplots()
    families = list(dict.fromkeys(each["family"] for each in known))
    for place, family in enumerate(families):
        own = [each for each in known if each["family"] == family]
        axes.errorbar(
            [100 * each["published"]["top1"] for each in own],
            [100 * each["test_error"]["mean"] for each in own],
            yerr=[100 * (each["test_error"]["std"] or 0.0) for each in own],
            fmt=MARKERS[place % len(MARKERS)],
            color=COLOURS[place % len(COLOURS)],
            capsize=3,
            label=family or "others",
        )
        for each in own:
            at = (100 * each["published"]["top1"], 100 * each["test_error"]["mean"])
            axes.annotate(each["name"], at, xytext=(6, 4), textcoords="offset points", fontsize="x-small")
    low, high = axes.get_xlim()
    axes.set_xlim(low, high + 0.2 * (high - low))  # room for the names
    axes.axline((low, low), slope=1, color="#5f6b7a", linewidth=1, label="as published")
    axes.set_xlabel(f"published test error on {document['published_dataset']}, %")
    axes.set_ylabel("our test error, %")
    axes.set_title(f"{document['recipe_words']}; seeds: {document['seeds']}", fontsize="small", wrap=True)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise ReproductionError(f"{path}: {error.strerror}") from None
