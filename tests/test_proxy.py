"""The proxy does what its faults are named after, and nothing without one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from typing import Any

import psycopg
import pytest

from tests.proxy import CHUNK, HELD_CHUNKS, HOST, Direction, Proxy
from tests.servers import PostgresServer

PATIENCE = 5.0
A_MOMENT = 0.1

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def listening(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> AsyncIterator[int]:
    """The port of a server that calls `answer` for each connection."""
    server = await asyncio.start_server(answer, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, up to the end, which is sent back too."""
    with suppress(ConnectionError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy before a server that echoes."""
    async with listening(echo) as port, Proxy(port) as proxy:
        yield proxy


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Streams]:
    """A client's connection through the proxy."""
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def ask(streams: Streams, question: bytes = b"hello") -> bytes:
    """What the server sends back."""
    reader, writer = streams
    writer.write(question)
    async with asyncio.timeout(PATIENCE):
        return await reader.readexactly(len(question))


async def is_silent(streams: Streams) -> bool:
    """Whether nothing comes for a moment, and the connection stays up."""
    try:
        async with asyncio.timeout(A_MOMENT):
            await streams[0].read(1)
    except TimeoutError:
        return True
    return False


async def is_reset(streams: Streams) -> bool:
    """Whether the connection ends by a RST."""
    try:
        async with asyncio.timeout(PATIENCE):
            await streams[0].read(1)
    except ConnectionResetError:
        return True
    return False


async def test_without_a_fault_all_bytes_pass_both_ways_and_are_counted(proxy: Proxy) -> None:
    question = bytes(range(256)) * 4096  # 1 MiB
    async with connected(proxy) as streams:
        assert await ask(streams, question) == question
        assert proxy.open == 1
    assert proxy.connections == 1
    assert proxy.forwarded == {"to_server": len(question), "to_client": len(question)}


async def test_an_end_is_passed_on_without_a_loss(proxy: Proxy) -> None:
    async with connected(proxy) as (reader, writer):
        writer.write(b"x" * 500_000)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b"x" * 500_000


async def test_a_delay_is_added_each_way_and_costs_no_throughput(proxy: Proxy) -> None:
    async with connected(proxy) as streams:
        started = time.perf_counter()
        await ask(streams)
        assert time.perf_counter() - started < 0.1
        proxy.delay = 0.1
        started = time.perf_counter()
        await ask(streams)
        assert time.perf_counter() - started >= 0.2
        started = time.perf_counter()
        await asyncio.gather(*(ask_one(proxy) for _ in range(5)), ask(streams, b"x" * 4 * CHUNK))
        assert time.perf_counter() - started < 1.0  # four chunks and five connections wait at once


async def ask_one(proxy: Proxy) -> bytes:
    """One question on a connection of its own."""
    async with connected(proxy) as streams:
        return await ask(streams)


async def test_a_stall_holds_bytes_and_keeps_connections_until_it_flows(proxy: Proxy) -> None:
    async with connected(proxy) as old:
        await ask(old)
        proxy.stall()
        async with connected(proxy) as new:
            old[1].write(b"old")
            new[1].write(b"new")
            assert await is_silent(old)
            assert await is_silent(new)
            proxy.flow()
            async with asyncio.timeout(PATIENCE):
                assert await old[0].readexactly(3) == b"old"
                assert await new[0].readexactly(3) == b"new"


async def test_while_it_stalls_a_sender_is_held_up_and_not_stored() -> None:
    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while True:
                writer.write(b"x" * CHUNK)
                poured.append(CHUNK)
                await writer.drain()
        writer.close()

    poured: list[int] = []
    async with listening(pour) as port, Proxy(port) as proxy:
        proxy.stall()
        async with connected(proxy) as streams:
            assert await is_silent(streams)
            settled = await settles(poured)
            assert settled < (HELD_CHUNKS + 4) * CHUNK + 16 * 2**20  # the system's buffers hold the most of it
            proxy.flow()
            async with asyncio.timeout(PATIENCE):
                await streams[0].readexactly(settled)


async def settles(poured: list[int]) -> int:
    """The sum when it has not grown for a moment."""
    async with asyncio.timeout(PATIENCE):
        while True:
            before = sum(poured)
            await asyncio.sleep(A_MOMENT)
            if sum(poured) == before:
                return before


async def test_a_cut_resets_both_sides_of_all_that_are_present_and_of_none_that_come() -> None:
    ends: asyncio.Queue[bool] = asyncio.Queue()

    async def tell_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(CHUNK))
        ends.put_nowait(await is_reset((reader, writer)))
        writer.close()

    async with listening(tell_the_end) as port, Proxy(port) as proxy:
        async with connected(proxy) as one, connected(proxy) as other:
            await ask(one)
            await ask(other)
            assert proxy.cut() == 2
            assert await is_reset(one)
            assert await is_reset(other)
            async with asyncio.timeout(PATIENCE):
                assert [await ends.get(), await ends.get()] == [True, True]
        async with connected(proxy) as later:
            assert await ask(later) == b"hello"


