"""Children on Ray Tune: worker processes that import torch and load the dataset once, then train child after child.

Tune runs the trials; `nas.executors.tune_hooks` turns its questions into calls of the driver.
What Tune would record and print (result files, snapshots, tables) is switched off: the driver keeps the record.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import ray._private.worker
from ray import cloudpickle, tune
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.core.generated import gcs_pb2
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nas.errors import ExecutorError
from nas.executors import Driver, Terminated
from nas.executors.children import Decode, decode
from nas.executors.flight import Flight
from nas.executors.head import Head, patience, reach, unhurried
from nas.executors.limits import Limits
from nas.executors.process import SETTINGS, environment, interruptible, new_directory, quiet
from nas.executors.reasons import reason
from nas.executors.resources import Share
from nas.executors.shipping import pack
from nas.executors.tune_hooks import Judge, Search, Watch, Worker

if TYPE_CHECKING:
    from nas.evaluators import Evaluator


class RayExecutor:
    """Runs children in Ray workers, on this machine or on a cluster."""

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        address: str | None = None,
        cpus_per_trial: float = 1,
        gpus_per_trial: float | Literal["auto"] | None = None,
        max_concurrent: int | None = None,
        temp_dir: str | os.PathLike[str] | None = None,
        num_cpus: int | None = None,
        epoch_timeout: float | None = None,
        trial_timeout: float | None = None,
        share_of: Callable[[int], float] | None = None,
        classes: Sequence[Any] = (),
        decode: Decode = decode,
    ) -> None:
        """Check the options; Ray starts when it is first needed. A bad option is an ExecutorError.

        address: a cluster (`host:port`, or "auto" on one of its machines). None starts Ray on this machine, with
        num_cpus of its cores (None: all) and a folder in temp_dir that is removed at the end. A Ray that this process
        has started before is used as it is. gpus_per_trial: 0 hides the GPUs; None is one where there are any and the
        evaluator trains on a `device`; "auto" then asks share_of (bytes of a GPU -> share of it). epoch_timeout,
        trial_timeout: seconds that an epoch and a try of a child may take (the first epoch of a worker loads the data
        set, too); None is for ever. classes: what a worker must unpickle (classes) or import (modules) first, such as
        blocks that are defined in a script.
        """
        if address is not None and address.startswith("ray://"):
            raise ExecutorError(f"cannot search through {address!r}: run on a machine of the cluster, with 'auto'")
        self._share_of = share_of if gpus_per_trial == "auto" else None
        gpus = None if gpus_per_trial == "auto" else gpus_per_trial
        self._wish = Share(cpus_per_trial, gpus, max_concurrent)
        self._ray: dict[str, Any] = {"address": address} if address else {"address": "local", "num_cpus": num_cpus}
        self._limits = Limits(epoch_timeout, trial_timeout)
        self._temp_dir = temp_dir
        self._shipped = (tuple(classes), decode, evaluator)
        self._started: tuple[int, Share, str] | None = None
        self._stop = weakref.finalize(self, lambda: None)

    @property
    def slots(self) -> int:
        """How many children run at once; Ray is started or joined to find out."""
        return self._start()[0]

    @property
    def share(self) -> Share:
        """Cores and GPUs of a child; Ray is started or joined to find out."""
        return self._start()[1]

    def run(self, driver: Driver) -> None:
        """Run children until the driver is done, then stop the Ray that was started for it."""
        slots, share, directory = self._start()
        flight = Flight(driver, slots, self._limits)
        head = _head()
        settings = {**SETTINGS, "TUNE_MAX_PENDING_TRIALS_PG": str(slots)}
        with quiet(ray._private.worker), environment(settings), interruptible(flight.interrupt) as leaving:
            try:
                payload = pack(cloudpickle.dumps, self._shipped, abroad=self._ray["address"] != "local")
                with head:
                    _fit(flight, head, payload, share, self._limits, directory)
            except SystemExit:
                if isinstance(flight.interrupted_by, Terminated):
                    raise flight.interrupted_by from None  # for Ray makes another of what is raised in its calls
                raise
            finally:
                self._started = None
                leaving()  # for Ray, as it is left, puts the system's handler of SIGTERM in the place of ours
                self._stop()
        flight.over()

    def _start(self) -> tuple[int, Share, str]:
        """Slots, the share of a child, and a folder for Tune."""
        if self._started is None:
            with contextlib.ExitStack() as stack, quiet(ray._private.worker):
                directory = new_directory(self._temp_dir)
                stack.callback(shutil.rmtree, directory, ignore_errors=True)
                if not ray.is_initialized():
                    interrupts: list[BaseException] = []
                    with interruptible(interrupts.append, tell=False):  # or half a Ray would stay behind
                        _init(self._ray, directory)
                    stack.callback(ray.shutdown)
                    if interrupts:
                        raise interrupts[-1]
                machines = _machines()
                share = self._wish.on(machines, self._shipped[-1])
                if share.gpus and self._share_of is not None:
                    share = replace(share, gpus=self._share_of(_gpu_memory()))
                self._started = share.slots(machines), share, directory
                self._stop = weakref.finalize(self, stack.pop_all().close)
        return self._started


def _machines() -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def _head() -> Head:
    """The head of the cluster that was joined or started."""
    address = ray.get_runtime_context().gcs_address
    # One of its own: those that `ray.init` makes have read how long they may wait before it was told to them.
    client = GcsClient(address=address)
    alive = gcs_pb2.GcsNodeInfo.GcsNodeState.ALIVE  # type: ignore[attr-defined]

    def ask(seconds: float) -> list[dict[str, float]]:
        nodes = client.get_all_node_info(timeout=seconds, state_filter=alive)  # `ray.nodes` would wait for ever
        return [dict(node.resources_total) for node in nodes.values()]

    return Head(ask, address, patience())


def _gpu_memory() -> int:
    """Free bytes of the smallest GPU of all machines, asked for where it is."""

    def free() -> int:
        import torch

        return min(torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count()))

    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]  # type: ignore[no-untyped-call]
    ask = ray.remote(num_gpus=0.001, max_calls=1)(free)  # the process ends, and its memory is the children's
    places = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes]
    try:
        return min(ray.get([ask.options(scheduling_strategy=place).remote() for place in places]))
    except RayError as error:
        raise ExecutorError(f"the memory of the GPUs cannot be found out: {reason(error)}; give a number") from error


def _fit(flight: Flight, head: Head, payload: bytes, share: Share, limits: Limits, directory: str) -> None:
    worker = tune.with_parameters(Worker, payload=payload)
    watch = Watch(flight, head)
    no_checkpoints = tune.CheckpointConfig(checkpoint_at_end=False)  # else every child is asked for one
    tuner = tune.Tuner(
        worker,
        tune_config=tune.TuneConfig(
            search_alg=Search(flight, head, worker, share, limits), scheduler=Judge(flight, head), reuse_actors=True
        ),
        run_config=tune.RunConfig(
            name="children", storage_path=directory, verbose=0, callbacks=[watch], checkpoint_config=no_checkpoints
        ),
    )
    try:
        tuner.fit()
    except Exception as error:
        if flight.ended_by is None and not head.settled():
            flight.lose(head.loss or error)
        if flight.ended_by is None:
            raise ExecutorError(f"Ray Tune broke off: {reason(error)}") from error
    finally:
        watch.kill()


def _init(options: dict[str, Any], directory: str) -> None:
    """Join the cluster, or start Ray here with the driver's modules importable in the workers."""
    if options["address"] == "local":
        options = {**options, "include_dashboard": False, "_temp_dir": directory}
    else:
        reach(options["address"])
    try:
        joining = unhurried() if options["address"] != "local" else {}  # not for the processes that would be started
        with environment({**SETTINGS, **joining, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}):
            ray.init(**options, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError) as error:
        # By address Ray joins without a token, although it starts with one.
        hint = "; it wants a token: set RAY_AUTH_MODE=token" if "InvalidAuthToken" in str(error.__cause__) else ""
        raise ExecutorError(f"no Ray at {options['address']!r}: {reason(error)}{hint}") from error
