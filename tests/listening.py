"""A hub that listens in this very process, on a free port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from hub.app import Hub
from hub.server import HubServer, server

START_SECONDS = 10.0
STOP_SECONDS = 15.0


async def until_started(hub: Hub, **serving_as: Any) -> tuple[HubServer, asyncio.Task[None], socket.socket]:
    """Its server (`hub.server.server`), the task that serves, and where it listens; all three are for `stopped`."""
    # Of TCP by name, or asyncio leaves Nagle's algorithm on, and every second small frame waits 40 ms for an ACK.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    serving = server(hub, **serving_as)
    task = asyncio.create_task(serving.serve(sockets=[listening]))
    async with asyncio.timeout(START_SECONDS):
        while not serving.started:
            assert not task.done(), "the hub did not start"
            await asyncio.sleep(0.005)
    return serving, task, listening


async def stopped(serving: HubServer, task: asyncio.Task[None], listening: socket.socket) -> None:
    """Stop it as SIGTERM would, and wait for its end."""
    serving.should_exit = True
    async with asyncio.timeout(STOP_SECONDS):
        await task
    listening.close()