async def test_who_is_refused_is_reset_and_who_was_there_goes_on(proxy: Proxy) -> None:
    async with connected(proxy) as old:
        await ask(old)
        proxy.refuse()
        async with connected(proxy) as refused:
            assert await is_reset(refused)
        assert await ask(old) == b"hello"
        assert (proxy.connections, proxy.refused) == (1, 1)
        proxy.accept()
        async with connected(proxy) as taken:
            assert await ask(taken) == b"hello"


async def test_a_drip_forwards_so_many_bytes_a_second(proxy: Proxy) -> None:
    async with connected(proxy) as streams:
        proxy.drip(20_000)
        started = time.perf_counter()
        await ask(streams, b"x" * 4_000)
        assert time.perf_counter() - started >= 0.2
        proxy.drip(None)
        started = time.perf_counter()
        await ask(streams, b"x" * 4_000)
        assert time.perf_counter() - started < 0.1


async def test_without_its_server_a_client_is_reset() -> None:
    async with listening(echo) as port:
        pass
    async with Proxy(port) as proxy, connected(proxy) as streams:
        assert await is_reset(streams)


async def test_a_trap_cuts_one_connection_once_and_loses_the_chunk_that_sprang_it(proxy: Proxy) -> None:
    asked: list[tuple[Direction, bytes]] = []

    def is_the_answer(direction: Direction, chunk: bytes) -> bool:
        asked.append((direction, chunk))
        return direction == "to_client" and chunk == b"two"

    async with connected(proxy) as unlucky, connected(proxy) as other:
        sprung = proxy.cut_when(is_the_answer)
        assert await ask(unlucky, b"one") == b"one"
        assert not sprung.is_set()
        unlucky[1].write(b"two")
        assert await is_reset(unlucky)
        assert sprung.is_set()
        assert asked == [("to_server", b"one"), ("to_client", b"one"), ("to_server", b"two"), ("to_client", b"two")]
        assert await ask(other, b"two") == b"two"


async def test_what_goes_wrong_in_a_predicate_is_told_at_the_end() -> None:
    def wrong(direction: Direction, chunk: bytes) -> bool:
        raise LookupError(direction)

    with pytest.RaisesGroup(LookupError, flatten_subgroups=True):
        async with listening(echo) as port, Proxy(port) as proxy, connected(proxy) as streams:
            proxy.cut_when(wrong)
            streams[1].write(b"one")
            assert await is_reset(streams)


def is_a_commit(direction: Direction, chunk: bytes) -> bool:
    """Whether this is the client's COMMIT."""
    return direction == "to_server" and b"COMMIT" in chunk


@pytest.mark.parametrize("forward", [True, False])
async def test_a_commit_stands_whose_answer_was_lost_and_not_one_that_was_lost_itself(
    postgres_server: PostgresServer, forward: bool
) -> None:
    url = postgres_server.database()

    def commit(port: int) -> None:
        with closing(psycopg.connect(url, host=HOST, port=port, connect_timeout=5)) as connection:
            connection.execute("CREATE TABLE kept (id int)")
            connection.commit()

    async with Proxy(postgres_server.port, postgres_server.host) as proxy:
        sprung = proxy.cut_when(is_a_commit, forward=forward)
        with pytest.raises(psycopg.OperationalError):
            await asyncio.to_thread(commit, proxy.port)
        assert sprung.is_set()
    assert await asyncio.to_thread(comes, url) is forward
    postgres_server.drop(url)


def comes(url: str) -> bool:
    """Whether the table is there within a moment: the server may still be at its commit."""
    deadline = time.monotonic() + 3 * A_MOMENT
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        while time.monotonic() < deadline:
            if connection.execute("SELECT to_regclass('kept')").fetchall() != [(None,)]:
                return True
            time.sleep(0.01)
    return False
