"""Children on Ray Tune: worker processes that import torch and load the dataset once, then train child after child.

Tune runs the trials. Three small adaptors turn its questions into calls of the driver, all in the driver's process:
`_Search` asks for jobs, `_Judge` passes on results and stops children, `_Watch` reports starts and ends a run early.
What Tune would record and print (result files, snapshots, tables) is switched off: the driver keeps the record.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ray._private.worker
from ray import cloudpickle, tune
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import SearchAlgorithm

from nas.errors import ExecutorError
from nas.executors import Driver, Job
from nas.executors.children import Decode, Step, decode, reason, worker_death
from nas.executors.flight import Flight
from nas.executors.process import SETTINGS, environment, interruptible, new_directory, quiet
from nas.executors.resources import Share
from nas.executors.worker import WarmWorker

if TYPE_CHECKING:
    from nas.evaluators import Evaluator


class Worker(tune.Trainable):
    """A worker process as Tune sees it: one step is one epoch, a reset is the next child."""

    def setup(self, config: dict[str, Any], payload: bytes = b"") -> None:
        """Prepare the process."""
        self._warm = WarmWorker(payload, config["threads"], config["gpus"])
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next job."""
        self._warm.take(Job(**json.loads(new_config["job"])))
        self.config: dict[str, Any] = {}  # else Tune sends the job back with every result
        return True

    def step(self) -> dict[str, Any]:
        """Train one epoch; a child's failure is a result too, so that the process lives on."""
        step = self._warm.step()
        # A tuple is opaque to Tune, which would flatten a mapping and keep statistics of every number in it.
        return {"step": (step,), "done": step.last}

    def cleanup(self) -> None:
        """Let go of the child."""
        self._warm.rest()


class _Trial(Trial):
    """Knows its class and keeps its error and no state, for which Tune would ask the cluster and write files."""

    worker: type[Worker]
    error: Exception | None = None

    def get_trainable_cls(self) -> type[Worker]:
        return self.worker

    def handle_error(self, exc: Exception | None = None) -> None:
        self.error = exc
        self.run_metadata.num_failures += 1

    def get_json_state(self) -> tuple[str, str]:
        return "{}", "{}"  # for the snapshot at the end, which nobody reads


class _Hook:
    """An adaptor. Tune pickles its settings, adaptors included, into a file: the driver must not go along."""

    def __init__(self, flight: Flight) -> None:
        super().__init__()
        self.flight = flight

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Search(_Hook, SearchAlgorithm):
    """A trial for every job."""

    def __init__(self, flight: Flight, worker: type[Worker], share: Share) -> None:
        super().__init__(flight)
        self._worker = worker
        self._resources = tune.PlacementGroupFactory([share.bundle])
        self._config = {"threads": share.threads, "gpus": bool(share.gpus)}
        self._count = 0

    def add_configurations(self, experiments: Any) -> None:
        self._spec = experiments[0].spec

    def next_trial(self) -> Trial | None:
        job = self.flight.next()
        if job is None:
            return None
        self._count += 1
        trial = _Trial(
            self._spec["run"],
            trial_id=f"{self._count:06}",
            config={**self._config, "job": json.dumps(vars(job))},
            storage=self._spec["storage"],
            placement_group_factory=self._resources,
            stub=True,  # no look-up of the class, see _Trial
        )
        trial.worker = self._worker
        self.flight.add(trial.trial_id, job)
        return trial

    def is_finished(self) -> bool:
        return self.flight.done


class _Judge(_Hook, FIFOScheduler):
    """The driver's word on every epoch."""

    _mended = False

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        if not self._mended:
            self._mended = True
            _mend(tune_controller._tune_controller, trial.placement_group_factory, self.flight.slots)
        # Tune keeps every trial to the end, and goes through all of them whenever nothing runs.
        trials = tune_controller.get_trials()
        trials[:] = [each for each in trials if not each.is_finished()]

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        return None  # pending trials start in order anyway

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        goes_on = self.flight.step(trial.trial_id, result["step"][0])
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        self.flight.step(trial.trial_id, result["step"][0])  # the result that says it is the last comes only here
        trial.config.clear()  # Tune keeps the trial, but nobody needs its job any more

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self.flight.step(trial.trial_id, Step(failed=worker_death(str(trial.error)), last=True))


class _Watch(_Hook, tune.Callback):
    """Reports starts; ends the loop when the flight has ended early."""

    trials: Sequence[Trial] = ()

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self.trials = trials
        if self.flight.ended_by is not None:
            self.kill()  # Tune would give each worker ten seconds to end its epoch
            raise tune.TuneError  # so that Tune cleans up; `_fit` knows why

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        place: dict[str, Any] = {}
        with contextlib.suppress(RayError):  # a worker that has just died; its trial will fail in a moment
            place = trial.last_result  # before the first epoch: where the worker is
        self.flight.started(trial.trial_id, f"{place.get('hostname', '?')}:{place.get('pid', '?')}")

    def kill(self) -> None:
        for trial in self.trials:
            if trial.temporary_state.ray_actor is not None:
                ray.kill(trial.temporary_state.ray_actor)


