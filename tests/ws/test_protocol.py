"""The socket itself: who may open it, what a frame may be, and how it ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.running import Client, Running, running
from tests.sockets import dial, ended, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROBLEM = {"type", "title", "status", "detail", "instance", "success", "code"}


async def test_the_first_message_is_welcome(shared: Running) -> None:
    async with dial(shared) as client:
        first = json.loads(await client.socket.recv())
        assert first.keys() == {"type", "connection", "serverTime", "protocol"}
        assert (first["type"], first["protocol"]) == ("welcome", 1)
        assert datetime.fromisoformat(first["serverTime"]).tzinfo is not None
        async with dial(shared) as other:
            assert (await other.expect("welcome"))["connection"] != first["connection"]


@pytest.mark.parametrize("message_id", [1, 0, -7, 2**53, 1.5, "a", "", "ü" * 128])
async def test_an_id_comes_back_on_pong_ok_and_error(shared: Running, message_id: Any) -> None:
    async with Client.at(shared) as client:
        assert await client.ask(type="ping", id=message_id) == {"type": "pong", "id": message_id}
        assert await client.ask(type="watch", id=message_id) == {"type": "ok", "id": message_id, "missing": []}
        answer = await client.ask(type="join", id=message_id, session=1)
        assert answer.keys() == {"type", "id", "code", "message"}
        assert (answer["type"], answer["id"], answer["code"]) == ("error", message_id, "unauthenticated")


async def test_a_message_without_an_id_is_answered_without_one(shared: Running) -> None:
    async with Client.at(shared) as client:
        await client.send({"type": "ping"})
        assert (await client.expect("pong"))["id"] is None


async def test_a_refused_message_names_what_is_known_and_the_socket_stays(shared: Running) -> None:
    async with Client.at(shared) as client:
        answer = await client.ask(type="shout")
        assert answer["code"] == "invalid_input"
        for known in ("auth", "join", "leave", "ping", "roster", "unwatch", "watch"):
            assert known in answer["message"]
        await client.ask(type="ping")


async def test_a_binary_frame_ends_the_socket_as_not_our_protocol(shared: Running) -> None:
    async with Client.at(shared) as client:
        await client.socket.send(b'{"type":"ping"}')
        assert await ended(client) == 4400


@pytest.mark.parametrize("over", [1, 5_000, 200_000])
async def test_a_message_over_the_limit_ends_the_socket_as_too_large(shared: Running, over: int) -> None:
    async with Client.at(shared) as client:
        frame = '{"type":"ping","id":"' + "é" * 60 + '"}'
        await client.socket.send(frame + " " * (16_384 - len(frame.encode())))
        await client.expect("pong")
        await client.socket.send(frame + " " * (16_384 + over - len(frame.encode())))
        assert await ended(client) == 1009


async def test_a_large_message_in_fragments_is_too_large_too(shared: Running) -> None:
    async with Client.at(shared) as client:
        await client.socket.send(['{"type":"ping"', " " * 9_000, " " * 9_000, "}"])
        assert await ended(client) == 1009


async def test_who_talks_too_much_is_refused_then_sent_off(tmp_path: Path) -> None:
    async with running(tmp_path, message_rate_limit=5) as hub, Client.at(hub) as client:
        for _ in range(5):
            assert (await client.ask(type="ping"))["type"] == "pong"
        for _ in range(60):
            await client.send({"type": "ping"})
        assert await ended(client) == 4429
        refusals = [heard for heard in client.heard if heard["type"] == "error"]
        assert {heard["code"] for heard in refusals} == {"rate_limited"}
        assert len(refusals) >= 20


async def test_the_rate_is_of_one_socket_not_of_all(tmp_path: Path) -> None:
    async with running(tmp_path, message_rate_limit=5) as hub, Client.at(hub) as loud, Client.at(hub) as quiet:
        for _ in range(10):
            await loud.send({"type": "ping"})
        await loud.expect("error", code="rate_limited")
        assert (await quiet.ask(type="ping"))["type"] == "pong"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub that lets in one origin beside its own."""
    folder = tmp_path_factory.mktemp("guarded")
    async with running(folder, allowed_origins=frozenset({"https://learn.example"})) as listening:
        yield listening


async def test_pages_of_this_hub_and_of_allowed_origins_may_open_sockets(guarded: Running) -> None:
    for origin in (None, guarded.url, "https://learn.example"):
        async with dial(guarded, origin=origin) as client:
            await client.expect("welcome")


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://learn.example",
        "https://learn.example:8443",
        "https://learn.example.evil.example",
        "https://sub.learn.example",
        "https://127.0.0.1",
        "http://127.0.0.1",
        "null",
        "",
    ],
)
async def test_a_foreign_origin_is_refused_before_the_upgrade(guarded: Running, origin: str) -> None:
    status, problem, headers = await refused(guarded, origin=origin)
    assert (status, problem["status"], problem["code"]) == (403, 403, "forbidden")
    assert headers["content-type"] == "application/problem+json"
    assert problem.keys() >= PROBLEM
    assert (problem["success"], problem["instance"]) == (False, "/ws")


async def test_an_address_has_a_limit_of_sockets_that_frees_itself(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections_per_address=2) as hub:
        async with Client.at(hub), Client.at(hub):
            status, problem, headers = await refused(hub)
            assert (status, problem["code"]) == (429, "rate_limited")
            assert int(headers["retry-after"]) > 0
            assert problem.keys() >= PROBLEM
        async with Client.at(hub) as client:
            await client.ask(type="ping")


async def test_the_hub_has_a_limit_of_sockets_that_frees_itself(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=2) as hub:
        async with Client.at(hub), Client.at(hub):
            status, problem, headers = await refused(hub)
            assert (status, problem["code"]) == (503, "unavailable")
            assert int(headers["retry-after"]) > 0
            assert problem.keys() >= PROBLEM
        async with Client.at(hub) as client:
            await client.ask(type="ping")


async def test_a_stop_tells_everyone_when_to_come_back(tmp_path: Path) -> None:
    async with AsyncExitStack() as guests, AsyncExitStack() as house:
        hub = await house.enter_async_context(running(tmp_path, leave_grace_seconds=6.0))
        clients = [await guests.enter_async_context(Client.at(hub)) for _ in range(3)]
        await house.aclose()
        for client in clients:
            assert await ended(client) == 1012
            assert client.heard[-1]["type"] == "drain"
            assert 0 <= client.heard[-1]["reconnectIn"] <= 6


@pytest.mark.parametrize("path", ["/", "/ws/", "/healthz", "/nowhere", "/static/index.html", "/api/live-sessions/1"])
async def test_a_socket_anywhere_else_is_not_found_and_told_as_over_rest(shared: Running, path: str) -> None:
    status, problem, headers = await refused(shared, path=path)
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    assert (problem["type"], problem["code"], problem["instance"]) == ("about:blank", "not_found", path)
