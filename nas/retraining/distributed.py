"""One training on several processes, through Ray Train: gloo between CPUs, NCCL between GPUs.

Ray Train starts the processes and connects them; what each of them then does is `nas.retraining.run`, as a member of
a team. The driver reads the epochs from the folder of the run, which it shares with the first worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ray
import ray._private.worker
from ray import train
from ray.exceptions import RayError
from ray.train.torch import TorchConfig, TorchTrainer

from nas.errors import ExecutorError, NasError, RetrainingError, TrainingError
from nas.executors.process import SETTINGS, environment, new_directory, quiet
from nas.retraining.tasks import Job

Report = Callable[[Mapping[str, float]], None]
Run = Callable[[Job, Report], None]

LOOK_EVERY = 0.2  # seconds between two looks for a new epoch
START_SECONDS = "300"  # that the processes may take to start, on a busy machine


def check(workers: int, device: str, sync_bn: bool) -> None:
    """Raise one clear line where so many workers cannot train here: `ExecutorError`, `RetrainingError`."""
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not _on_gpus(device):
        if sync_bn:
            raise RetrainingError("sync_bn: PyTorch has synchronised batch normalisation on GPUs only; leave it out")
        return
    if workers > gpus:
        raise ExecutorError(
            f"{workers} workers on GPUs want one each, and PyTorch sees {gpus}; give fewer, or --device cpu"
        )


@contextlib.contextmanager
def on_workers(workers: int, device: str, threads: int | None) -> Iterator[Run]:
    """Ray, up from the first job in here on; gives what trains a job on so many processes of this machine.

    Each computes with so many threads. What trains raises as `nas.retraining.run.run` did in a worker, or
    `ExecutorError` for what went wrong with the workers.
    """
    settings = {**SETTINGS, "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": START_SECONDS}
    with contextlib.ExitStack() as stack:
        stack.enter_context(quiet(ray._private.worker))
        stack.enter_context(environment(settings))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", DeprecationWarning)  # of Ray, about what Ray does
        directory = new_directory(None)
        stack.callback(shutil.rmtree, directory, ignore_errors=True)

        def run(job: Job, report: Report) -> None:
            if not ray.is_initialized():
                stack.callback(ray.shutdown)  # also of half a Ray, after Ctrl-C
                _start(workers, directory)
            trainer = TorchTrainer(
                _work,
                train_loop_config={"threads": threads, **job.to_json()},
                torch_config=TorchConfig(backend="nccl" if _on_gpus(device) else "gloo"),
                scaling_config=train.ScalingConfig(
                    num_workers=workers, use_gpu=_on_gpus(device), resources_per_worker=_bundle(device)
                ),
                run_config=train.RunConfig(
                    name="retrain", storage_path=directory, failure_config=train.FailureConfig(max_failures=0)
                ),
            )
            _fit(trainer, Path(job.folder), report)

        yield run


def _on_gpus(device: str) -> bool:
    import torch

    return device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())


def _bundle(device: str) -> dict[str, float]:
    return {"CPU": 1, "GPU": 1} if _on_gpus(device) else {"CPU": 1}


def _start(workers: int, directory: str) -> None:
    """Ray on this machine, with a core for each worker, whether it has as many or not."""
    try:
        with environment({"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}):
            ray.init(
                address="local",
                num_cpus=max(workers, os.cpu_count() or 1),
                include_dashboard=False,
                _temp_dir=directory,
                log_to_driver=False,
                configure_logging=False,
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise ExecutorError(f"no Ray on this machine: {_last_line(error)}") from error


def _fit(trainer: TorchTrainer, folder: Path, report: Report) -> None:
    """Run the trainer in a thread, so that Ctrl-C is ours, and pass on the epochs that appear meanwhile."""
    from nas.retraining.state_file import CURVE

    errors: list[Exception] = []

    def fit() -> None:
        try:
            trainer.fit()
        except Exception as error:  # told of below
            errors.append(error)

    curve = folder / CURVE
    known = sum(1 for _ in _epochs(curve))
    thread = threading.Thread(target=fit, daemon=True, name="ray-train")
    thread.start()
    while thread.is_alive():
        thread.join(LOOK_EVERY)
        for metrics in list(_epochs(curve))[known:]:
            known += 1
            report(metrics)
    if errors:
        raise _told(errors[0]) from None


def _epochs(curve: Path) -> Iterator[dict[str, float]]:
    with contextlib.suppress(FileNotFoundError):
        yield from map(json.loads, curve.read_text(encoding="utf-8").splitlines())


def _told(error: Exception) -> NasError:
    """The error of the worker that failed for a reason of its own; the others fail because it is gone."""
    failures = getattr(error, "worker_failures", {})
    for rank in sorted(failures):
        cause: BaseException | None = failures[rank]
        while cause is not None:
            if isinstance(cause, NasError):
                return cause
            cause = getattr(cause, "cause", None) or cause.__cause__
    if failures and not any(isinstance(each, RayError) for each in failures.values()):
        rank = min(failures)
        return TrainingError(f"worker {rank} failed: {_last_line(failures[rank])}")
    return ExecutorError(f"Ray Train broke off: {_last_line(error)}")


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _work(document: dict[str, Any]) -> None:
    """What every worker does."""
    import torch
    from ray.train.torch import get_device

    from nas.retraining.run import run
    from nas.training.team import Team
    from searchspaces.catalog import import_home

    threads = document.pop("threads")
    job = Job(**document)
    for home in job.homes:
        import_home(home)
    if threads is not None:
        torch.set_num_threads(threads)
    context = train.get_context()
    team = Team(context.get_world_rank(), context.get_world_size(), job.sync_bn)
    run(job, get_device(), team=team, report=lambda metrics: None)
