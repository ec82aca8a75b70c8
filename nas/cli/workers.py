"""Options of the commands that train: where children run, what they take of a machine, and how long they may take."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import typer

_EXECUTOR = typer.Option(help="ray (parallel workers) or inline (this process, one child after the other).")
Executor = Annotated[str, _EXECUTOR]
NewExecutor = Annotated[str | None, _EXECUTOR]
RayAddress = Annotated[str | None, typer.Option(help="A running Ray cluster; default: a local one for this search.")]
Cpus = Annotated[float | None, typer.Option(help="CPU cores a child, with ray.", min=0.1)]
Gpus = Annotated[
    str | None,
    typer.Option(
        help="GPUs a child, with ray: a number, a fraction, or auto (as many children a GPU as are predicted to fit).",
        metavar="NUMBER|auto",
    ),
]
MaxConcurrent = Annotated[int | None, typer.Option(help="At most so many children at once, with ray.", min=1)]
EpochTimeout = Annotated[
    float | None, typer.Option("--epoch-timeout", help="An epoch that takes longer has hung.", metavar="SECONDS")
]
TrialTimeout = Annotated[
    float | None, typer.Option("--trial-timeout", help="A child that takes longer has failed.", metavar="SECONDS")
]
_MAX_FAILURES = typer.Option(help="Further tries of a child whose worker died or hung; other errors get none.", min=0)
MaxFailures = Annotated[int, _MAX_FAILURES]
NewMaxFailures = Annotated[int | None, _MAX_FAILURES]


def executor_options(
    executor: str, address: str | None, cpus: float | None, gpus: str | None, concurrent: int | None
) -> dict[str, Any]:
    """What is given of the options for Ray; wrong usage where the executor is another."""
    given: dict[str, Any] = {"address": address, "cpus_per_trial": cpus, "max_concurrent": concurrent}
    given["gpus_per_trial"] = gpus if gpus in (None, "auto") else _number(gpus)
    options = {key: value for key, value in given.items() if value is not None}
    if options and executor != "ray":
        raise typer.BadParameter(f"--executor {executor} takes no Ray options ({', '.join(options)})")
    return options


def _number(gpus: str) -> float:
    with suppress(ValueError):
        if (number := float(gpus)) >= 0:
            return number
    raise typer.BadParameter(f"{gpus} is no number greater than or equal to 0, nor auto", param_hint="--gpus-per-trial")


def limits(epoch: float | None, trial: float | None) -> dict[str, Any]:
    """What is given of the options that every executor takes."""
    given = {"epoch_timeout": epoch, "trial_timeout": trial}
    return {key: value for key, value in given.items() if value is not None}