def _mend(controller: Any, resources: Any, slots: int) -> None:
    """Two things that Tune has no setting for."""
    # An idle worker is kept only for a trial that waits already. Ours never wait: jobs are asked for one by one.
    controller._actor_cache.increase_max(resources, slots)
    # A worker killed by Ray's memory monitor is an error that Tune takes for a fault of its own, ending the run.
    manager = controller._actor_manager
    failed = manager._actor_task_failed

    def task_failed(tracked_actor_task: Any, exception: Exception) -> None:
        if not isinstance(exception, RayActorError | RayTaskError):
            exception = RayActorError(error_msg=str(exception))
        failed(tracked_actor_task, exception)

    manager._actor_task_failed = task_failed


class RayExecutor:
    """Runs children in Ray workers, on this machine or on a cluster."""

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        address: str | None = None,
        cpus_per_trial: float = 1,
        gpus_per_trial: float | None = None,
        max_concurrent: int | None = None,
        temp_dir: str | os.PathLike[str] | None = None,
        num_cpus: int | None = None,
        classes: Sequence[Any] = (),
        decode: Decode = decode,
    ) -> None:
        """Check the options; Ray starts when it is first needed. A bad option is an ExecutorError.

        address: a cluster (`host:port`, or "auto" on one of its machines). None starts Ray on this machine, with
        num_cpus of its cores (None: all) and a folder in temp_dir that is removed at the end. A Ray that this process
        has started before is used as it is. gpus_per_trial: 0 hides the GPUs; None is one where there are any and the
        evaluator trains on a `device`. classes: what a worker must unpickle (classes) or import (modules) first, such
        as blocks that are defined in a script.
        """
        if address is not None and address.startswith("ray://"):
            raise ExecutorError(f"cannot search through {address!r}: run on a machine of the cluster, with 'auto'")
        self._wish = Share(cpus_per_trial, gpus_per_trial, max_concurrent)
        self._ray: dict[str, Any] = {"address": address} if address else {"address": "local", "num_cpus": num_cpus}
        self._temp_dir = temp_dir
        self._shipped = (tuple(classes), decode, evaluator)
        self._started: tuple[int, Share, str] | None = None
        self._stop = weakref.finalize(self, lambda: None)

    @property
    def slots(self) -> int:
        """How many children run at once; Ray is started or joined to find out."""
        return self._start()[0]

    def run(self, driver: Driver) -> None:
        """Run children until the driver is done, then stop the Ray that was started for it."""
        slots, share, directory = self._start()
        flight = Flight(driver, slots)
        settings = {**SETTINGS, "TUNE_MAX_PENDING_TRIALS_PG": str(slots)}
        with quiet(ray._private.worker), environment(settings), interruptible(flight.interrupt):
            try:
                _fit(flight, self._shipped, share, directory)
            finally:
                self._started = None
                self._stop()
        if flight.ended_by is not None:
            raise flight.ended_by

    def _start(self) -> tuple[int, Share, str]:
        """Slots, the share of a child, and a folder for Tune."""
        if self._started is None:
            with contextlib.ExitStack() as stack, quiet(ray._private.worker):
                directory = new_directory(self._temp_dir)
                stack.callback(shutil.rmtree, directory, ignore_errors=True)
                if not ray.is_initialized():
                    interrupts: list[bool] = []
                    with interruptible(lambda: interrupts.append(True)):  # or half a Ray would stay behind
                        _init(self._ray, directory)
                    stack.callback(ray.shutdown)
                    if interrupts:
                        raise KeyboardInterrupt
                machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
                share = self._wish.on(machines, self._shipped[-1])
                self._started = share.slots(machines), share, directory
                self._stop = weakref.finalize(self, stack.pop_all().close)
        return self._started


def _fit(flight: Flight, shipped: tuple[Any, ...], share: Share, directory: str) -> None:
    try:
        payload = cloudpickle.dumps(shipped)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise ExecutorError(f"the evaluator cannot be sent to workers: {reason(error)}") from error
    worker = tune.with_parameters(Worker, payload=payload)
    watch = _Watch(flight)
    no_checkpoints = tune.CheckpointConfig(checkpoint_at_end=False)  # else every child is asked for one
    tuner = tune.Tuner(
        worker,
        tune_config=tune.TuneConfig(
            search_alg=_Search(flight, worker, share), scheduler=_Judge(flight), reuse_actors=True
        ),
        run_config=tune.RunConfig(
            name="children", storage_path=directory, verbose=0, callbacks=[watch], checkpoint_config=no_checkpoints
        ),
    )
    try:
        tuner.fit()
    except Exception as error:
        if flight.ended_by is None:
            raise ExecutorError(f"Ray Tune broke off: {reason(error)}") from error
    finally:
        watch.kill()


def _init(options: dict[str, Any], directory: str) -> None:
    """Join the cluster, or start Ray here with the driver's modules importable in the workers."""
    if options["address"] == "local":
        options = {**options, "include_dashboard": False, "_temp_dir": directory}
    try:
        with environment({**SETTINGS, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}):
            ray.init(**options, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError) as error:
        # By address Ray joins without a token, although it starts with one.
        hint = "; it wants a token: set RAY_AUTH_MODE=token" if "InvalidAuthToken" in str(error.__cause__) else ""
        raise ExecutorError(f"no Ray at {options['address']!r}: {reason(error)}{hint}") from error
