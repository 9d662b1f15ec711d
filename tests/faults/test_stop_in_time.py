"""A stop ends in the stated time, whatever holds it: a start under way, a silent database, readers that do not read."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect

from hub.stopping import LAST_WORD_SECONDS
from hub.store.postgresql import PostgresDatabase
from hub.workers import MARGIN_SECONDS
from tests.faults.nodes import LONG
from tests.faults.releases import begin, end_all, ended
from tests.proxy import Proxy
from tests.running import PATIENCE, Client, Running, bearer, free_port, kill, spawn
from tests.servers import PostgresServer, RedisServer

LIMIT = 3.0
"""HUB_STOP_SECONDS here."""
SLACK = 1.5
"""Of a busy machine."""
CLEAN = (0, -signal.SIGTERM)
DEAF_READERS = 5
DUE = 8
"""Answers of 15 kB: the kernel keeps 16 KiB unsent, and this reader takes 4."""


@pytest.fixture(autouse=True)
async def _nothing_left() -> object:
    yield
    await end_all()


async def time_to_end(hub: Running, *signals: signal.Signals) -> tuple[float, int]:
    """Send these, one as soon as the other was heard: the seconds until it ended, and its code."""
    assert hub.process is not None
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE), hub.http() as http:
        hub.process.send_signal(signals[0])
        for each in signals[1:]:
            while "draining" not in (await http.get("/readyz")).text:
                pass
            hub.process.send_signal(each)
    async with asyncio.timeout(2 * PATIENCE):
        code = await hub.process.wait()
    return time.monotonic() - began, code


@pytest.mark.parametrize("workers", [1, 2] if LONG else [2])
async def test_a_process_that_is_still_starting_ends_when_it_is_told_to(
    tmp_path: Path, fresh_postgres: str, redis_server: RedisServer, postgres_server: PostgresServer, workers: int
) -> None:
    async with Proxy(postgres_server.port) as between:
        between.stall()
        where = fresh_postgres.replace(f":{postgres_server.port}/", f":{between.port}/")
        more = {"HUB_WORKERS": str(workers), "HUB_REDIS_URL": redis_server.url(9), "HUB_STOP_SECONDS": str(LIMIT)}
        starting = await begin(where, "serve", port=free_port(), **more)
        async with asyncio.timeout(3 * PATIENCE):
            while between.connections < workers:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.01)
        began = time.monotonic()
        starting.send_signal(signal.SIGTERM)
        told = await ended(starting)
        took = time.monotonic() - began
    assert took < LIMIT + LAST_WORD_SECONDS + MARGIN_SECONDS + SLACK, told.said
    assert told.code in (*CLEAN, 1), told.said
    assert "Traceback" not in told.said


async def test_a_database_that_stands_still_does_not_hold_a_stop_beyond_the_limit(tmp_path: Path) -> None:
    with PostgresServer(own=True) as server:
        url = await asyncio.to_thread(server.database)
        await PostgresDatabase(url).migrate()
        hub = await spawn(tmp_path, free_port(), url, HUB_STOP_SECONDS=str(LIMIT))
        try:
            async with Client.with_headers(hub, bearer("ann")) as ann, Client.at(hub) as watcher:
                session = (await hub.create())["id"]
                await hub.book(session, "ann")
                assert (await ann.ask(type="join", session=session))["type"] == "ok"
                await asyncio.to_thread(server.freeze)
                await ann.send({"type": "leave", "id": 1, "session": session})
                took, code = await time_to_end(hub, signal.SIGTERM)
                async with asyncio.timeout(PATIENCE):
                    await watcher.socket.wait_closed()
                assert watcher.socket.close_code == 1012
        finally:
            await kill(hub)
            await asyncio.to_thread(server.thaw)
    assert took < LIMIT + LAST_WORD_SECONDS + SLACK
    assert code in (*CLEAN, 1)


async def deaf(stack: AsyncExitStack, hub: Running) -> ClientConnection:
    """A socket whose peer reads nothing, with more answers due than the kernel takes."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", hub.port))
    line = await stack.enter_async_context(connect(hub.ws, sock=plain, proxy=None, compression=None, close_timeout=0))
    line.transport.pause_reading()
    for _ in range(DUE):
        await line.send(f'{{"type":"ping","id":"{"x" * 15_000}"}}')
    return line


async def test_readers_whose_buffers_are_full_do_not_hold_a_stop(tmp_path: Path) -> None:
    hub = await spawn(tmp_path, free_port(), HUB_STOP_SECONDS="25")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(kill, hub)
        lines = await asyncio.gather(*(deaf(stack, hub) for _ in range(DEAF_READERS)))
        took, code = await time_to_end(hub, signal.SIGTERM)
        for line in lines:
            line.transport.abort()
    assert code in CLEAN
    assert took < 25


async def test_a_second_sigterm_cuts_nothing_short(tmp_path: Path) -> None:
    hub = await spawn(tmp_path, free_port(), HUB_STOP_SECONDS="25")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(kill, hub)
        client = await stack.enter_async_context(Client.at(hub))
        slow = await deaf(stack, hub)  # so that the first one takes a while
        _, code = await time_to_end(hub, signal.SIGTERM, signal.SIGTERM)
        slow.transport.abort()
        assert (await client.expect("drain"))["reconnectIn"] >= 0
        async with asyncio.timeout(PATIENCE):
            await client.socket.wait_closed()
        assert (client.socket.close_code, code) == (1012, -signal.SIGTERM)
