"""A TCP proxy for tests, before a database, a bus or a hub: it delays, holds, drips, cuts and refuses."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, Self

HOST = "127.0.0.1"
CHUNK = 65_536
HELD_CHUNKS = 8
CONNECTS_WITHIN = 5.0
ENDS_WITHIN = 5.0
SLICES_A_SECOND = 50
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: what closes is a RST

Direction = Literal["to_server", "to_client"]
Predicate = Callable[[Direction, bytes], bool]


class Proxy:
    """Listens on `port` of 127.0.0.1 and forwards to one server. Without a fault nothing but time is added.

    Faults hold for all connections, present and new, from the moment they are set, also for the bytes that are inside.
    Held bytes are bounded, at HELD_CHUNKS + 4 chunks each way of a connection; then the sender is not read from.
    """

    def __init__(self, port: int, host: str = HOST) -> None:
        self.delay = 0.0
        """Seconds that each chunk waits, each way."""
        self.connections = 0
        """That were forwarded since the start, also those that have ended."""
        self.refused = 0
        self.forwarded: Counter[Direction] = Counter()
        """Bytes each way."""
        self._server = (host, port)
        self._listening: asyncio.Server | None = None
        self._pairs: dict[_Pair, asyncio.Task[None]] = {}
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._bytes_per_second: float | None = None
        self._trap: _Trap | None = None
        self._wrong: list[BaseException] = []

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._accepted, HOST, 0, limit=CHUNK)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listening is not None
        self._listening.close()
        tasks = list(self._pairs.values())
        self.cut()
        async with asyncio.timeout(ENDS_WITHIN):
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._listening.wait_closed()
        if self._wrong:
            raise BaseExceptionGroup("a connection went wrong, or what was asked of its bytes", self._wrong)

    @property
    def port(self) -> int:
        """Where to connect instead of to the server."""
        assert self._listening is not None, "it does not listen"
        port: int = self._listening.sockets[0].getsockname()[1]
        return port

    @property
    def open(self) -> int:
        """Connections that are forwarded now."""
        return len(self._pairs)

    def stall(self) -> None:
        """Hold all bytes; connections stay up, and new ones are taken."""
        self._flowing.clear()

    def flow(self) -> None:
        """Forward what was held, and what comes."""
        self._flowing.set()

    def cut(self) -> int:
        """Abort both sides of all present connections by RST, with what is held; how many they were."""
        cut = len(self._pairs)
        for pair, task in list(self._pairs.items()):
            pair.abort()
            task.cancel()
        return cut

    def refuse(self) -> None:
        """Abort each new connection at once, by RST; present ones go on."""
        self._refusing = True

    def accept(self) -> None:
        """Take new connections again."""
        self._refusing = False

    def drip(self, bytes_per_second: float | None) -> None:
        """Forward no faster than this, each way of each connection, in slices of 20 ms; None: as fast as it goes."""
        self._bytes_per_second = bytes_per_second

    def cut_when(self, predicate: Predicate, *, forward: bool = False) -> asyncio.Event:
        """Cut one connection, once: the first of which `predicate(direction, chunk)` is true; the event tells when.

        It is asked before each chunk goes on. A chunk is what came at one read: of a peer that waits for an answer
        it is its whole question. That chunk is lost, and both sides are aborted by RST. With `forward` it reaches its
        receiver, for whom the connection then ends without a RST, which could overtake it; the other side is aborted.
        """
        self._trap = _Trap(predicate, forward)
        return self._trap.sprung

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            self.refused += 1
            _reset(writer)
            return
        pair = _Pair(self, reader, writer)
        self._pairs[pair] = task = asyncio.create_task(pair.forward())
        task.add_done_callback(lambda _: self._ended(pair))

    def _ended(self, pair: _Pair) -> None:
        task = self._pairs.pop(pair)
        if not task.cancelled() and (wrong := task.exception()) is not None:
            self._wrong.append(wrong)


class _Trap:
    """What `cut_when` waits for."""

    def __init__(self, predicate: Predicate, forward: bool) -> None:
        self.predicate = predicate
        self.forward = forward
        self.sprung = asyncio.Event()


class _Cut(Exception):
    """The trap was sprung, or a side ended by a RST: the other is aborted too."""


class _Pair:
    """A client's connection, and ours to the server for it."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = (reader, writer)
        self._writers = [writer]

    async def forward(self) -> None:
        """Forward both ways until both have ended, or one was aborted."""
        proxy = self._proxy
        try:
            async with asyncio.timeout(CONNECTS_WITHIN):
                reader, writer = await asyncio.open_connection(*proxy._server, limit=CHUNK)
            self._writers.append(writer)
            for each in self._writers:
                each.transport.set_write_buffer_limits(high=0)  # drained is what the system has taken
            proxy.connections += 1
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_Way(proxy, "to_server", self._client[0], writer).forward())
                ways.create_task(_Way(proxy, "to_client", reader, self._client[1]).forward())
            for each in self._writers:
                each.close()
        except* (OSError, TimeoutError, _Cut):
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """End both sides by RST, but for one that is closed already."""
        for writer in self._writers:
            _reset(writer)


class _Way:
    """One direction of a connection: chunks are read ahead, so that a delay costs time and not throughput."""

    def __init__(
        self, proxy: Proxy, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._direction = direction
        self._reader = reader
        self._writer = writer
        self._held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD_CHUNKS)

    async def forward(self) -> None:
        """Until the end of the stream, which is passed on as well."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._read())
            both.create_task(self._write())

    async def _read(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            chunk = await self._reader.read(CHUNK)
            await self._held.put((clock(), chunk))
            if not chunk:
                return

    async def _write(self) -> None:
        proxy = self._proxy
        clock = asyncio.get_running_loop().time
        while True:
            came, chunk = await self._held.get()
            await asyncio.sleep(max(0.0, came + proxy.delay - clock()))
            await proxy._flowing.wait()
            if not chunk:
                with suppress(OSError):  # it has ended too
                    self._writer.write_eof()
                return
            trap = self._sprung(chunk)
            if trap is None or trap.forward:
                await self._send(chunk)
            if trap is not None:
                if trap.forward:
                    self._writer.close()
                trap.sprung.set()
                raise _Cut

    def _sprung(self, chunk: bytes) -> _Trap | None:
        trap = self._proxy._trap
        if trap is None or not trap.predicate(self._direction, chunk):
            return None
        self._proxy._trap = None
        return trap

    async def _send(self, chunk: bytes) -> None:
        while chunk:
            rate = self._proxy._bytes_per_second
            size = len(chunk) if rate is None else max(1, int(rate / SLICES_A_SECOND))
            part, chunk = chunk[:size], chunk[size:]
            if rate is not None:
                await asyncio.sleep(len(part) / rate)
            await self._proxy._flowing.wait()
            self._writer.write(part)
            await self._writer.drain()
            self._proxy.forwarded[self._direction] += len(part)


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()
