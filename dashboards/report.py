"""`nas report`: the front of one study as one HTML file that opens without a server."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from dashboards.app import plotly_gz
from dashboards.archive import Archive
from dashboards.files import STATIC
from dashboards.filters import Filter
from dashboards.packing import unpack
from dashboards.points import points
from dashboards.selection import select
from dashboards.studies import StudyView
from dashboards.trial_rows import documents
from nas import pareto
from nas.errors import NasError
from nas.objectives import EXACT

DRAWN = 4000  # points; more are thinned as /api/points does
TITLES = {"accuracy": "accuracy (%)", "flops": "FLOPs", "params": "parameters", "memory": "memory (bytes)"}


def write_report(url: str, name: str, path: Path) -> int:
    """Write the report of a study; the number of networks on its front.

    Raises `NotThere` for an unknown study, `StoreError` for a database, `NasError` for a file that cannot be.
    """
    archive = Archive(url)
    try:
        _ = archive.store  # says that there is no database, before that there is no study
        text, count = report(archive, name)
    finally:
        archive.close()
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NasError(f"cannot write {str(path)!r}: {error.strerror}; choose another file with -o") from None
    return count


def report(archive: Archive, name: str) -> tuple[str, int]:
    """The HTML document of a study, and how many networks are on its front."""
    study = archive.study(name)
    x, y = axes_of(study)
    answer = points(archive, Filter(studies=(name,)), x, y, DRAWN)
    front = answer["fronts"][0]["rows"]
    summaries = documents(archive, study, [row["number"] for row in front])
    best = max(front, key=lambda row: float(row["y"]), default=None)
    said = f"{answer['total']:,} complete trials, {len(front)} of them on the front of {y} against {x}"
    if best is not None and y == "accuracy":
        said += f"; the best accuracy is {_percent(best['y'])}"
    baselines = _baselines(archive, name, x, y)
    rows = [
        (
            str(row["number"]),
            (f"{row['name']} (baseline)" if row["name"] else summaries[row["number"]]["summary"]),
            *(_figure(name, row[key]) for key, name in (("y", y), ("x", x))),
            *([_figure("params", row["params"])] if "params" not in (x, y) else []),
        )
        for row in front
    ]
    extra = ["parameters"] if "params" not in (x, y) else []
    html = Template((STATIC / "report.html").read_text(encoding="utf-8")).substitute(
        title=escape(study.name),
        lead=escape(f"{study.spec.get('space')} on {study.dataset}, by {study.spec.get('controller')}"),
        summary=escape(f"{said}."),
        front=table(("trial", "network", TITLES.get(y, y), TITLES.get(x, x), *extra), rows, text=("network",)),
        hide_baselines="" if baselines else " hidden",
        baselines=table(
            ("baseline", TITLES.get(y, y), TITLES.get(x, x), "dominated by"),
            [
                (
                    row["name"],
                    _figure(y, row["y"]),
                    _figure(x, row["x"]),
                    _dominated_by(row, front, [answer["maximise"]["y"], answer["maximise"]["x"]]),
                )
                for row in baselines
            ],
            text=("baseline", "dominated by"),
        ),
        facts=table(("what", "value"), _facts(study), text=("what", "value")),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=(STATIC / "report.css").read_text(encoding="utf-8"),
        plotly=_script(gzip.decompress(plotly_gz()[0]).decode()),
        data=_data(answer, front, baselines, x, y),
        script=_script((STATIC / "report.js").read_text(encoding="utf-8")),
    )
    return html, len(front)


def axes_of(study: StudyView) -> tuple[str, str]:
    """What spans the front, as (x, y): the study's first cost and first maximised objective, else FLOPs, accuracy."""
    names = [objective.name for objective in study.objectives]
    y = next((objective.name for objective in study.objectives if objective.maximise), "accuracy")
    x = next((name for name in names if name in EXACT), None)
    x = x or next((objective.name for objective in study.objectives if not objective.maximise), "flops")
    return x, y


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], text: Sequence[str]) -> str:
    """An HTML table of escaped cells; the columns named in `text` to the left."""
    mark = [' class="text"' if column in text else "" for column in columns]
    head = "".join(f'<th scope="col"{kind}>{escape(column)}</th>' for kind, column in zip(mark, columns, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{escape(str(cell))}</td>' for kind, cell in zip(mark, row, strict=True))}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _baselines(archive: Archive, name: str, x: str, y: str) -> list[dict[str, Any]]:
    """The complete baselines with exact values; the points' columns hold floats of 32 bits."""
    (rows,) = select(archive, Filter(studies=(name,), kind="baseline"))
    numbers = rows.trials["number"].tolist()
    values = zip(numbers, rows.quantity(x).tolist(), rows.quantity(y).tolist(), strict=True)
    return [
        {"number": number, "kind": "baseline", "name": rows.columns.names.get(number), "x": across, "y": up}
        for number, across, up in values
        if math.isfinite(across) and math.isfinite(up)
    ]


def _dominated_by(baseline: dict[str, Any], front: list[dict[str, Any]], maximise: list[bool]) -> str:
    """The trials of the front that are better, in words."""
    own = baseline["y"], baseline["x"]
    better = [
        str(row["name"] or f"trial {row['number']}")
        for row in front
        if pareto.dominates((row["y"], row["x"]), own, maximise)
    ]
    return ", ".join(better) or "none"


def _rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    columns = {name: unpack(packed).tolist() for name, packed in answer["columns"].items()}
    return [
        {
            "number": columns["number"][row],
            "kind": ("child", "baseline")[columns["kind"][row]],
            "name": answer["names"].get(str(row)),
            "x": columns["x"][row],
            "y": columns["y"][row],
            "front": bool(columns["front"][row]),
        }
        for row in range(answer["shown"])
    ]


def _data(answer: dict[str, Any], front: Any, baselines: Any, x: str, y: str) -> str:
    document = {
        "x": x,
        "y": y,
        "x_title": TITLES.get(x, x),
        "y_title": TITLES.get(y, y),
        "log": x in EXACT,
        "front": front,
        "baselines": baselines,
        "rest": [row for row in _rows(answer) if row["kind"] == "child" and not row["front"]],
    }
    # In a script only "<" could end it, whatever a study or a network is called.
    return json.dumps(document, allow_nan=False).replace("<", "\\u003c")


def _script(text: str) -> str:
    """A script that can stand in a page: nothing in it ends it."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _facts(study: StudyView) -> list[tuple[str, str]]:
    record, spec = study.record, study.spec
    counts = ", ".join(f"{count} {state}" for state, count in record.counts.items() if count)
    return [
        ("space", str(spec.get("space"))),
        ("data", study.dataset),
        ("controller", str(spec.get("controller"))),
        ("objectives", ", ".join(map(str, study.objectives)) or "-"),
        ("constraints", ", ".join(study.constraints) or "-"),
        ("budget", str(spec.get("budget"))),
        ("scheduler", study.scheduler),
        ("seed", str(spec.get("seed"))),
        ("trials", counts or "none"),
        ("created", f"{record.created_at:%Y-%m-%d %H:%M} UTC"),
        ("finished", f"{record.finished_at:%Y-%m-%d %H:%M} UTC" if record.finished_at else "not yet"),
    ]


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name == "accuracy":
        return _percent(value)
    return f"{round(value):,}" if name in EXACT else f"{value:.4g}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"
