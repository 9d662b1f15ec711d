"""A WebSocket client so small that a thousand of them cost what the hub costs: what nobody reads stays unparsed."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from tests.running import PATIENCE, token

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
ANSWERS = ("ok", "error", "pong")
Hear = Callable[[dict[str, Any]], None]


class Light(asyncio.Protocol):
    """One socket. `closed` is its close code once it is gone, None if it went without a word."""

    def __init__(self, bearer: str, hear: Hear | None = None) -> None:
        """`hear` gets each message that answers nothing; without it only the word of a restart is noted."""
        loop = asyncio.get_running_loop()
        self.welcome: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[int | None] = loop.create_future()
        self.reconnect_in: float | None = None
        self._bearer = bearer
        self._hear = hear
        self._unread = bytearray()
        self._upgraded = False
        self._code: int | None = None
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._asked = 0

    @classmethod
    async def at(
        cls, port: int, sub: str, role: str = "student", hear: Hear | None = None, window: int | None = None
    ) -> Self:
        """Connect and be welcomed, with room for so many bytes unread; OSError when nobody is there."""
        make, loop = partial(cls, token(sub, role), hear), asyncio.get_running_loop()
        plain = socket.socket()
        plain.setblocking(False)
        if window is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        async with asyncio.timeout(2 * PATIENCE):
            try:
                await loop.sock_connect(plain, ("127.0.0.1", port))
            except BaseException:
                plain.close()
                raise
            _, light = await loop.create_connection(make, sock=plain)
            await light.welcome
        return light

    async def ask(self, **message: Any) -> dict[str, Any]:
        """The answer to a message; ConnectionError when the socket goes before it comes."""
        answer = self.begin(**message)
        async with asyncio.timeout(2 * PATIENCE):
            return await answer

    def begin(self, **message: Any) -> asyncio.Future[dict[str, Any]]:
        """Send a message now; its answer, for later."""
        self._asked += 1
        answer = self._answers[self._asked] = asyncio.get_running_loop().create_future()
        self.send({"id": self._asked, **message})
        return answer

    def send(self, message: dict[str, Any]) -> None:
        """Send a message that needs no answer."""
        self._frame(TEXT, json.dumps(message).encode())

    def fall_silent(self, last: bytes) -> None:
        """Say this, as it is, and read nothing any more, no ping either."""
        self._transport.pause_reading()
        self._transport.write(last)

    def close(self) -> None:
        """Close as a page that is left does."""
        self._frame(CLOSE, (1001).to_bytes(2, "big"))

    def hang_up(self) -> None:
        """End the connection without a close."""
        self._transport.close()

    def drop(self) -> None:
        """Lose the connection without a word."""
        self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        head = (
            "GET /ws HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bGlnaHQgYXMgYSBmZWF0aA==\r\n"
            f"Authorization: Bearer {self._bearer}\r\n\r\n"
        )
        transport.write(head.encode())

    def data_received(self, data: bytes) -> None:
        """Read what is whole."""
        self._unread += data
        if not self._upgraded:
            head, end, rest = self._unread.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.welcome.set_exception(ConnectionRefusedError(head.partition(b"\r\n")[0].decode()))
                self._transport.abort()
                return
            self._upgraded, self._unread = True, rest
        while (frame := self._next_frame()) is not None:
            self._read(*frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait."""
        unanswered: list[asyncio.Future[Any]] = [self.welcome, *self._answers.values()]
        for waiting in unanswered:
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("the socket is gone"))
                waiting.exception()  # whoever waits gets it; if nobody does, asyncio need not complain
        if not self.closed.done():
            self.closed.set_result(self._code)

    def _next_frame(self) -> tuple[int, bytes] | None:
        unread = self._unread
        if len(unread) < 2:
            return None
        length, begins = unread[1], 2
        if length >= 126:
            begins = 4 if length == 126 else 10
            length = int.from_bytes(unread[2:begins], "big")
        if len(unread) < begins + length:
            return None
        frame = unread[0] & 15, bytes(unread[begins : begins + length])
        del unread[: begins + length]
        return frame

    def _read(self, kind: int, payload: bytes) -> None:
        if kind == TEXT:
            if self._hear is not None or b'"session"' not in payload[:32]:  # counts, which only watchers read
                self._take(json.loads(payload))
        elif kind == PING:
            self._frame(PONG, payload)
        elif kind == CLOSE:
            self._code = int.from_bytes(payload[:2], "big")
            self._frame(CLOSE, payload[:2])
            self._transport.close()

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind in ANSWERS:
            answer = self._answers.pop(message.get("id", 0), None)
            if answer is not None and not answer.done():
                answer.set_result(message)
        elif kind == "welcome" and not self.welcome.done():
            self.welcome.set_result(None)
        elif kind == "drain":
            self.reconnect_in = message["reconnectIn"]
        elif self._hear is not None:
            self._hear(message)

    def _frame(self, kind: int, payload: bytes) -> None:
        # Masked, as a client must (RFC 6455 §5.3), with the one key that leaves everything as it is.
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self._transport.write(bytes([0x80 | kind]) + length + bytes(4) + payload)
