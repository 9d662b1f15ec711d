"""Streams of server-sent events take their places among the sockets, and give them back however they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from hub.limits import Crowd
from hub.web.http import Call, Operation
from hub.web.sse import Events
from tests.conforming import ask_at
from tests.running import API, PATIENCE, Client, Running, running
from tests.sockets import refused


@asynccontextmanager
async def stream(hub: Running, session_id: int) -> AsyncIterator[None]:
    """A stream that has begun; the reader goes away at the end."""
    async with hub.http() as http, http.stream("GET", f"{API}/{session_id}/events") as response:
        assert response.status_code == 200
        lines = response.aiter_lines()  # kept: without it the client hangs up
        async with asyncio.timeout(PATIENCE):
            assert await anext(lines) == "retry: 3000"
        yield


async def empty(hub: Running) -> None:
    """Wait until nobody is counted, and no room stands."""
    assert hub.hub is not None
    lobby = hub.hub.lobby
    async with asyncio.timeout(PATIENCE):
        while lobby.total.here(None) or lobby.addresses.here("127.0.0.1") or len(lobby.rooms):  # noqa: ASYNC110  once
            await asyncio.sleep(0.01)
    assert 'hub_connections{kind="stream"} 0.0' in (await ask_at(hub, "GET", "/metrics")).text


@pytest.mark.parametrize(
    ("limit", "status", "code"),
    [("max_connections", 503, "unavailable"), ("max_connections_per_address", 429, "rate_limited")],
)
async def test_streams_and_sockets_share_the_places_there_are(
    tmp_path: Path, limit: str, status: int, code: str
) -> None:
    limits: dict[str, Any] = {limit: 2}
    async with running(tmp_path, **limits) as hub:
        path = f"/{(await hub.create())['id']}"
        async with stream(hub, 1), Client.at(hub):
            answer = await hub.call("GET", f"{path}/events", {})
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert int(answer.headers["retry-after"]) > 0
            assert (await refused(hub))[0] == status
            assert (await hub.call("GET", path)).status_code == 200
            assert 'hub_connections{kind="stream"} 1.0' in (await ask_at(hub, "GET", "/metrics")).text
        await empty(hub)
        async with stream(hub, 1), stream(hub, 1):
            pass
        await empty(hub)


async def test_a_stream_of_no_session_takes_no_place(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=1) as hub:
        for _ in range(3):
            assert (await hub.call("GET", "/77/events", {})).status_code == 404
        await empty(hub)


@pytest.mark.parametrize("version", ["2.3", "2.4"])
@pytest.mark.parametrize("sent", [0, 1, 2])
async def test_a_stream_whose_reader_is_gone_before_it_began_or_just_then_gives_its_place_back(
    tmp_path: Path, sent: int, version: str
) -> None:
    async with running(tmp_path) as hub:
        await hub.create()
        assert hub.hub is not None
        left = sent

        async def send(message: Message) -> None:
            nonlocal left
            if not left:
                raise OSError("the reader is gone")
            left -= 1

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")

        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": version}, "http_version": "1.1",
            "method": "GET", "scheme": "http", "path": f"{API}/1/events", "query_string": b"", "root_path": "",
            "headers": [], "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(Exception, match=r"gone|^$"):
                await hub.hub.app(scope, receive, send)
        await empty(hub)


async def test_a_stream_watches_its_room_before_its_answer_begins(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        await hub.create()
        assert hub.hub is not None
        rooms = hub.hub.rooms
        events = Events(rooms, Crowd(None), Crowd(None))
        operation = Operation(method="GET", path="", summary="", handler=events.follow)
        await events.follow(Call(operation, {}, "192.0.2.1", None, 1, None, None, b""))
        await rooms.open([1])
        room = rooms.get(1)
        assert room is not None
        assert not room.empty


async def test_a_stream_that_ends_because_the_hub_stops_says_when_to_come_back(tmp_path: Path) -> None:
    told = []
    async with running(tmp_path, leave_grace_seconds=4.0) as hub, hub.http() as http:
        await hub.create()
        assert hub.hub is not None
        async with asyncio.timeout(2 * PATIENCE), AsyncExitStack() as stack:
            responses = [await stack.enter_async_context(http.stream("GET", f"{API}/1/events")) for _ in range(20)]
            hub.hub.failed()  # as a stop does
            for response in responses:
                lines = [line async for line in response.aiter_lines() if line.startswith("retry: ")]
                told.append(int(lines[-1].removeprefix("retry: ")))
    assert all(3000 <= delay <= 5000 for delay in told)
    assert len(set(told)) > 10  # the first `retry` is the same for all
