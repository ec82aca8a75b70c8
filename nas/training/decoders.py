"""Worker processes that decode image files ahead of who reads them: `Decoders`, on PyTorch's DataLoader.

A request carries its file names, so that one set of processes serves every split, dataset and child of this process,
holds no list of files, and is warm for the next child. It ends when the last reader is let go, or with the process,
killed or not (a worker looks every five seconds whether its parent lives). What is asked for and in which order
is decided here; the workers draw no random numbers, so their number changes nothing but the speed.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from nas.data.images import Shape, decode_file
from nas.errors import DataError

WORKERS_VARIABLE = "NAS_LOADER_WORKERS"
MOST_WORKERS = 256
USUAL_WORKERS = 16  # at most, where the variable is not set
AHEAD = 3  # requests that each worker has waiting or done
REQUEST_BYTES = 4 * 2**20  # of decoded images in a request: large against what a request costs, small against a batch
REQUEST_IMAGES = 64
SHARED_MEMORY = "/dev/shm"

T = TypeVar("T")


class Request(NamedTuple):
    """Files to decode in this order, each as C, H, W; `turn` is the stream's number."""

    files: list[str]
    shape: Shape
    turn: int = 0


class Decoders:
    """So many worker processes; started by the first stream. One stream at a time: a new one ends the one before.

    `pin`: give the images in pinned memory, from which a copy to the GPU does not wait.
    """

    def __init__(self, workers: int, pin: bool) -> None:
        self.workers, self.process = workers, os.getpid()
        self._pin = pin
        self._lock = threading.RLock()
        self._order = _Order()
        self._turn = multiprocessing.RawValue("q", 0)  # of the stream that is read; the workers see it
        self._loaders: list[DataLoader[Tensor | str]] = []  # one, once it is started
        self._current: object = None
        weakref.finalize(self, _end, self._loaders, self.process)

    def request_images(self, shape: Shape) -> int:
        """How many images of this shape make a request, so that those under way fit into shared memory."""
        room = shutil.disk_usage(SHARED_MEMORY).free if os.path.isdir(SHARED_MEMORY) else sys.maxsize
        room //= 2 * self.workers * (AHEAD + 1)
        return max(1, min(REQUEST_IMAGES, min(REQUEST_BYTES, room) // math.prod(shape)))

    def stream(self, requests: Iterable[Request]) -> Iterator[Tensor]:
        """The images of each request, uint8 (n, C, H, W) on the host; the workers begin at once.

        Ends early when another stream has taken the workers. Raises DataError for an image that cannot be
        decoded, and when a worker dies.
        """
        with self._lock:
            images: Iterator[Tensor | str] = self._guarded(partial(self._begin, requests))
            token = self._current = object()
        return self._follow(images, token)

    def _follow(self, images: Iterator[Tensor | str], token: object) -> Iterator[Tensor]:
        while True:
            with self._lock:
                mine = self._current is token
                given = self._guarded(lambda: next(images, None)) if mine else None
            if isinstance(given, str):
                raise DataError(given)
            if given is None:
                return
            yield given

    def _begin(self, requests: Iterable[Request]) -> Iterator[Tensor | str]:
        self._turn.value += 1
        turn = self._turn.value
        self._order.requests = (request._replace(turn=turn) for request in requests)
        if self._loaders and not all(worker.is_alive() for worker in _iterator(self._loaders[0])._workers):
            self.close()
        with warnings.catch_warnings():
            # More workers than cores are what was asked for; and newer Pythons warn of every fork beside threads.
            warnings.simplefilter("ignore")
            if not self._loaders:
                self._loaders.append(self._loader())
            return iter(self._loaders[0])

    def _loader(self) -> DataLoader[Tensor | str]:
        return DataLoader(
            _Files(self._turn),
            batch_sampler=self._order,  # type: ignore[arg-type]  # of requests, where PyTorch expects lists of indices
            num_workers=self.workers,
            collate_fn=_as_it_is,
            pin_memory=self._pin,
            worker_init_fn=_prepare,
            # Forked: another start would import the user's script again, and torch in every worker.
            multiprocessing_context="fork",
            generator=torch.Generator(),  # else it would draw from the one that dropout reads
            prefetch_factor=AHEAD,
            persistent_workers=True,
        )

    def _guarded(self, work: Callable[[], T]) -> T:
        """What `work` gives; after any error (Ctrl-C too) the workers' queues cannot be trusted, so they end."""
        try:
            return work()
        except RuntimeError as error:  # what DataLoader raises for a worker that died
            self.close()
            reason = str(error).strip().splitlines()[-1].strip()
            raise DataError(
                f"a process that decodes images ended ({reason}); if memory ran out, "
                f"lower {WORKERS_VARIABLE}, which is {self.workers}"
            ) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the workers; the next stream starts others."""
        with self._lock:
            self._current = None
            _end(self._loaders, self.process)


def _end(loaders: list[DataLoader[Tensor | str]], process: int) -> None:
    while loaders:
        loader = loaders.pop()
        if process == os.getpid() and _iterator(loader) is not None:  # not a copy in a forked process
            _iterator(loader)._shutdown_workers()


def _iterator(loader: DataLoader[Tensor | str]) -> Any:
    """What holds a loader's processes; DataLoader has no public way to end them before it is collected."""
    return loader._iterator


_known: WeakValueDictionary[tuple[int, int, bool], Decoders] = WeakValueDictionary()


def decoders(pin: bool) -> Decoders | None:
    """This process's decoders, shared by all who hold them; None where it decodes itself. Raises DataError."""
    workers = worker_count()
    if not workers or multiprocessing.current_process().daemon:  # which may not have processes of its own
        return None
    key = (os.getpid(), workers, pin)
    found = _known.get(key)
    if found is None:
        found = _known[key] = Decoders(workers, pin)
    return found


def worker_count() -> int:
    """The environment's NAS_LOADER_WORKERS, else as many as this child has threads, at most 16. Raises DataError."""
    text = os.environ.get(WORKERS_VARIABLE)
    if not text:
        return min(torch.get_num_threads(), USUAL_WORKERS)
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_WORKERS):
        raise DataError(f"{WORKERS_VARIABLE} must be a whole number from 0 to {MOST_WORKERS}, got {text!r}")
    return int(text)


class _Order:
    """What DataLoader asks, at the start of every stream, for the requests."""

    requests: Iterable[Request] = ()

    def __iter__(self) -> Iterator[Request]:
        return iter(self.requests)


class _Files(Dataset[Any]):
    """In a worker: a request answered."""

    def __init__(self, turn: Any) -> None:
        self._turn = turn

    def __getitems__(self, request: Request) -> Tensor | str | None:
        """The images, in shared memory; or the message of the error, which DataLoader would wrap in a traceback.

        None, soon, for a stream that nobody reads any more: the next one waits until all its requests are answered.
        """
        images = []
        try:
            for file in request.files:
                if request.turn != self._turn.value:
                    return None
                images.append(torch.from_numpy(np.array(decode_file(file, request.shape))))
        except DataError as error:
            return str(error)
        together: Tensor = default_collate(images)
        return together


def _as_it_is(answer: Any) -> Any:
    return answer


def _prepare(worker: int) -> None:
    # Ctrl-C reaches the whole group: whether the search goes on to a good moment is its main process's word.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
