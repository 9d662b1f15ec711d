"""Peers who stop reading, or vanish without a word: ended in time, their descriptors back, their leaves true.

Neither says that it goes. The first keep their connection up with a window of zero, which no close ever gets through;
of the others nothing comes any more, not even that they are gone.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.light import Light
from tests.faults.nodes import LONG
from tests.proxy import Proxy
from tests.rfc6455.frames import TEXT, frame, ping
from tests.running import PATIENCE, Running, now, settings_for
from tests.second import Second
from tests.stored import Row, visits

figures = logging.getLogger("figures")

INTERVAL = TIMEOUT = 20.0 if LONG else 2.0
GRACE = 0.2
NOT_READING, VANISHING, HEALTHY = 100, 50, 20
LITTLE, MUCH = 100, 600
"""Questions whose answers fill a small window, and all that the hub would keep for a peer."""
WINDOW = 4096
SLACK = timedelta(seconds=1.5)
"""What is said may be read so much later, by a hub that has others to hear."""


@asynccontextmanager
async def served(second: Second, folder: Path, seconds: tuple[float, float]) -> AsyncIterator[tuple[Running, int]]:
    """A hub in a process of its own, whose descriptors are its alone; and a running session.

    `seconds` are the interval at which it asks for signs of life, and the time it gives.
    """
    settings = settings_for(folder / "hub.db", leave_grace_seconds=GRACE)
    port = await second.start(settings, ping_seconds=seconds[0], ping_timeout=seconds[1])
    try:
        hub = Running((port,), folder / "hub.db")
        session_id: int = (await hub.create())["id"]
        await hub.start(session_id)
        yield hub, session_id
    finally:
        await second.stop(port)


def descriptors(second: Second) -> int:
    """How many the hub's process has open."""
    return len(os.listdir(f"/proc/{second.pid}/fd"))


async def light(stack: AsyncExitStack, port: int, session_id: int, sub: str, window: int | None = None) -> Light:
    """A participant who reads, and answers pings, as long as the test does not want it otherwise."""
    peer = await Light.at(port, sub, window=window)
    stack.callback(peer.drop)
    assert (await peer.ask(type="join", session=session_id))["type"] == "ok"
    return peer


async def back_to(second: Second, wanted: int, within: float) -> float:
    """Wait until so many descriptors are left; how long that took, in seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(within):
        while descriptors(second) > wanted:  # noqa: ASYNC110  nobody tells of it
            await asyncio.sleep(0.02)
    return loop.time() - began


async def book_all(hub: Running, session_id: int, *people: str) -> None:
    """Seats for everyone."""
    for person in people:
        await hub.book(session_id, person)


async def silenced(peers: dict[str, Light], other: Light) -> dict[str, tuple[datetime, datetime]]:
    """Let each ask much and read nothing any more; between which moments it was heard for the last time.

    One after the other: when the hub has answered an `other` twice, it has read what it reads of the one before.
    """
    heard = {}
    for number, (sub, peer) in enumerate(peers.items()):
        since = now()
        peer.fall_silent(frame(TEXT, ping("x" * 100)) * (MUCH if number % 2 else LITTLE))
        for _ in range(2):
            await other.ask(type="ping")
        heard[sub] = (since, now() + SLACK)
    return heard


async def until_left(hub: Running, session_id: int, people: set[str]) -> dict[str, Row]:
    """Their visits, once all of them are over."""
    async with asyncio.timeout(PATIENCE):
        while True:
            rows = {row.user: row for row in visits(hub, session_id) if row.user in people}
            if all(row.left is not None for row in rows.values()):
                return rows
            await asyncio.sleep(0.02)


def off_by(row: Row, heard: tuple[datetime, datetime]) -> float:
    """How many seconds a leave is recorded beside the last contact."""
    assert row.left is not None
    return max(0.0, (heard[0] - row.left).total_seconds(), (row.left - heard[1]).total_seconds())


async def test_peers_who_take_nothing_or_are_gone_are_ended_in_time_and_leave_at_their_last_word(
    second: Second, tmp_path: Path
) -> None:
    stuck = [f"stuck-{number}" for number in range(NOT_READING)]
    gone = [f"gone-{number}" for number in range(VANISHING)]
    well = [f"well-{number}" for number in range(HEALTHY)]
    async with served(second, tmp_path, (INTERVAL, TIMEOUT)) as (hub, session_id), AsyncExitStack() as stack:
        await book_all(hub, session_id, *stuck, *gone, *well)
        healthy = [await light(stack, hub.port, session_id, sub) for sub in well]
        before = descriptors(second)
        proxy = await stack.enter_async_context(Proxy(hub.port))
        for sub in gone:
            await light(stack, proxy.port, session_id, sub)
        silent = {sub: await light(stack, hub.port, session_id, sub, WINDOW) for sub in stuck}
        assert descriptors(second) == before + NOT_READING + VANISHING

        heard = await silenced(silent, healthy[0])
        proxy.stall()
        vanished = now()
        took = await back_to(second, before, INTERVAL + TIMEOUT + 2.0)

        # The last pong may be as old as an interval, when a peer is not there any more.
        heard |= dict.fromkeys(gone, (vanished - timedelta(seconds=INTERVAL) - SLACK, vanished + SLACK))
        rows = await until_left(hub, session_id, {*stuck, *gone})
        assert {row.reason for row in rows.values()} == {"disconnected"}
        assert {sub: off for sub, row in rows.items() if (off := off_by(row, heard[sub])) > 0} == {}
        assert not [peer for peer in healthy if peer.closed.done()]
        assert (await hub.call("GET", f"/{session_id}")).json()["data"]["live"] == HEALTHY
        figures.info("%s stuck, %s vanished: ended after %.1f s", NOT_READING, VANISHING, took)


async def test_control_a_hub_that_never_asks_keeps_them(second: Second, tmp_path: Path) -> None:
    async with served(second, tmp_path, (3_600.0, 3_600.0)) as (hub, session_id), AsyncExitStack() as stack:
        await book_all(hub, session_id, "stuck", "gone")
        before = descriptors(second)
        proxy = await stack.enter_async_context(Proxy(hub.port))
        gone = await light(stack, proxy.port, session_id, "gone")
        await silenced({"stuck": await light(stack, hub.port, session_id, "stuck", WINDOW)}, gone)
        proxy.stall()
        with pytest.raises(TimeoutError):
            await back_to(second, before, 4.0)
        assert [row.left for row in visits(hub, session_id)] == [None, None]
