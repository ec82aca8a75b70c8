"""`nas resume`: a stored study goes on, where it was or elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from nas.cli import app
from nas.cli.output import DEFAULT_STORAGE, JsonFlag, Storage
from nas.cli.run_study import run_study
from nas.cli.search import Quiet
from nas.cli.workers import (
    Cpus,
    EpochTimeout,
    Gpus,
    MaxConcurrent,
    NewExecutor,
    NewMaxFailures,
    RayAddress,
    TrialTimeout,
    executor_options,
    limits,
)


@app.command()
def resume(
    study: Annotated[str, typer.Argument(help="The study's name; see nas studies.")],
    budget: Annotated[int | None, typer.Option(help="A new total of children.", min=1)] = None,
    executor: NewExecutor = None,
    ray_address: RayAddress = None,
    cpus_per_trial: Cpus = None,
    gpus_per_trial: Gpus = None,
    max_concurrent: MaxConcurrent = None,
    epoch_timeout: EpochTimeout = None,
    trial_timeout: TrialTimeout = None,
    max_failures: NewMaxFailures = None,
    storage: Storage = DEFAULT_STORAGE,
    quiet: Quiet = False,
    as_json: JsonFlag = False,
) -> None:
    """Continue a study where it stopped; finished trials are never trained again.

    Where children run and how long they may take is as the study was begun with, but for what is given.
    """
    from nas import api
    from nas.store import open_store

    given = executor_options(executor or "ray", ray_address, cpus_per_trial, gpus_per_trial, max_concurrent)
    options = {**given, **limits(epoch_timeout, trial_timeout)}
    with open_store(storage, create=False) as store:
        run_study(
            study,
            store,
            storage,
            quiet,
            as_json,
            lambda seen: api.resume(
                study,
                store,
                budget=budget,
                executor=executor,
                executor_options=options,
                max_failures=max_failures,
                observer=seen,
            ),
        )
