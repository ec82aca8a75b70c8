"""Server-sent events: all studies at first, then what changed; one look for all listeners, none without them."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from typing import Any

from dashboard_data import children, new_trial, small_space, spec
from dashboard_site import HOSTILE, Site

from dashboards.archive import Archive
from dashboards.events import Hub


async def told(stream: AsyncIterator[bytes], seconds: float = 3.0) -> dict[str, Any]:
    """The next event's studies."""
    piece = await asyncio.wait_for(anext(stream), seconds)
    assert piece.startswith(b"data: ")
    assert piece.endswith(b"\n\n")
    studies: dict[str, Any] = json.loads(piece.removeprefix(b"data: "))["studies"]
    return studies


def test_a_new_trial_is_told_within_two_seconds_and_nothing_else_is(site: Site) -> None:
    async def listen() -> None:
        hub = Hub(archive := Archive(str(site.path)), lambda: False)
        stream = aiter(hub.listen())
        everything = await told(stream)
        assert set(everything) == {"first", "second", HOSTILE}
        assert everything["second"]["finished"]
        began = time.monotonic()
        await asyncio.to_thread(children, site.store, site.store.study("first"), 1, 77)
        seen = await told(stream)
        assert time.monotonic() - began < 2
        assert set(seen) == {"first"}
        assert seen["first"]["version"] > everything["first"]["version"]
        while seen["first"]["counts"]["complete"] < 15:  # it may have been seen while it ran
            seen = await told(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        archive.close()

    asyncio.run(listen())


def test_epochs_of_running_trials_are_news(site: Site) -> None:
    async def listen() -> None:
        point = small_space().sample(random.Random(3)).to_json()
        trial = site.store.add_trial(site.store.study("first").id, new_trial(small_space().decode(point), point))
        site.store.start(trial.id)
        hub = Hub(archive := Archive(str(site.path)), lambda: False)
        stream = aiter(hub.listen())
        await told(stream)
        site.store.record_epoch(trial.id, 1, {"val_accuracy": 0.3})
        assert set(await told(stream)) == {"first"}
        await stream.aclose()  # type: ignore[attr-defined]
        archive.close()

    asyncio.run(listen())


def test_listeners_share_the_looks_and_without_them_there_is_none(site: Site) -> None:
    async def listen() -> None:
        hub = Hub(archive := Archive(str(site.path)), lambda: False)
        streams = [aiter(hub.listen()) for _ in range(5)]
        for stream in streams:
            await told(stream)
        before = hub.looks
        await asyncio.sleep(1.6)
        assert 1 <= hub.looks - before <= 3
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
        before = hub.looks
        await asyncio.sleep(1.0)
        assert hub.looks == before
        again = aiter(hub.listen())
        assert set(await told(again)) == {"first", "second", HOSTILE}
        await again.aclose()  # type: ignore[attr-defined]
        archive.close()

    asyncio.run(listen())


def test_a_new_study_is_news_and_the_stream_ends_with_the_server(site: Site) -> None:
    async def listen() -> None:
        stopping = False
        hub = Hub(archive := Archive(str(site.path)), lambda: stopping)
        stream = aiter(hub.listen())
        await told(stream)
        site.store.create_study("new", spec())
        assert set(await told(stream)) == {"new"}
        stopping = True
        assert [piece async for piece in stream] == []
        archive.close()

    asyncio.run(listen())
