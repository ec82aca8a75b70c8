"""`/api/events`: what changed, as server-sent events. One look at the database serves all who listen."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool

from dashboards.archive import Archive
from nas.store.queries import epochs_running

INTERVAL = 0.7  # seconds between two looks, if one takes a tenth of that or less
SLOWEST = 1.4
ALIVE = 15.0  # seconds of silence after which a comment says that the connection lives
TICK = 0.2  # seconds after which a listener sees what a look has found, and that the server stops


class Hub:
    """Looks at the database while somebody listens, and tells all of them."""

    def __init__(self, archive: Archive, stopping: Callable[[], bool]) -> None:
        self.archive, self.stopping = archive, stopping
        self.looks = 0  # how often it has looked
        self._listeners = 0
        self._task: asyncio.Task[None] | None = None
        self._state: dict[str, dict[str, Any]] = {}
        self._seen: dict[str, Any] = {}
        self._looked = asyncio.Event()  # since somebody listens

    async def listen(self) -> AsyncIterator[bytes]:
        """The events of one listener: every study at first, then those that changed, until the server stops."""
        self._listeners += 1
        if self._task is None:
            self._looked = asyncio.Event()
            self._task = asyncio.create_task(self._watch())
        try:
            await self._looked.wait()
            sent: dict[str, int] = {}
            spoke = 0.0
            while not self.stopping():
                news = {name: study for name, study in self._state.items() if sent.get(name) != study["version"]}
                if news or not spoke:
                    sent.update((name, study["version"]) for name, study in news.items())
                    yield f"data: {json.dumps({'studies': news})}\n\n".encode()
                    spoke = time.monotonic()
                elif time.monotonic() - spoke > ALIVE:
                    yield b": alive\n\n"
                    spoke = time.monotonic()
                await asyncio.sleep(TICK)
        finally:
            self._listeners -= 1
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _watch(self) -> None:
        while True:
            began = time.monotonic()
            await self._look()
            self._looked.set()
            await asyncio.sleep(min(SLOWEST, max(INTERVAL, 10 * (time.monotonic() - began))))

    async def _look(self) -> None:
        self.looks += 1
        found = await run_in_threadpool(self._read)
        changed = {name: facts for name, facts in found.items() if self._seen.get(name) != facts}
        for name, (counts, finished, _) in changed.items():
            version = self._state.get(name, {"version": 0})["version"] + 1
            self._state[name] = {"version": version, "counts": counts, "finished": finished}
        self._seen.update(changed)

    def _read(self) -> dict[str, Any]:
        """What a listener may want to know of each study; a database that cannot be read for a moment says nothing."""
        from nas.errors import StoreError

        try:
            studies = self.archive.studies()
            running = [study.record.id for study in studies if study.record.counts["running"]]
            epochs = epochs_running(self.archive.store, running) if running else {}
        except StoreError:
            return {}
        return {
            study.name: (dict(study.record.counts), study.record.finished, epochs.get(study.record.id))
            for study in studies
        }
