"""Peers who read slowly, or not at all: they get the newest state and no backlog, or their end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.sockets import asgi
from hub.sockets.backlog import LEAST_TAKEN
from hub.sockets.connection import Connection
from hub.sockets.direct import Socket
from tests.rfc6455.frames import CLOSE, TEXT, frame, ping
from tests.rfc6455.raw import HANDSHAKE, Peer, entered
from tests.running import PATIENCE, Running, draft, running, token

WINDOW = 4096
FILL = 1_500
"""Pings whose answers, unread, are more than every buffer on the way may hold, and less than what is cut off at."""
LONG_ID = "x" * 100
SESSION = draft()["title"]

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
async def not_reading(
    hub: Running, session_id: int, pings: int = FILL, joined: str | None = None
) -> AsyncIterator[Peer]:
    """A watcher (or who has `joined`) that asked so much, without reading the answers, that the hub holds back."""
    assert hub.hub is not None
    request = HANDSHAKE if joined is None else HANDSHAKE.but("Authorization", f"Bearer {token(joined)}")
    async with entered(hub, request, window=WINDOW) as peer:
        if joined is None:
            await peer.send(text(type="watch", id=0, sessions=[session_id]))
        else:
            await peer.send(text(type="join", id=0, session=session_id))
        assert (await peer.message())["type"] == "ok"
        assert (await peer.message())["type"] == "session"
        if joined is not None:
            assert (await peer.message())["type"] == "roster"
        (connection,) = hub.hub.lobby.connections
        assert isinstance(connection, Connection)
        await peer.send(frame(TEXT, ping(LONG_ID)) * pings)
        await until(lambda: connection.over or not connection._wire.writable)
        yield peer


async def what_happened_meanwhile(hub: Running, peer: Peer) -> list[tuple[str, int]]:
    """Status and seats of each state that comes once the peer reads, until it has caught up."""
    return [(state["status"], state["participants"]) for state in await all_of("session", peer)]


async def all_of(kind: str, peer: Peer) -> list[dict[str, Any]]:
    """The messages of this type (of a `catalog` its session) that come once the peer reads, until it has caught up."""
    came, answers = [], 0
    while True:
        message = await peer.message()
        if message["type"] == kind:
            came.append(message["session"] if kind == "catalog" else message)
        elif message.get("id") == "last":
            return came
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


@drivers
async def test_who_is_in_a_session_hears_of_its_end_though_it_is_put_out_by_it(tmp_path: Path, direct: bool) -> None:
    async with running(tmp_path, serving_as={"direct": direct}, count_interval_ms=1) as hub:
        session_id = (await hub.create())["id"]
        await hub.book(session_id, "ann")
        await hub.start(session_id)
        async with not_reading(hub, session_id, joined="ann") as peer:
            assert (await hub.call("PATCH", f"/{session_id}/end")).status_code == 200
            assert [status for status, _ in await what_happened_meanwhile(hub, peer)] == ["ended"]


async def test_who_left_meanwhile_is_told_nothing_of_it(tmp_path: Path) -> None:
    async with running(tmp_path, count_interval_ms=1) as hub:
        session_id = (await hub.create())["id"]
        await hub.book(session_id, "ann")
        await hub.start(session_id)
        async with not_reading(hub, session_id, joined="ann") as peer:
            await hub.book(session_id, "bob")
            await peer.send(text(type="leave", session=session_id))
            await until(lambda: len(hub.hub.rooms) == 0)  # type: ignore[union-attr]  # in this process
            assert await what_happened_meanwhile(hub, peer) == []


async def test_of_the_catalog_too_every_status_comes_and_no_edit_that_is_past(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        watched = (await hub.create())["id"]
        async with not_reading(hub, watched) as peer:
            await peer.send(text(type="watch", catalog=True))
            assert hub.hub is not None
            await until(lambda: hub.hub.rooms.catalog_since is not None)  # type: ignore[union-attr]  # asserted above
            listed = (await hub.create())["id"]
            for title in ("Soil", "Seeds"):
                assert (await hub.call("PATCH", f"/{listed}", json={"title": title})).status_code == 200
            await hub.start(listed)
            assert (await hub.call("PATCH", f"/{listed}/end")).status_code == 200
            told = [(one["status"], one["title"]) for one in await all_of("catalog", peer)]
            assert told == [("scheduled", SESSION), ("active", "Seeds"), ("ended", "Seeds")]


async def test_who_takes_a_little_is_seen_to_do_so_before_the_kernel_lets_go_of_more(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert hub.hub is not None
        session_id = (await hub.create())["id"]
        async with not_reading(hub, session_id) as peer:
            (connection,) = hub.hub.lobby.connections
            assert isinstance(connection, Connection)
            assert isinstance(connection._wire, Socket)
            wire, untaken = connection._wire, connection._wire._untaken()
            here = wire._transport.get_write_buffer_size()
            while wire._untaken() > untaken - LEAST_TAKEN:
                await peer.frame()
            assert wire._transport.get_write_buffer_size() == here


@drivers
async def test_who_stays_stuck_is_closed_4008_and_cut_off_and_learns_it_if_he_ever_reads_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direct: bool
) -> None:
    monkeypatch.setattr(asgi, "STUCK_SECONDS", 0.3)
    async with running(tmp_path, serving_as={"direct": direct, "ping_timeout": 0.3 if direct else 20.0}) as hub:
        assert hub.hub is not None
        lobby = hub.hub.lobby
        session_id = (await hub.create())["id"]
        async with not_reading(hub, session_id) as peer:
            await until(lambda: not lobby.connections)
            while (came := await peer.frame()).opcode != CLOSE:
                pass
            assert int.from_bytes(came.payload[:2]) == 4008
            await until(lambda: lobby.total.here(None) == 0)


async def test_who_asks_and_asks_and_never_reads_is_cut_off_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert hub.hub is not None
        session_id = (await hub.create())["id"]
        async with not_reading(hub, session_id, pings=10_000):
            await until(lambda: hub.hub.lobby.total.here(None) == 0)  # type: ignore[union-attr]  # asserted above
