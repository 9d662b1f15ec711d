"""Peers who read slowly, or not at all: they get the newest state and no backlog, or their end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.sockets.connection import Connection
from tests.rfc6455.frames import CLOSE, TEXT, frame, ping
from tests.rfc6455.raw import Peer, entered
from tests.running import PATIENCE, Running, running

WINDOW = 4096
FILL = 1_500
"""Pings whose answers, unread, are more than every buffer on the way may hold, and less than what is cut off at."""
LONG_ID = "x" * 100

drivers = pytest.mark.parametrize("direct", [True, False], ids=["direct", "asgi"])


async def until(true: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110  nobody tells of what is asked here
            await asyncio.sleep(0.005)


def text(**message: Any) -> bytes:
    """A message as a client's frame."""
    return frame(TEXT, json.dumps(message).encode())


@asynccontextmanager
async def not_reading(hub: Running, session_id: int, pings: int = FILL) -> AsyncIterator[Peer]:
    """A watcher who has asked so much, without reading the answers, that the hub holds back."""
    assert hub.hub is not None
    async with entered(hub, window=WINDOW) as peer:
        await peer.send(text(type="watch", id=0, sessions=[session_id]))
        assert (await peer.message())["type"] == "ok"
        assert (await peer.message())["type"] == "session"
        (connection,) = hub.hub.lobby.connections
        assert isinstance(connection, Connection)
        await peer.send(frame(TEXT, ping(LONG_ID)) * pings)
        await until(lambda: connection.over or not connection._wire.writable)
        yield peer


async def what_happened_meanwhile(hub: Running, peer: Peer) -> list[tuple[str, int]]:
    """Status and seats of each state that comes once the peer reads, until it has caught up."""
    states, answers = [], 0
    while True:
        message = await peer.message()
        if message["type"] == "session":
            states.append((message["status"], message["participants"]))
        elif message.get("id") == "last":
            return states
        else:
            answers += message["type"] == "pong"
            if answers == FILL:  # all that it had asked for: from here on it is a peer like others
                await peer.send(frame(TEXT, ping("last")))


async def busy_life(hub: Running, session_id: int) -> None:
    """Four bookings, the start, two more, and the end."""
    for person in ("a", "b", "c", "d"):
        await hub.book(session_id, person)
    await hub.start(session_id)
    for person in ("e", "f"):
        await hub.book(session_id, person)
    assert (await hub.call("PATCH", f"/{session_id}/end")).status_code == 200


@drivers
async def test_who_reads_again_gets_every_status_and_no_count_that_is_past(tmp_path: Path, direct: bool) -> None:
    async with running(tmp_path, serving_as={"direct": direct}, count_interval_ms=1) as hub:
        session_id = (await hub.create())["id"]
        async with not_reading(hub, session_id) as peer:
            await busy_life(hub, session_id)
            assert await what_happened_meanwhile(hub, peer) == [("active", 4), ("ended", 6)]
            assert (await hub.call("GET", f"/{session_id}")).json()["data"]["participants"] == 6


@drivers
async def test_the_newest_count_comes_once(tmp_path: Path, direct: bool) -> None:
    async with running(tmp_path, serving_as={"direct": direct}, count_interval_ms=1) as hub:
        session_id = (await hub.create())["id"]
        async with not_reading(hub, session_id) as peer:
            for person in ("a", "b", "c"):
                await hub.book(session_id, person)
            assert await what_happened_meanwhile(hub, peer) == [("scheduled", 3)]


async def test_control_without_conflation_a_slow_reader_gets_the_backlog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "deliver", lambda self, key, frame, newest, lasting=False: self._wire.send(frame))
    async with running(tmp_path, count_interval_ms=1) as hub:
        session_id = (await hub.create())["id"]
        async with not_reading(hub, session_id) as peer:
            await busy_life(hub, session_id)
            assert len(await what_happened_meanwhile(hub, peer)) == 8


async def test_who_stopped_watching_meanwhile_is_told_nothing_of_it(tmp_path: Path) -> None:
    async with running(tmp_path, count_interval_ms=1) as hub:
        session_id = (await hub.create())["id"]
        async with not_reading(hub, session_id) as peer:
            await hub.start(session_id)
            await hub.book(session_id, "a")
            assert hub.hub is not None
            await peer.send(text(type="unwatch", id=0, sessions=[session_id]))
            await until(lambda: len(hub.hub.rooms) == 0)  # type: ignore[union-attr]  # asserted above
            assert await what_happened_meanwhile(hub, peer) == []


async def test_who_stays_stuck_is_closed_4008_and_cut_off_and_learns_it_if_he_ever_reads_again(tmp_path: Path) -> None:
    async with running(tmp_path, serving_as={"ping_timeout": 0.3}) as hub:
        assert hub.hub is not None
        lobby = hub.hub.lobby
        session_id = (await hub.create())["id"]
        async with not_reading(hub, session_id) as peer:
            await until(lambda: lobby.total.here(None) == 0)
            while (came := await peer.frame()).opcode != CLOSE:
                pass
            assert int.from_bytes(came.payload[:2]) == 4008
            await peer.end()


async def test_who_asks_and_asks_and_never_reads_is_cut_off_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert hub.hub is not None
        session_id = (await hub.create())["id"]
        async with not_reading(hub, session_id, pings=10_000):
            await until(lambda: hub.hub.lobby.total.here(None) == 0)  # type: ignore[union-attr]  # asserted above
