"""A4, R9, W10: who sends or takes a request slowly, or holds connections for nothing, is ended in time."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from hub.sockets.caller import SPARE
from hub.sockets.patience import SLOTS, Bounds, Watch
from tests.bus.listening import until
from tests.rfc6455.raw import HANDSHAKE, Peer, entered, reach
from tests.running import API, EXPERT, PATIENCE, Client, Running, free_port, kill, running, spawn
from tests.security.calling import calling

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT = Bounds(head=0.4, body=0.4, take=0.4)
ENDLESS = Bounds(head=3600.0, body=3600.0, take=3600.0)
LONGER = 4 * SHORT.head
"""Seconds in which the short bounds would have ended it."""
HALF = b"GET /ws HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nX-Name: "
ALL = 1_000 if os.environ.get("HUB_TEST_LONG") else 300


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Any]:
    """On the loop that `hub serve` runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub with short bounds."""
    async with bounded(tmp_path_factory.mktemp("slow")) as listening:
        yield listening


@asynccontextmanager
async def bounded(folder: Path, bounds: Bounds = SHORT, **changes: Any) -> AsyncIterator[Running]:
    async with running(folder, serving_as={"bounds": bounds}, **changes) as hub:
        yield hub


def post(*lines: bytes) -> bytes:
    return b"\r\n".join([b"POST /api/live-sessions HTTP/1.1", b"Host: hub", *lines, b"", b""])


async def too_late(peer: Peer) -> None:
    answer = await peer.answer()
    assert answer.status == 408
    assert answer.all("connection") == ["close"]
    told = json.loads(await peer.body(answer))
    assert (told["status"], told["code"]) == (408, "invalid_input")
    await peer.end()


# What is sent.


@pytest.mark.parametrize("said", [b"", b"\r\n", b"\r\n\r\n"], ids=["nothing", "a blank line", "two"])
async def test_R9_who_connects_and_asks_for_nothing_is_ended(hub: Running, said: bytes) -> None:
    async with reach(hub) as peer:
        await peer.send(said)
        await peer.end()


async def test_R9_blank_lines_behind_an_answer_hold_nothing(hub: Running) -> None:
    async with reach(hub) as peer:
        await peer.send(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
        await peer.body(await peer.answer())
        await peer.send(b"\r\n")  # stops the clock of uvicorn's for idle connections
        await peer.end()


@pytest.mark.parametrize("said", [b"G", b"GET /ws", HALF], ids=["a letter", "a target", "a head"])
async def test_R9_a_head_that_does_not_end_in_time_is_answered_408(hub: Running, said: bytes) -> None:
    async with reach(hub) as peer:
        await peer.send(said)
        await too_late(peer)


@contextmanager
def trickling(peer: Peer, octet: bytes) -> Iterator[None]:
    """An octet now and then: each tells the hub that the peer lives."""

    async def trickle() -> None:
        while True:
            await asyncio.sleep(SHORT.head / 8)
            await peer.send(octet)

    task = asyncio.create_task(trickle())
    try:
        yield
    finally:
        task.cancel()


@pytest.mark.parametrize(
    ("said", "octet"),
    [
        (HALF, b"a"),
        (post(b"Content-Length: 1000"), b" "),
        (post(b"Transfer-Encoding: chunked"), b"1\r\n \r\n"),
        (post(b"Transfer-Encoding: chunked") + b"1;", b"a"),
        (post(b"Transfer-Encoding: chunked") + b"0\r\nX-Name: ", b"a"),
        (post(b"Transfer-Encoding: chunked") + b"0\r\n", b"X-Name: a\r\n"),
    ],
    ids=["a head", "a body", "chunks", "a chunk's extension", "a trailer", "trailers"],
)
async def test_A4_R9_what_comes_by_the_octet_is_answered_408_in_time(hub: Running, said: bytes, octet: bytes) -> None:
    async with reach(hub) as peer:
        await peer.send(said.replace(b"Host: hub", b"Host: hub\r\nAuthorization: " + EXPERT["Authorization"].encode()))
        with trickling(peer, octet):
            await too_late(peer)


async def test_A4_a_body_that_trickles_behind_its_answer_gets_no_second_one(hub: Running) -> None:
    async with reach(hub) as peer:
        await peer.send(post(b"Content-Length: 1000"))
        answer = await peer.answer()
        assert answer.status == 401
        await peer.body(answer)
        with trickling(peer, b" "):
            await peer.end()


async def test_R9_without_bounds_it_would_be_held_for_ever(tmp_path: Path) -> None:
    async with bounded(tmp_path, ENDLESS) as hub, reach(hub) as silent, reach(hub) as slow:
        await slow.send(HALF)
        await asyncio.sleep(LONGER)
        await slow.send(b"a\r\n\r\n")
        assert (await slow.answer()).status == 404
        await silent.send(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
        assert (await silent.answer()).status == 200


async def test_R9_half_handshakes_are_all_dropped_and_others_join_meanwhile(tmp_path: Path) -> None:
    async with bounded(tmp_path, Bounds(head=1.5)) as hub:
        session = await hub.create()
        await hub.book(session["id"], "amina")
        before = len(os.listdir("/proc/self/fd"))
        async with Client.at(hub, "amina") as amina:
            with ExitStack() as stack:
                halves = [await half(stack, hub) for _ in range(ALL)]
                assert hub.hub is not None
                joined = await amina.ask(type="join", session=session["id"])
                assert joined["type"] == "ok"
                for one in halves:
                    await too_late(one)
            assert (await amina.ask(type="ping"))["type"] == "pong"
        await until(lambda: len(os.listdir("/proc/self/fd")) <= before, "the last descriptor's end")


async def half(stack: ExitStack, hub: Running) -> Peer:
    tcp = stack.enter_context(socket.socket())
    tcp.setblocking(False)
    await asyncio.get_running_loop().sock_connect(tcp, ("127.0.0.1", hub.port))
    peer = Peer(tcp)
    await peer.send(HALF)
    return peer


# What is taken.


async def unread(peer: Peer) -> None:
    """Ask for far more than the kernel keeps for one who reads nothing."""
    await peer.send(b"GET /openapi.json HTTP/1.1\r\nHost: hub\r\n\r\n" * 40)


async def test_R1_who_asks_and_takes_no_answer_is_cut_off(hub: Running) -> None:
    async with reach(hub, window=4096) as peer:
        await unread(peer)
        await until(lambda: not peers_at(hub), "the connection's end")


async def test_R1_without_a_bound_its_connection_would_stay(tmp_path: Path) -> None:
    async with bounded(tmp_path, Bounds(head=0.4, body=0.4, take=3600)) as hub, reach(hub, window=4096) as peer:
        await unread(peer)
        await asyncio.sleep(LONGER)
        assert peers_at(hub) == 1


async def test_R1_who_takes_its_answer_slowly_gets_all_of_it(tmp_path: Path) -> None:
    async with bounded(tmp_path, Bounds(take=2.0)) as hub, reach(hub, window=16_384) as peer:
        await peer.send(b"GET /openapi.json HTTP/1.1\r\nHost: hub\r\n\r\n" * 5)
        for _ in range(5):
            await asyncio.sleep(0.5)
            answer = await peer.answer()
            assert answer.status == 200
            assert (await peer.body(answer)).endswith(b"}")


async def test_a_stream_of_events_outlives_every_bound(hub: Running) -> None:
    async with hub.http() as http:
        session = await hub.create()
        async with http.stream("GET", f"{API}/{session['id']}/events") as stream:
            await asyncio.sleep(LONGER)
            await hub.start(session["id"])
            async with asyncio.timeout(PATIENCE):
                async for line in stream.aiter_lines():
                    if '"active"' in line:
                        return
        pytest.fail("the stream ended")


# How many.


async def test_W9_one_address_has_so_many_connections_and_another_its_own(tmp_path: Path) -> None:
    async with bounded(tmp_path, Bounds(), max_connections_per_address=3) as hub:
        async with calling(hub, "127.0.0.2", 3):
            async with calling(hub, "127.0.0.2", 1) as (one_too_many,):
                answer = await one_too_many.answer()
                assert answer.status == 429
                assert int(answer.all("retry-after")[0]) >= 1
                await one_too_many.body(answer)
                await one_too_many.end()
            async with calling(hub, "127.0.0.3", 1) as (other,):
                await other.send(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
                assert (await other.answer()).status == 200
        async with calling(hub, "127.0.0.2", 3) as peers:  # who left has made room
            for peer in peers:
                await peer.send(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
                assert (await peer.answer()).status == 200


async def test_W9_a_socket_is_counted_as_a_socket_alone(tmp_path: Path) -> None:
    async with bounded(tmp_path, Bounds(), max_connections_per_address=2) as hub:
        async with calling(hub, "127.0.0.2", 2) as peers:
            for peer in peers:
                assert (await peer.ask(HANDSHAKE)).status == 101
            async with calling(hub, "127.0.0.2", 2) as more:
                for peer in more:
                    await peer.send(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
                    assert (await peer.answer()).status == 200


async def test_A13_a_proxy_is_not_taken_for_those_behind_it(tmp_path: Path) -> None:
    async with bounded(tmp_path, Bounds(), max_connections_per_address=1) as hub:
        async with calling(hub, "127.0.0.1", 5) as peers:
            for peer in peers:
                await peer.send(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
                assert (await peer.answer()).status == 200


async def test_W9_idle_connections_are_bounded_and_leave_room_for_sockets(tmp_path: Path) -> None:
    async with bounded(tmp_path, Bounds(), max_connections=4) as hub, entered(hub) as inside:
        async with calling(hub, "127.0.0.2", 3 + SPARE):
            async with calling(hub, "127.0.0.3", 1) as (one_too_many,):
                assert (await one_too_many.answer()).status == 503
            await inside.send(b"\x89\x80abcd")
            assert await inside.pong() == b""


FEW = 160
FEW_DESCRIPTORS = (
    f"import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW}, {FEW})); "
    "runpy.run_module('hub', run_name='__main__', alter_sys=True)"
)


async def test_W9_idle_connections_take_no_descriptor_that_the_hub_needs_itself(tmp_path: Path) -> None:
    hub = await spawn(tmp_path, free_port(), command=("-c", FEW_DESCRIPTORS, "serve"))
    try:
        async with Client.at(hub) as inside:
            session = await hub.create()
            async with AsyncExitStack() as stack:
                for last in range(2, 8):
                    await stack.enter_async_context(calling(hub, f"127.0.0.{last}", FEW // 2))
                assert len(os.listdir(f"/proc/{hub.process.pid if hub.process else 0}/fd")) < FEW - 20
                assert (await inside.ask(type="watch", sessions=[session["id"]]))["missing"] == []
                assert (await inside.expect("session"))["session"] == session["id"]
            await until(lambda: peers_at(hub) < 5, "their end")
            await hub.book(session["id"], "amina")
            assert (await inside.expect("session", participants=1))["revision"] > 1
    finally:
        assert "Too many open files" not in (tmp_path / "hub.log").read_text()
        await kill(hub)


def peers_at(hub: Running) -> int:
    """Connections that are open at the hub's port, by the kernel's table."""
    port = f":{hub.port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(1 for line in lines if line.split()[1].endswith(port) and line.split()[3] == "01")


# The watch itself.


class Looker:
    """A peer that notes when it looked."""

    def __init__(self) -> None:
        self.slot = -1
        self.looks: list[float] = []

    def look(self, now: float) -> None:
        """Note it."""
        self.looks.append(now)


async def test_everyone_looks_at_the_time_and_who_has_gone_does_not() -> None:
    watch = Watch(SHORT)
    here, gone_away = Looker(), Looker()
    watch.add(here)
    watch.add(gone_away)
    watch.discard(gone_away)
    watch.discard(gone_away)
    await until(lambda: len(here.looks) > 2, "a third look")
    watch.discard(here)
    assert not gone_away.looks
    assert here.looks == sorted(here.looks)
    assert here.looks[1] - here.looks[0] == pytest.approx(SHORT.head / 5)


async def test_to_a_watch_that_stood_still_nobody_is_late() -> None:
    watch, peer = Watch(SHORT), Looker()
    watch.add(peer)
    for _ in range(2 * SLOTS):
        watch._turn()  # as often as it may be: turns that were missed are not made up for
    watch.discard(peer)
    assert peer.looks[-1] <= 2 * SHORT.head / 5 + 1e-9
