"""Every process of several workers has an address where it is asked for its own figures, and its successor the same."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import httpx2
import pytest

from tests.faults.nodes import LONG, SERVE, Nodes, pid, together
from tests.faults.test_two_workers import leases, until, workers
from tests.processes import free_port
from tests.running import PATIENCE, Client, Running, kill
from tests.scrape import scrape

COUNT = 21
"""Sockets: odd, so that two workers don't hold as many."""


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody listens on."""
    while True:
        first = free_port()
        with suppress(OSError):
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
            return first


async def comes(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for it."""
    async with asyncio.timeout(2 * PATIENCE):
        while True:
            if await true():
                return
            await asyncio.sleep(0.05)


async def began(port: int) -> float:
    """When the process there started; two that start together may have the same hundredth of a second."""
    return (await scrape(port)).of("process_start_time_seconds")


async def sockets(port: int) -> float:
    """How many it holds."""
    return (await scrape(port)).of("hub_connections", kind="socket")


async def test_every_worker_is_scraped_at_its_port_and_so_are_its_successors_by_the_options_of_their_supervisor(
    nodes: Nodes,
) -> None:
    nodes.lease = 6.0
    first, port = free_ports(2), free_port()
    chosen = (*SERVE, "--port", str(port), "--workers", "2")
    async with together(nodes), AsyncExitStack() as stack:
        # By its variables alone it would be refused: the first worker's figures where everyone is served.
        node = await nodes.start(port, chosen, HUB_PORT=str(first), HUB_METRICS_PORT=str(first))
        await until(lambda: len(workers(pid(node))) == leases(nodes) == 2)
        assert {await sockets(one) for one in (first, first + 1)} == {0.0}
        for _ in range(COUNT):
            await stack.enter_async_context(Client.at(node))
        shares = {await sockets(first), await sockets(first + 1)}
        assert sum(shares) == COUNT
        assert min(shares) > 0
        # The control: at the address that they share the same question has now one answer, now the other.
        assert {await sockets(node.port) for _ in range(40)} == shares
        os.kill(workers(pid(node))[0], signal.SIGKILL)

        async def replaced() -> bool:
            seen = {await sockets(first), await sockets(first + 1)}
            return 0 in seen and bool(seen & shares)

        await comes(replaced)
        if LONG:
            await replace_all(node, first)
        assert await kill(node, signal.SIGTERM) in (0, -signal.SIGTERM)
        with pytest.raises(httpx2.ConnectError):
            await scrape(first)


async def replace_all(node: Running, first: int) -> None:
    """SIGHUP, until both ports are those of new processes."""
    ports = (first, first + 1)
    before = {await began(port) for port in ports}
    assert node.process is not None
    node.process.send_signal(signal.SIGHUP)

    async def all_new() -> bool:
        return not {await began(port) for port in ports} & before

    await comes(all_new)
    await until(lambda: len(workers(pid(node))) == 2)
    assert await all_new()
