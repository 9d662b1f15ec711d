"""What readers of server-sent events get who come back, are slow, speak old HTTP, want the head alone, or stay on."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.rooms import Room
from hub.sockets.patience import Bounds
from hub.web.sse import Events
from tests.bus.listening import until
from tests.conforming import one_hub
from tests.rfc6455.raw import Peer, reach
from tests.running import API, PATIENCE, Running, running
from tests.test_streams import empty

pytestmark = pytest.mark.asyncio(loop_scope="module")
ORIGIN = "https://learn.example"
hub = one_hub(allowed_origins=frozenset({ORIGIN}))

Event = tuple[int, dict[str, Any]]
MANY = 3_000
"""Revisions: of all of them a reader would have ten times what lies for one here and in the kernel."""


async def events(response: httpx2.Response) -> AsyncIterator[Event]:
    """The id and the data of each event; there is none but `session`."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if line == "" and "data" in fields:
            assert fields["event"] == "session"
            yield int(fields["id"]), json.loads(fields["data"])
        fields = {} if line == "" else fields | {name: value}


@asynccontextmanager
async def reading(hub: Running, session_id: int, last: int | None = None) -> AsyncIterator[AsyncIterator[Event]]:
    """A reader who comes back after `last`, or is new."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    async with hub.http(**headers) as http, http.stream("GET", f"{API}/{session_id}/events") as response:
        assert response.status_code == 200
        async with asyncio.timeout(PATIENCE):
            yield events(response)


def room_of(hub: Running, session_id: int) -> Room:
    """The room of a session that is read."""
    assert hub.hub is not None
    room = hub.hub.rooms.get(session_id)
    assert room is not None
    return room


def streams_of(hub: Running) -> Events:
    """The handler."""
    assert hub.hub is not None
    streams = getattr(hub.hub.end_streams, "__self__", None)
    assert isinstance(streams, Events)
    return streams


# Who comes back.


async def test_a_reader_who_has_more_than_there_is_gets_what_there_is(hub: Running) -> None:
    session = (await hub.create())["id"]
    async with reading(hub, session, last=57) as stream:  # of a database that is no more
        assert (await anext(stream))[0] == 1
        await hub.book(session, "ann")
        assert (await anext(stream))[0] == 2


async def test_a_reader_who_comes_to_a_process_that_is_behind_gets_nothing_older(hub: Running) -> None:
    session = (await hub.create())["id"]
    async with reading(hub, session) as other:
        await anext(other)
        room = room_of(hub, session)
        behind = room.state
        await hub.book(session, "ann")
        await anext(other)
        room.state = behind  # as if the news had been lost on its way here
        async with reading(hub, session, last=2) as stream:
            await hub.book(session, "ben")
            assert (await anext(stream))[0] == 3


async def test_a_reader_is_told_when_what_it_was_shown_was_never_stored(hub: Running) -> None:
    session = (await hub.create())["id"]
    async with reading(hub, session) as stream:
        first = await anext(stream)
        room = room_of(hub, session)
        stored, rule = room.state, room.rule
        assert stored is not None
        assert rule is not None
        room.learn((replace(stored, revision=9, live=9), rule))
        assert (await anext(stream))[0] == 9
        room.learn((stored, rule), wrong=9)
        assert await anext(stream) == first


async def test_a_reader_who_comes_while_streams_end_is_told_when_to_come_back_and_is_not_refused(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as hub, hub.http() as http:
        await hub.create()
        streams_of(hub).end(4.0)
        answer = await http.get(f"{API}/1/events")
        assert answer.status_code == 200  # another status would end an EventSource for good
        first, last = (line for line in answer.text.splitlines() if line)
        assert first == "retry: 3000"
        assert 3000 <= int(last.removeprefix("retry: ")) <= 7000
        await empty(hub)


@pytest.mark.parametrize("end", ["ended", "cancelled"])
async def test_the_end_of_a_session_is_told_and_ends_no_stream(hub: Running, end: str) -> None:
    session = (await hub.create())["id"]
    async with reading(hub, session) as stream:
        await anext(stream)
        if end == "ended":
            await hub.start(session)
            await anext(stream)
            await hub.call("PATCH", f"/{session}/end")
        else:
            await hub.call("DELETE", f"/{session}")
        revision, state = await anext(stream)
        assert state["status"] == end
        assert 'hub_connections{kind="stream"} 1.0' in (await metrics(hub))
        async with reading(hub, session, last=revision):  # nor is one who comes back sent away
            assert 'hub_connections{kind="stream"} 2.0' in (await metrics(hub))
    await empty(hub)


async def metrics(hub: Running) -> str:
    """What is counted."""
    async with hub.http() as http:
        return (await http.get("/metrics")).text


# Who is slow.


@asynccontextmanager
async def unread(hub: Running, session_id: int) -> AsyncIterator[Peer]:
    """A reader who has begun and takes nothing more, through MANY changes."""
    async with reach(hub, window=4096) as peer:
        await peer.send(f"GET {API}/{session_id}/events HTTP/1.1\r\nHost: hub\r\n\r\n".encode())
        assert (await peer.answer()).status == 200
        room = room_of(hub, session_id)
        assert room.state is not None
        assert room.rule is not None
        for revision in range(2, MANY):
            room.learn((replace(room.state, revision=revision), room.rule))
            for follower in streams_of(hub).followers:
                follower.news.set()
            await asyncio.sleep(0)  # for the stream to send it
            await asyncio.sleep(0)
        yield peer


async def test_a_reader_who_stops_reading_gets_the_newest_state_and_no_backlog_when_it_goes_on(hub: Running) -> None:
    async with unread(hub, (await hub.create())["id"]) as peer:
        told = b""
        async with asyncio.timeout(PATIENCE):
            while f"id: {MANY - 1}\n".encode() not in told:
                told += await peer._more()
    seen = [int(line[4:]) for line in told.split(b"\n") if line.startswith(b"id: ")]
    assert seen == sorted(set(seen))
    assert len(seen) < MANY // 3


async def test_a_reader_who_takes_nothing_is_ended_and_its_place_is_free(tmp_path: Path) -> None:
    async with running(tmp_path, serving_as={"bounds": Bounds(take=0.4)}) as hub:
        await hub.create()
        async with unread(hub, 1):
            await empty(hub)


async def test_a_reader_who_takes_nothing_does_not_hold_up_a_stop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "uvicorn.error"):
        async with running(tmp_path) as hub:
            await hub.create()
            async with unread(hub, 1):
                assert hub.hub is not None
                hub.hub.failed()  # as a stop does
                await until(lambda: not streams_of(hub).followers, "the stream's end")
    assert "Waiting for connections to close" in caplog.text  # control: it was there when the stop came to it
    assert "timeout graceful shutdown exceeded" not in caplog.text


# Who asks in another way.


async def test_a_head_is_that_of_the_stream_and_takes_no_place(hub: Running) -> None:
    path = f"{API}/{(await hub.create())['id']}/events"
    async with hub.http() as http:
        async with http.stream("GET", path) as stream:
            wanted = {**stream.headers, "date": ""}
        assert wanted.pop("transfer-encoding") == "chunked"
        head = await http.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert {**head.headers, "date": ""} == wanted
        assert (await http.head(f"{API}/999999/events")).status_code == 404
        await empty(hub)


async def said(hub: Running, version: str) -> tuple[bytes, bytes]:
    """The head of a stream to a reader who speaks that HTTP, and what comes until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    try:
        writer.write(f"GET {API}/1/events HTTP/{version}\r\nHost: hub\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            first = await reader.readuntil(b"}\n\n")
            streams_of(hub).end(0)
            return head, first + (await reader.read() if version == "1.0" else b"")
    finally:
        writer.close()


