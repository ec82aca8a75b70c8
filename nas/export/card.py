"""The model card of an exported network (Mitchell et al. 2019, "Model Cards for Model Reporting"): facts only.

What was not measured, or is not known, the card says so. Its figure and latencies are made when it is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from nas import __version__
from nas.errors import ExportError, NasError
from nas.export import loading
from nas.export.exporting import FORMATS, check_free, placed, suffix_of
from nas.export.lines import spoken
from nas.export.subject import Subject
from nas.export.timing import Latency
from searchspaces import price, receptive_field
from searchspaces.summary import summarise

NAME = "MODEL_CARD.md"
MARK = "<!-- nas export {key} -->"
NOT_STATED = "not stated"
SHOWN_CLASSES = 20


@dataclass(frozen=True)
class Stated:
    """What only a person can state."""

    licence: str = NOT_STATED
    author: str = NOT_STATED


def write_card(
    subject: Subject,
    network: tuple[str, Path],
    path: Path,
    latencies: Sequence[Latency],
    stated: Stated,
    force: bool = False,
) -> tuple[Path, ...]:
    """Write the card, and its figure beside it, an SVG of the same name; gives what was written.

    `network`: the format and file of the export. A card of the same network is replaced. Raises `ExportError` where
    another file is in the way, or the card cannot be written.
    """
    check_card(subject, path, force)
    picture, drawn = path.with_suffix(".svg"), _drawn(subject)
    files = [path, picture] if drawn else [path]
    text = card(subject, network, picture.name if drawn else None, latencies, stated)

    def write(folder: Path) -> None:
        (folder / path.name).write_text(text, encoding="utf-8")
        if drawn:
            (folder / picture.name).write_text(drawn, encoding="utf-8")

    placed(files, write)
    return tuple(files)


def check_card(subject: Subject, path: Path, force: bool) -> None:
    """Raise `ExportError` where the card or its figure would replace anything but a card of the same network."""
    if path.suffix.lower() != ".md":
        raise ExportError(f"{path}: a card is a Markdown file; its name ends in .md")
    check_free([path, path.with_suffix(".svg")], force or _is_ours(path, subject))


def card(
    subject: Subject,
    network: tuple[str, Path],
    picture: str | None,
    latencies: Sequence[Latency],
    stated: Stated,
) -> str:
    """The card as Markdown; `picture` is the file of the figure beside it."""
    sections = {
        "Network": [*_network(subject), "", f"![The network]({picture})" if picture else "No figure was drawn."],
        "Results": _results(subject),
        "Latency": _latencies(latencies),
        "Data": _data(subject),
        "Training": _training(subject),
        "Use": _use(subject, network),
        "Limits": _limits(subject),
        "Licence": _rows({"licence": spoken(stated.licence), "author": spoken(stated.author)}),
    }
    lines = [f"# {spoken(subject.title)}", "", MARK.format(key=subject.architecture.key), ""]
    if subject.checkpoint is None:
        lines += ["**Untrained: its weights are random (seed 0). Its scores mean nothing; cost and latency hold.**", ""]
    for title, body in sections.items():
        lines += [f"## {title}", "", *body, ""]
    written = f"Written by nas {__version__} on {date.today().isoformat()}."
    return "\n".join([*lines, written]) + "\n"


def _network(subject: Subject) -> list[str]:
    cost, architecture = price(subject.graph), subject.architecture
    return _rows(
        {
            "architecture": spoken(summarise(architecture)),
            "key": f"`{architecture.key}`",
            "parameters": f"{cost.params:,}",
            "FLOPs (multiply-adds) an image": f"{cost.flops:,}",
            "activations an image": f"{cost.activations:,}",
            "receptive field": f"{receptive_field(subject.graph)} pixels",
            "input": subject.takes,
            "output": f"scores (logits) (N, {subject.classes})",
            "weights": subject.weights,
        }
    )


def _results(subject: Subject) -> list[str]:
    if subject.checkpoint is None:
        return ["None: nothing was trained."]
    from nas.evaluation.tally import wilson

    results = subject.checkpoint.results
    rows: dict[str, str] = {}
    accuracy, images = results.get("test_accuracy"), results.get("test_images")
    if accuracy is None:
        rows["test accuracy"] = "not measured"
    elif images and 0 <= accuracy <= 1 and images >= 1:
        low, high = wilson(round(accuracy * images), round(images))
        interval = f"{100 * low:.2f} to {100 * high:.2f} %"
        rows["test accuracy"] = f"{100 * accuracy:.2f} % of {images:,.0f} images (95 % interval {interval}, Wilson)"
    else:
        rows["test accuracy"] = f"{100 * accuracy:.2f} %; the number of test images is not known"
    for name, title in (
        ("val_accuracy", "validation accuracy of this training"),
        ("search_val_accuracy", "validation accuracy in the search"),
    ):
        if name in results:
            rows[title] = f"{100 * results[name]:.2f} %"
    known = {"test_accuracy", "test_images", "val_accuracy", "search_val_accuracy", "epoch"}
    rows |= {spoken(name).replace("_", " "): f"{value:.6g}" for name, value in results.items() if name not in known}
    return _rows(rows)


def _latencies(latencies: Sequence[Latency]) -> list[str]:
    if not latencies:
        return ["Not measured."]
    lines = ["| device | images a batch | median ms | quartiles ms | images/s | runs |", "|---|--:|--:|--:|--:|--:|"]
    for found in latencies:
        device = f"{found.conditions.device}, {found.conditions.threads} threads".replace("1 threads", "1 thread")
        device = device if found.conditions.device == "cpu" else found.conditions.device
        start = f"| {device} | {found.conditions.batch} |"
        if (timing := found.timing) is None:
            lines.append(f"{start} {found.why} | | | |")
            continue
        quartiles = f"{1e3 * timing.low:.3g} to {1e3 * timing.high:.3g}"
        rate = found.conditions.batch / timing.median
        lines.append(f"{start} {1e3 * timing.median:.3g} | {quartiles} | {rate:,.0f} | {timing.runs} |")
    machines = dict.fromkeys(f"{each.conditions.device}: {spoken(each.conditions.machine)}" for each in latencies)
    return [*lines, "", f"PyTorch, float32, channels last, without loading of images. {'; '.join(machines)}."]


def _data(subject: Subject) -> list[str]:
    if (found := subject.checkpoint) is None:
        return [f"None. The network was drawn for {subject.classes:,} classes."]
    names = [spoken(name).replace("|", "/") for name in found.classes]
    more = f" and {len(names) - SHOWN_CLASSES:,} more" if len(names) > SHOWN_CLASSES else ""
    options = {name: value for name, value in found.dataset.items() if name != "name" and value is not None}
    return _rows(
        {
            "dataset": spoken(str(found.dataset.get("name", NOT_STATED))),
            **{f"option {spoken(name)}": spoken(str(value)) for name, value in options.items()},
            "fingerprint": f"`{spoken(found.data_key)}`",
            "image": " × ".join(map(str, found.image)) + " (channels, height, width)",
            "classes": f"{len(names):,}: {', '.join(names[:SHOWN_CLASSES])}{more}",
            "mean of each channel": ", ".join(f"{value:.6g}" for value in found.mean),
            "deviation of each channel": ", ".join(f"{value:.6g}" for value in found.std),
        }
    )


def _training(subject: Subject) -> list[str]:
    if (found := subject.checkpoint) is None:
        return ["None."]
    return _rows({"seed": str(found.seed), **{name: str(value) for name, value in found.recipe.to_json().items()}})


def _use(subject: Subject, network: tuple[str, Path]) -> list[str]:
    """How to load this export, and those of the same name beside it in other formats."""
    lines = [f"It classifies images into {subject.classes:,} classes. It takes {subject.takes}.", ""]
    written, file = network
    for form in FORMATS:
        path = file if form == written else file.with_name(subject.name + suffix_of(form))
        if form == written or path.exists():
            lines += [f"{form}, `{path.name}`:", "", "```python", *loading.code(form, path.name, subject), "```", ""]
    return lines[:-1]


def _limits(subject: Subject) -> list[str]:
    if (found := subject.checkpoint) is None:
        return ["- Untrained: for measurements of cost and latency only."]
    lines = [
        f"- It gives one of the {subject.classes:,} classes above to every image, also to images of none of them.",
        "- Its accuracy is that on the dataset above. On other images, cameras or populations nothing was measured.",
        "- Scores were not calibrated: their softmax is no measured probability.",
    ]
    if "test_accuracy" not in found.results:
        lines.append("- It was not measured on a test split.")
    if "search_val_accuracy" in found.results:
        lines.append("- The search's validation accuracy picked this network among others: it is optimistic.")
    return lines


def _rows(values: Mapping[str, str]) -> list[str]:
    rows = (f"| {name} | {value.replace('|', '/')} |" for name, value in values.items())
    return ["| | |", "|---|---|", *rows]


def _drawn(subject: Subject) -> str:
    from nas.drawing import draw_network

    try:
        return draw_network(subject.architecture, subject.image, subject.classes, spoken(subject.title))
    except NasError:  # without Graphviz; the card says that there is no figure
        return ""


def _is_ours(path: Path, subject: Subject) -> bool:
    """Whether the file is a card of this network."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return MARK.format(key=subject.architecture.key) in file.read(4096)
    except OSError:
        return False
