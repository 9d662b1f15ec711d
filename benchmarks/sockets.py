"""A WebSocket client that costs next to nothing: masked by a key of zeroes, no extensions (RFC 6455).

What comes often, `session` messages, is looked for a few bytes and counted; only answers are read as JSON.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Self, TypeVar, cast

from benchmarks.client import PATIENCE
from benchmarks.wrong import Wrong

T = TypeVar("T")
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: YmVuY2htYXJrLWtleS0xNg==\r\n\r\n"
)
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
STATE = b'{"type":"session",'
PEOPLE = (b'{"type":"roster",', b'{"type":"presence",')


def frame(opcode: int, payload: bytes) -> bytes:
    """One masked frame; the key is zero, so the payload stays as it is."""
    size = len(payload)
    head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else struct.pack("!BBH", 0x80 | opcode, 0xFE, size)
    return head + bytes(4) + payload


def number(payload: bytes, member: bytes) -> int:
    """The whole number that is `member` of a flat message, `member` as in b'"live":'."""
    at = payload.index(member) + len(member)
    return int(payload[at : payload.index(b",", at)])


async def each(count: int, at_once: int, work: Callable[[int], Awaitable[T]]) -> list[T]:
    """What `work` answered for each number below `count`, `at_once` of them on their way."""
    done: dict[int, T] = {}
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for one in numbers:
            done[one] = await work(one)

    await asyncio.gather(*(one_after_the_other() for _ in range(min(at_once, count))))
    return [done[one] for one in range(count)]


def close(sockets: Iterable[Socket]) -> None:
    """End them all."""
    for each_one in sockets:
        each_one.transport.close()


class Socket(asyncio.Protocol):
    """One socket; `heard` is told of each `session` message, with its payload."""

    def __init__(self, heard: Callable[[Socket, bytes], None] | None = None) -> None:
        self.transport: asyncio.Transport
        self.heard = heard
        self.states = 0
        self.frames = 0
        self.received = 0
        self.newest = 0
        """For `heard` to keep what it wants to know again."""
        self.answers_pings = True
        self.over = False
        self.close_code: int | None = None
        self._open = False
        self._rest = b""
        self._answers: deque[bytes] = deque()
        self._waiting: asyncio.Future[None] | None = None

    @classmethod
    async def open(
        cls,
        port: int,
        heard: Callable[[Socket, bytes], None] | None = None,
        *,
        welcome: bool = True,
        connected: socket.socket | None = None,
    ) -> Self:
        """A socket that was let in and, unless the server has no such word, welcomed; `connected` to be used for it."""
        loop = asyncio.get_running_loop()
        if connected is None:
            _, made = await loop.create_connection(lambda: cls(heard), "127.0.0.1", port)
        else:
            _, made = await loop.create_connection(lambda: cls(heard), sock=connected)
        await made.until(lambda: made._open, "the upgrade")
        if welcome:
            await made.answer("welcome")
        return made

    async def ask(self, **message: Any) -> Mapping[str, Any]:
        """Send a message and wait for its `ok`; raises `Wrong` for a refusal."""
        self.transport.write(frame(TEXT, json.dumps(message).encode()))
        return await self.answer("ok")

    async def watch(self, session: int) -> None:
        """Follow a session; its state is there."""
        known = self.states
        await self.ask(type="watch", id=1, sessions=[session])
        await self.until(lambda: self.states > known, "a snapshot")

    @classmethod
    async def watching(cls, port: int, session: int, heard: Callable[[Socket, bytes], None] | None = None) -> Self:
        """A socket that follows a session."""
        made = await cls.open(port, heard)
        await made.watch(session)
        return made

    async def enter(self, token: str, session: int) -> None:
        """Say who it is, and join."""
        await self.ask(type="auth", id=1, token=token)
        await self.ask(type="join", id=2, session=session)

    async def answer(self, kind: str) -> Mapping[str, Any]:
        """The next message that is not about a session or its people; it must be of this type."""
        await self.until(lambda: bool(self._answers), kind)
        message: dict[str, Any] = json.loads(self._answers.popleft())
        if message["type"] != kind:
            raise Wrong(f"waited for {kind!r}, got {message}")
        return message

    def forget(self) -> None:
        """Keep no answer that nobody waits for."""
        self._answers.clear()

    async def until(self, met: Callable[[], bool], what: str) -> None:
        """Wait until something that came made this true; raises `Wrong` when the socket ends, or after 15 seconds."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not met():
                    if self.over:
                        raise Wrong(f"waited for {what}, and the socket was closed ({self.close_code})")
                    self._waiting = asyncio.get_running_loop().create_future()
                    await self._waiting
        except TimeoutError:
            raise Wrong(f"waited {PATIENCE:g} s for {what}") from None

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: ask for the upgrade."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.transport.write(UPGRADE)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self.over = True
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Part of the handshake's answer, or of frames."""
        self.received += len(data)
        if self._rest:
            data = self._rest + data
        at = 0
        if not self._open:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._rest = data
                return
            if data[9:12] != b"101":
                self.transport.close()
                return
            self._open = True
        while (found := _frame_at(data, at)) is not None:
            opcode, start, at = found
            self._take(opcode, data[start:at])
        self._rest = data[at:]
        if self._waiting is not None:
            self._wake()

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            self.frames += 1
            if payload.startswith(STATE):
                self.states += 1
                if self.heard is not None:
                    self.heard(self, payload)
            elif not payload.startswith(PEOPLE):
                self._answers.append(payload)
        elif opcode == PING and self.answers_pings:
            self.transport.write(frame(PONG, payload))
        elif opcode == CLOSE:
            self.close_code = int.from_bytes(payload[:2]) if len(payload) > 1 else 1005


def _frame_at(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Opcode, start and end of the payload of the frame at `at`; None when it is not there yet."""
    have = len(data)
    if have < at + 2:
        return None
    size, start = data[at + 1], at + 2
    if size == 126:
        start += 2
        size = int.from_bytes(data[at + 2 : start])
    elif size == 127:
        start += 8
        size = int.from_bytes(data[at + 2 : start])
    return None if have < start + size else (data[at] & 0x0F, start, start + size)
