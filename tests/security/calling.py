"""Callers from several addresses of this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from tests.rfc6455.raw import Peer
from tests.running import Running


@asynccontextmanager
async def calling(hub: Running, address: str, count: int) -> AsyncIterator[list[Peer]]:
    """Connections from an address of this machine, which the hub has taken or refused."""
    with ExitStack() as stack:
        peers = []
        for _ in range(count):
            tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP))
            tcp.setblocking(False)
            tcp.bind((address, 0))
            await asyncio.get_running_loop().sock_connect(tcp, ("127.0.0.1", hub.port))
            peers.append(Peer(tcp))
        await asyncio.sleep(0.05)
        yield peers