async def test_a_reader_who_speaks_http_1_0_gets_no_chunks_and_the_end_of_the_connection(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        session = await hub.create()
        head, body = await said(hub, "1.0")
        assert b"transfer-encoding" not in head
        assert b"connection: close" in head
        first, event, last = body.decode().removesuffix("\n\n").split("\n\n")
        assert (first, last) == ("retry: 3000", "retry: 3000")
        assert event.startswith('event: session\nid: 1\ndata: {"type":"session",')
        assert session["startsAt"] in event


async def test_control_a_reader_who_speaks_http_1_1_gets_chunks(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        await hub.create()
        head, body = await said(hub, "1.1")
        assert b"transfer-encoding: chunked" in head
        assert body.startswith(b"d\r\nretry: 3000\n\n\r\n")


@pytest.mark.parametrize("path", ["/healthz", API, "/nothing", "/static/app.js"])
async def test_other_answers_to_http_1_0_are_as_they_were(hub: Running, path: str) -> None:
    async with reach(hub) as peer:
        await peer.send(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = await peer.answer()
        assert answer.all("transfer-encoding") == []
        assert await peer.body(answer)
        await peer.end()


@pytest.mark.parametrize(("origin", "allowed"), [(ORIGIN, ORIGIN), ("https://evil.example", None)])
async def test_a_page_of_an_allowed_origin_may_read_a_stream_and_no_other(
    hub: Running, origin: str, allowed: str | None
) -> None:
    session = (await hub.create())["id"]
    async with hub.http(Origin=origin) as http, http.stream("GET", f"{API}/{session}/events") as response:
        assert response.headers.get("access-control-allow-origin") == allowed
        assert response.headers["x-accel-buffering"] == "no"  # nginx would keep events back
