"""Sockets that watch one session, and when each change came to each of them."""

from __future__ import annotations

import asyncio
import gc
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from time import perf_counter

from benchmarks import table
from benchmarks.bookings import API
from benchmarks.client import PATIENCE, ask_for, request
from benchmarks.machine import Cost, Meter
from benchmarks.servers import Server, token
from benchmarks.sockets import Socket, each, number
from benchmarks.wrong import Wrong

REVISION = b'"revision":'
AT_ONCE = 50
PEOPLE = 20


@dataclass(frozen=True)
class Delivered:
    """What a turn of changes came to; the cost runs until everyone had the last one.

    `frames` are those that all watchers got together. A latency, in seconds, is one change's at one watcher: from
    just before it was asked for until a frame was there that holds it. They are sorted.
    """

    changes: int
    frames: int
    latencies: Sequence[float]
    cost: Cost

    @property
    def each(self) -> float:
        """The server's CPU seconds for one frame, all that the changes cost included."""
        return self.cost.each(self.frames)

    def milliseconds(self, share: float) -> float:
        """The latency that this share of all stays under."""
        return table.at(self.latencies, share) * 1000


class Audience:
    """Watchers who count: each change of the session must be a revision of its own, and nothing else may be."""

    def __init__(self) -> None:
        self.sockets: list[Socket] = []
        self.revision = 0
        """The newest that all have been told of."""
        self.size = 0
        """Bytes of the newest message."""
        self._frames = 0
        self._goal = 0
        self._sent: list[float] = []
        self._latencies = array("d")
        self._there = 0
        self._everyone = asyncio.Event()

    @property
    def asked(self) -> int:
        """How many changes of this turn were asked for until now."""
        return len(self._sent)

    async def gather(self, port: int, count: int, session: int | None, at_once: int = AT_ONCE) -> None:
        """Let `count` more sockets watch a session; None: the server is one that has no such word."""

        async def come(_: int) -> Socket:
            if session is None:
                return await Socket.open(port, self._heard, welcome=False)
            return await Socket.watching(port, session, self._heard)

        self.sockets += await each(count, at_once, come)
        self.revision = max(socket.newest for socket in self.sockets)

    async def turn(self, server: Server, requests: Sequence[bytes], rate: float, status: int) -> Delivered:
        """Ask for so many changes a second, one after the other, until everyone has the last one.

        Raises `Wrong` when an answer has another status, and when a watcher is lost or never has the last change.
        """
        self._frames, self._there, self._sent, self._latencies = 0, 0, [], array("d")
        self._goal = self.revision + len(requests)
        self._everyone.clear()
        gc.collect()
        gc.freeze()  # thousands of sockets, which a collection under way would look through
        meter = Meter(server.pid)
        await changes(server, self._stamped(requests), len(requests) / rate, rate, status)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._everyone.wait()
        except TimeoutError:
            raise Wrong(f"{self._there} of {len(self.sockets)} watchers were told of the last change") from None
        cost = meter.cost()
        if any(socket.over for socket in self.sockets):
            raise Wrong("a watcher was lost")
        self.revision = self._goal
        return Delivered(len(requests), self._frames, sorted(self._latencies), cost)

    def _stamped(self, requests: Sequence[bytes]) -> Iterator[bytes]:
        for change in requests:
            self._sent.append(perf_counter())
            yield change

    def _heard(self, socket: Socket, payload: bytes) -> None:
        now = perf_counter()
        self._frames += 1
        self.size = len(payload)
        known, told = socket.newest, number(payload, REVISION)
        if told <= known:
            return
        socket.newest = told
        if not self._sent:
            return
        for change in range(known, told):
            self._latencies.append(now - self._sent[change - self.revision])
        if told == self._goal:
            self._there += 1
            if self._there == len(self.sockets):
                self._everyone.set()


async def changes(server: Server, requests: Iterator[bytes], seconds: float, rate: float, status: int) -> Cost:
    """Ask for changes at a steady rate over one connection, `seconds` in all; what they cost until the last answer."""
    meter = Meter(server.pid)
    await ask_for(
        server.port,
        server.pid,
        requests,
        connections=1,
        seconds=2 * seconds + PATIENCE,
        status=status,
        warm=0.0,
        rate=rate,
    )
    return meter.cost()


def back_and_forth(session: int) -> Iterator[bytes]:
    """Requests of a few people who take a seat and give it back, without end: what is kept of people does not grow."""
    tokens = [token(f"seat-{session}-{number}") for number in range(PEOPLE)]
    for method in cycle(("POST", "DELETE")):
        for each_one in tokens:
            yield request(method, f"{API}/{session}/book", each_one)
