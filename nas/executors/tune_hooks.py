"""How Ray Tune is made to run the driver's children: the worker as Tune sees it, and the adaptors of Tune's loop.

Three small adaptors turn Tune's questions into calls of the driver, all in the driver's process: `Search` asks for
jobs, `Judge` passes on results and stops children, `Watch` reports starts, ends a run early, and kills workers that
take too long.
"""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ray._private.worker
from ray import tune
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import SearchAlgorithm

from nas.executors import Failure, Job
from nas.executors.children import Step
from nas.executors.flight import Flight
from nas.executors.head import Head
from nas.executors.limits import Limits
from nas.executors.reasons import end_of, worker_death
from nas.executors.resources import Room, Share
from nas.executors.worker import WarmWorker


class Worker(tune.Trainable):
    """A worker process as Tune sees it: one step is one epoch, a reset is the next child."""

    def setup(self, config: dict[str, Any], payload: bytes = b"") -> None:
        """Prepare the process."""
        self._warm = WarmWorker(payload, config["threads"], config["gpus"], Limits(**config["limits"]))
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next job."""
        self._warm.take(Job(**json.loads(new_config["job"])))
        self.config: dict[str, Any] = {}  # else Tune sends the job back with every result
        return True

    def step(self) -> dict[str, Any]:
        """Train one epoch; a child's failure is a result too, so that the process lives on, unless that is spoilt."""
        step = self._warm.step()
        if step.spoilt:
            raise Spoilt(step)
        # A tuple is opaque to Tune, which would flatten a mapping and keep statistics of every number in it.
        return {"step": (step,), "done": step.last}

    def cleanup(self) -> None:
        """Let go of the child."""
        self._warm.rest()


class Spoilt(Exception):
    """What a child broke, and its process with it; carries the step."""


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

    def __init__(self, flight: Flight, head: Head) -> None:
        super().__init__()
        self.flight = flight
        self.head = head

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def look(self) -> None:
        """Do what has waited for the head of Ray; end the flight if that is lost."""
        self.head.look()
        if (loss := self.head.loss) is not None:
            self.flight.lose(loss)


class Search(_Hook, SearchAlgorithm):
    """A trial for every job."""

    def __init__(self, flight: Flight, head: Head, worker: type[Worker], share: Share, limits: Limits) -> None:
        super().__init__(flight, head)
        self._worker = worker
        self._room = Room(share, flight.slots, lambda: head.machines)
        self._resources = tune.PlacementGroupFactory([share.bundle])
        self._config = {"threads": share.threads, "gpus": bool(share.gpus), "limits": vars(limits)}
        self._count = 0

    def add_configurations(self, experiments: Any) -> None:
        """Remember what Tune makes its trials of."""
        self._spec = experiments[0].spec

    def next_trial(self) -> Trial | None:
        """The driver's next job, or None."""
        self.look()  # with nothing in flight Tune asks here and nowhere else
        if not self.head.answers:
            return None  # a place for a child is the head's to give, and Tune would wait for it
        self.flight.slots = self._room.slots
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
        """Whether no job will come any more."""
        return self.flight.done


class Judge(_Hook, FIFOScheduler):
    """The driver's word on every epoch."""

    _kept = 0  # how many idle workers Tune may keep

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Mend Tune once it exists, and let it forget what has ended."""
        if self.flight.slots > self._kept:
            resources = trial.placement_group_factory
            _mend(tune_controller._tune_controller, resources, self.flight.slots, self.head, self._kept)
            self._kept = self.flight.slots
        # Tune keeps every trial to the end, and goes through all of them whenever nothing runs.
        trials = tune_controller.get_trials()
        trials[:] = [each for each in trials if not each.is_finished()]

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """None: pending trials start in order anyway."""
        return None

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Pass an epoch on; whether the child goes on."""
        goes_on = self.flight.step(trial.trial_id, result["step"][0])
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Pass the last epoch on: the result that says it is the last comes only here."""
        self.flight.step(trial.trial_id, result["step"][0])
        trial.config.clear()  # Tune keeps the trial, but nobody needs its job any more

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Say why the worker is lost, and see to it that it is."""
        key = trial.trial_id
        cause = getattr(trial.error, "cause", None)
        if trial.temporary_state.ray_actor is not None:
            ray.kill(trial.temporary_state.ray_actor)  # else Tune waits for its last word, for minutes if it hangs
        if isinstance(cause, Spoilt):
            self.flight.step(key, cause.args[0])
            return
        text = str(trial.error)
        death = Failure(worker_death(text), _last_words(self.flight.worker(key)) or end_of(text), again=True)
        # If the head is gone, the worker may have gone with it: no fault of the child.
        self.head.before(lambda: self._died(key, death))

    def _died(self, key: str, death: Failure) -> None:
        self.flight.step(key, Step(failed=self.flight.fate(key) or death, last=True))


