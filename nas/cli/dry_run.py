"""`nas search --dry-run`: what a search would choose from, priced; nothing is trained."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from nas.cli.output import console, count, note, print_json, table

if TYPE_CHECKING:
    from nas.plan import Plan


def dry_run(plan: Plan, as_json: bool, sample: int = 1000) -> None:
    """Price random points and the baselines."""
    from searchspaces.summary import summarise

    if plan.spec.latency is not None:
        note("a dry run measures nothing: bounds on latency are left out")
    terms, rng = plan.terms, random.Random(plan.spec.seed)
    children = (terms.problem.drawn(plan.space.sample(rng)) for _ in range(sample))
    drafts = [(drawn.architecture, terms.draft(drawn, "child")) for drawn in children]
    fit = sorted((pair for pair in drafts if pair[1].state != "infeasible"), key=lambda pair: pair[1].flops or 0)
    quantiles = [("cheapest", 0.0), ("lower quarter", 0.25), ("median", 0.5), ("upper quarter", 0.75), ("dearest", 1.0)]
    picked = [(label, *fit[round(q * (len(fit) - 1))]) for label, q in quantiles] if fit else []
    known = [
        (name, network, terms.draft(terms.problem.draw(network), "baseline"))
        for name, network in terms.baselines.items()
    ]
    document = {
        "space": plan.space.name,
        "size": plan.space.size,
        "image": list(plan.spec.image),
        "classes": plan.spec.classes,
        "sample": sample,
        "within_constraints": len(fit),
        "quantiles": [
            {"quantile": label, "summary": summarise(a), "flops": new.flops, "params": new.params}
            for label, a, new in picked
        ],
        "baselines": [{"name": name, "flops": new.flops, "params": new.params} for name, _, new in known],
        "recipe": dict(plan.spec.recipe),
    }
    if as_json:
        print_json(document)
        return
    out = console()
    out.print(f"{plan.space!r}: {sample} random points, {len(fit)} within the constraints; nothing was trained\n")
    rows = [[label, count(new.flops), count(new.params), summarise(a)] for label, a, new in (*picked, *known)]
    out.print(table(["", "FLOPs", "params", "network"], rows, left=["", "network"]))
