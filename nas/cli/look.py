"""`nas studies`, `nas show` and `nas pareto`: what is in the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from nas.cli import app
from nas.cli.output import (
    DEFAULT_STORAGE,
    JsonFlag,
    Storage,
    console,
    count,
    percent,
    print_json,
    seconds,
    table,
    value,
)
from nas.cli.published import By, Published, Weights, print_published
from nas.objectives import LATENCY


@app.command()
def studies(storage: Storage = DEFAULT_STORAGE, as_json: JsonFlag = False) -> None:
    """List the studies in the database."""
    from nas.results import study_json
    from nas.spec import data_name
    from nas.store import open_store

    with open_store(storage, create=False) as store:
        running = store.running()
        documents = [{**study_json(record), "running": record.id in running} for record in store.studies()]
    if as_json:
        print_json(documents)
        return
    rows = []
    for d in documents:
        counts, spec = d["counts"], d["spec"]
        rest = ", ".join(f"{n} {s}" for s, n in counts.items() if n and s != "complete")
        rows.append(
            [
                d["name"],
                spec["space"],
                data_name(spec),
                spec["controller"],
                str(spec["budget"]),
                str(counts["complete"]),
                rest or "-",
                percent(d["best_accuracy"]),
                "finished" if d["finished"] else "running" if d["running"] else "open",
            ]
        )
    columns = ["study", "space", "data", "controller", "budget", "complete", "other trials", "best", "state"]
    console().print(table(columns, rows, left=["study", "space", "data", "controller", "other trials", "state"]))


@app.command()
def show(
    target: Annotated[str, typer.Argument(help="A study, or one trial of it.", metavar="STUDY|STUDY:TRIAL")],
    storage: Storage = DEFAULT_STORAGE,
    as_json: JsonFlag = False,
) -> None:
    """Show a study's front and trials, or one trial with its learning curve."""
    from nas.api import open_study

    name, colon, number = target.rpartition(":")
    if colon and number.isdecimal():
        _show_trial(open_study(name, storage), int(number), as_json)
        return
    document = open_study(target, storage).to_json()
    if as_json:
        print_json(document)
        return
    print_front(document)
    rows = [
        [str(t["trial"]), t["name"] or t["summary"], t["state"], _accuracy(t), count(t["flops"]), t["reason"] or ""]
        for t in document["trials"]
    ]
    columns = ["trial", "network", "state", "accuracy", "FLOPs", "reason"]
    out = console()
    out.print()
    out.print(table(columns, rows, title="All trials", left=["network", "state", "reason"]))


@app.command()
def pareto(
    study: Annotated[str | None, typer.Argument(help="The study's name.", metavar="STUDY")] = None,
    published: Published = False,
    by: By = None,
    weights: Weights = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: JsonFlag = False,
) -> None:
    """Print the front of a study, and which baselines it dominates; or the front of published networks."""
    from nas.api import open_study

    if published == (study is not None):
        raise typer.BadParameter("give a study, or --published", param_hint="STUDY")
    if not published and (by or weights):
        raise typer.BadParameter("only with --published", param_hint="--by" if by else "--weights")
    if study is None:
        print_published(by or "flops", weights or "v1", as_json)
        return
    document = open_study(study, storage).front_json()
    if as_json:
        print_json({"study": document["study"]["name"], "front": document["front"], "baselines": document["baselines"]})
    else:
        print_front(document)


def print_front(document: Mapping[str, Any]) -> None:
    """The front of a study as a table, and its baselines in words."""
    out = console()
    objectives = document["study"]["spec"]["objectives"]
    names = [text.split(":")[0] for text in objectives]
    extra = [name for name in ("flops", "params") if name not in names]
    rows = [
        [
            str(trial["trial"]),
            f"{trial['name']} (baseline)" if trial["name"] else trial["summary"],
            *(_value(text, trial["values"]) for text in objectives),
            *(count(trial[name]) for name in extra),
        ]
        for trial in document["front"]
    ]
    titles = {"accuracy": "accuracy", "flops": "FLOPs"}
    columns = ["trial", "network", *(titles.get(name, name) for name in (*names, *extra))]
    if not rows:
        out.print(f"{document['study']['name']}: no complete trial yet")
        return
    heading = f"{document['study']['name']}: front of {len(rows)}"
    out.print(table(columns, rows, title=heading, left=["network"]))
    complete = {t["name"]: t for t in document["trials"] if t["kind"] == "baseline" and t["state"] == "complete"}
    lines = [
        [
            baseline["name"],
            *(_value(text, complete[baseline["name"]]["values"]) for text in objectives),
            _verdict(baseline["dominated_by"], [trial["trial"] for trial in document["front"]]),
        ]
        for baseline in document["baselines"]
    ]
    if lines:
        out.print()
        columns = ["baseline", *(titles.get(name, name) for name in names), "against the children"]
        out.print(table(columns, lines, left=["baseline", "against the children"]))


def _value(objective: str, values: Mapping[str, float]) -> str:
    """An objective's value; a latency without a direction was measured by nas, and is in seconds."""
    if objective == LATENCY:
        return seconds(values[objective])
    name = objective.split(":")[0]
    return value(name, values[name])


def _verdict(dominated_by: list[int], front: list[int]) -> str:
    """In words, naming those of the front first."""
    if not dominated_by:
        return "not dominated"
    ordered = [number for number in front if number in dominated_by]
    ordered += [number for number in dominated_by if number not in front]
    more = f" and {len(ordered) - 3} more" if len(ordered) > 3 else ""
    return f"dominated by trial {', '.join(map(str, ordered[:3]))}{more}"


def _accuracy(trial: Mapping[str, Any]) -> str:
    return percent((trial["metrics"] or {}).get("val_accuracy"))


def _show_trial(study: Any, number: int, as_json: bool) -> None:
    from nas.results import trial_json
    from searchspaces.summary import summarise

    trial = study.store.trial(study.name, number)
    architecture = study.architecture(number)
    epochs = study.store.epochs(trial.id)
    document = trial_json(trial, study.objectives, summarise(architecture))
    document["study"] = study.name
    document["curve"] = [dict(epoch.metrics) for epoch in epochs]
    document["recipe"] = study.store.recipe(trial.recipe_key)
    document["seed"] = trial.seed
    document["architecture"] = architecture.to_json()
    if as_json:
        print_json(document)
        return
    out = console()
    out.print(
        f"{study.name}:{number} {trial.name or trial.kind}, {trial.state}{': ' + trial.reason if trial.reason else ''}"
    )
    if trial.failures:
        out.print(f"further tries, after its worker died or hung: {trial.failures}")
    out.print(document["summary"])
    out.print(f"{count(trial.params)} parameters, {count(trial.flops)} FLOPs, accuracy {percent(trial.val_accuracy)}")
    names = [
        name
        for name in ("epoch", "train_loss", "val_loss", "val_accuracy", "seconds")
        if epochs and name in epochs[0].metrics
    ]
    rows = [[f"{epoch.metrics[name]:.4g}" for name in names] for epoch in epochs]
    if rows:
        out.print(table(names, rows))
    if trial.traceback:
        out.print(trial.traceback, markup=False)
    out.print(f"layers: nas describe {study.name}:{number}")