class Watch(_Hook, tune.Callback):
    """Reports starts; ends the loop when the flight has ended early; kills workers that take too long."""

    trials: Sequence[Trial] = ()

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Look at the clock: Tune's loop comes by every tenth of a second, or oftener."""
        self.trials = trials
        self.look()
        if self.flight.ended_by is not None:
            self.kill()  # Tune would give each worker ten seconds to end its epoch
            raise tune.TuneError  # so that Tune cleans up; `_fit` knows why
        actors = {trial.trial_id: actor for trial in trials if (actor := trial.temporary_state.ray_actor) is not None}
        for key in self.flight.overdue(actors):
            ray.kill(actors[key])

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Say where the child runs."""
        place: dict[str, Any] = {}
        with contextlib.suppress(RayError):  # a worker that has just died; its trial will fail in a moment
            place = trial.last_result  # before the first epoch: where the worker is
        self.flight.started(trial.trial_id, f"{place.get('hostname', '?')}:{place.get('pid', '?')}")

    def kill(self) -> None:
        """Kill all workers; without a head, which would do it, let them end after their epoch."""
        for trial in self.trials:
            actor = trial.temporary_state.ray_actor
            if actor is not None and self.head.loss is None:
                ray.kill(actor)
            elif actor is not None:
                actor.__ray_terminate__.remote()


def _mend(controller: Any, resources: Any, slots: int, head: Head, before: int = 0) -> None:
    """Three things that Tune has no setting for; the first again when machines have joined and there are more slots."""
    # An idle worker is kept only for a trial that waits already. Ours never wait: jobs are asked for one by one.
    controller._actor_cache.increase_max(resources, slots - before)
    if before:
        return
    # A worker killed by Ray's memory monitor is an error that Tune takes for a fault of its own, ending the run.
    manager = controller._actor_manager
    failed = manager._actor_task_failed

    def task_failed(tracked_actor_task: Any, exception: Exception) -> None:
        if not isinstance(exception, RayActorError | RayTaskError):
            exception = RayActorError(error_msg=str(exception))
        failed(tracked_actor_task, exception)

    manager._actor_task_failed = task_failed
    # To give a place back waits for the head, a minute for each place if it is gone.
    places = manager._resource_manager
    for name in ("free_resources", "clear"):
        setattr(places, name, _later(head, getattr(places, name)))


def _later(head: Head, function: Callable[..., None]) -> Callable[..., None]:
    def deferred(*arguments: Any, **named: Any) -> None:
        head.before(lambda: function(*arguments, **named))

    return deferred


def _last_words(worker: str) -> str:
    """What a worker on this machine wrote about the fault that ended it, with the Python code it was in; or nothing."""
    host, _, pid = worker.rpartition(":")
    node: Any = ray._private.worker._global_node
    if host != platform.node() or node is None:
        return ""
    for path in Path(node.get_logs_dir_path()).glob(f"worker-*-{pid}.err"):
        with contextlib.suppress(OSError):
            _, found, words = path.read_text(encoding="utf-8", errors="replace").rpartition("Fatal Python error")
            if found:
                return end_of(found + words.strip())
    return ""
