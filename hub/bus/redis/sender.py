"""Sending to one server: a bounded queue, and one task that sends all that waits in one go."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from hub.bus import Figures
from hub.bus.redis.servers import ANSWER_SECONDS, AWAY, Outage, Servers, drop, pause
from hub.redisurl import Address

Announcement = tuple[bytes, bytes]
"""A channel and a payload."""

QUEUE_LIMIT = 10_000
BATCH_LIMIT = 1_000


class Sender:
    """What goes to one server, in order, each at most twice. What can't be sent is dropped and counted."""

    def __init__(
        self, servers: Servers, address: Address, command: str, figures: Figures, doubt: Callable[[], None]
    ) -> None:
        """`doubt` is called when the server does not take what it is sent."""
        self._servers = servers
        self._address = address
        self._command = command
        self._figures = figures
        self._doubt = doubt
        self._queue: deque[Announcement] = deque()
        self._beat: Announcement | None = None
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._connection: AbstractConnection | None = None
        self._outage = Outage(f"publishing to Redis at {address}")
        self._failures = 0

    def put(self, channel: bytes, payload: bytes) -> None:
        """Send this when its turn comes; the oldest goes when too many wait."""
        if len(self._queue) >= QUEUE_LIMIT:
            self._queue.popleft()
            self._figures.dropped += 1
        self._queue.append((channel, payload))
        self._idle.clear()
        self._news.set()

    def beat(self, channel: bytes, payload: bytes) -> None:
        """Send this before all that waits; a newer beat replaces it."""
        self._beat = (channel, payload)
        self._news.set()

    def take_all(self) -> list[Announcement]:
        """What waits, and waits no more."""
        taken = list(self._queue)
        self._queue.clear()
        return taken

    async def idle(self) -> None:
        """Return when nothing waits."""
        await self._idle.wait()

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._queue or self._beat is not None:
                    await self._send_some()
                self._idle.set()
        finally:
            await self._drop()

    async def _send_some(self) -> None:
        beat, self._beat = self._beat, None
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_LIMIT))]
        whole = batch if beat is None else [beat, *batch]
        try:
            refusal = await self._send_twice(whole)
        except AWAY as error:
            self._figures.dropped += len(batch)
            await self._failed(error)
            return
        taken = len(batch) - refusal[0]
        self._figures.published += taken
        self._figures.dropped += len(batch) - taken
        if refusal[1] is not None:
            await self._failed(refusal[1])
            return
        self._failures = 0
        self._outage.over()

    async def _failed(self, error: BaseException) -> None:
        self._outage.began(error)
        self._doubt()
        self._failures += 1
        await asyncio.sleep(pause(self._failures))

    async def _send_twice(self, batch: list[Announcement]) -> tuple[int, ResponseError | None]:
        """A server that was restarted is noticed when something is sent, so that is sent again."""
        try:
            return await self._send(batch)
        except AWAY:
            await asyncio.sleep(random.uniform(0.0, 0.05))
        return await self._send(batch)

    async def _send(self, batch: list[Announcement]) -> tuple[int, ResponseError | None]:
        connection = self._connection
        try:
            if connection is None:
                connection = self._connection = await self._servers.connect(self._address)
            async with asyncio.timeout(ANSWER_SECONDS):
                commands = [(self._command, channel, payload) for channel, payload in batch]
                await connection.send_packed_command(connection.pack_commands(commands))
                return await self._answers(connection, len(batch))
        except BaseException:
            await self._drop()
            raise

    @staticmethod
    async def _answers(connection: AbstractConnection, count: int) -> tuple[int, ResponseError | None]:
        refused, why = 0, None
        for _ in range(count):
            try:
                await connection.read_response(timeout=math.inf)
            except ResponseError as error:
                refused, why = refused + 1, error
        return refused, why

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await drop(connection)
