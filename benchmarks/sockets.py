"""A WebSocket client that costs next to nothing: masked by a key of zeroes, no extensions (RFC 6455)."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Mapping
from typing import Any, Self, cast

from benchmarks.client import PATIENCE, Wrong

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: YmVuY2htYXJrLWtleS0xNg==\r\n\r\n"
)
TEXT, CLOSE, PING = 0x1, 0x8, 0x9


def frame(opcode: int, payload: bytes) -> bytes:
    """One masked frame; the key is zero, so the payload stays as it is."""
    size = len(payload)
    head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else struct.pack("!BBH", 0x80 | opcode, 0xFE, size)
    return head + bytes(4) + payload


class Socket(asyncio.Protocol):
    """One person's socket; it counts `session` messages and knows the newest one's count, session and status."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.live = 0
        self.live_since = 0.0
        self.newest = (0, "")
        self.states = 0
        self.frames = 0
        self.received = 0
        self.over = False
        self._open = False
        self._rest = b""
        self._answers: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    @classmethod
    async def open(cls, port: int) -> Self:
        """A socket that was welcomed."""
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_connection(cls, "127.0.0.1", port)
        await socket.answer("welcome")
        return socket

    async def ask(self, **message: Any) -> Mapping[str, Any]:
        """Send a message and wait for its `ok`; raises `Wrong` for a refusal."""
        self.transport.write(frame(TEXT, json.dumps(message).encode()))
        return await self.answer("ok")

    async def answer(self, kind: str) -> Mapping[str, Any]:
        """The next message that is not about a session or its people; it must be of this type."""
        async with asyncio.timeout(PATIENCE):
            message = await self._answers.get()
        if message is None or message["type"] != kind:
            raise Wrong(f"waited for {kind!r}, got {message}")
        return message

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: ask for the upgrade."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.transport.write(UPGRADE)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self.over = True
        self._answers.put_nowait(None)

    def data_received(self, data: bytes) -> None:
        """Part of the handshake's answer, or of frames."""
        self.received += len(data)
        data = self._rest + data
        if not self._open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._rest = data
                return
            if data[9:12] != b"101":
                self.transport.close()
                return
            self._open, data = True, data[end + 4 :]
        at = 0
        while (found := _frame_at(data, at)) is not None:
            opcode, start, at = found
            self._take(opcode, data[start:at])
        self._rest = data[at:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self.transport.write(frame(0xA, payload))
        elif opcode == TEXT:
            self.frames += 1
            message = json.loads(payload)
            if message["type"] == "session":
                self.states += 1
                self.live = message["live"]
                self.newest = (message["session"], message["status"])
                self.live_since = asyncio.get_running_loop().time()
            elif message["type"] not in ("roster", "presence"):
                self._answers.put_nowait(message)


def _frame_at(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Opcode, start and end of the payload of the frame at `at`; None when it is not there yet."""
    if len(data) < at + 2:
        return None
    size, start = data[at + 1], at + 2
    if size == 126:
        start += 2
        size = int.from_bytes(data[at + 2 : start])
    elif size == 127:
        start += 8
        size = int.from_bytes(data[at + 2 : start])
    return None if len(data) < start + size else (data[at] & 0x0F, start, start + size)
