"""The plain ASGI driver of `/ws`, for any server: one task reads, one writes."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress

from starlette.types import Message, Receive, Scope, Send

from hub.errors import HubError, NotFound
from hub.frames import Frame
from hub.protection import OVER_TLS
from hub.sockets.closing import TOO_SLOW, Close
from hub.sockets.connection import Connection
from hub.sockets.door import Door, Visitor, by_name
from hub.sockets.lobby import Lobby
from hub.sockets.refusals import answer, tell
from hub.sockets.trail import GONE

log = logging.getLogger("hub.sockets")

HIGH_WATER = 64 * 1024
"""Unsent bytes above which a peer counts as slow, and gets newest states only."""

STUCK_SECONDS = 20.0
"""How long one frame may wait to be taken before the peer is given up."""

LAST_SECONDS = 0.5
"""How long the server may take over the last word to one."""


class AsgiWire:
    """Frames waiting for the writer task."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._outbox: deque[tuple[Message, int]] = deque()
        self._unsent = 0
        self._filled = asyncio.Event()

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up."""
        return self._unsent < HIGH_WATER

    def send(self, frame: Frame) -> None:
        """Queue a text message."""
        size = len(frame.payload)
        self._unsent += size
        self._put({"type": "websocket.send", "text": frame.payload.decode()}, size)

    def hold(self) -> bool:
        """Nothing: a server writes each message by itself."""
        return False

    def release(self) -> None:
        """Nothing, as there was nothing held."""

    def close(self, code: int, reason: str) -> None:
        """Queue the close."""
        self._put({"type": "websocket.close", "code": code, "reason": reason}, 0)

    def _put(self, message: Message, size: int) -> None:
        self._outbox.append((message, size))
        self._filled.set()

    async def write(self, connection: Connection) -> None:
        """Send what is queued until the close is; raises TimeoutError when the peer takes nothing any more."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._outbox:
                message, size = self._outbox.popleft()
                async with asyncio.timeout(STUCK_SECONDS):
                    await self._send(message)
                if message["type"] == "websocket.close":
                    return
                was_writable = self.writable
                self._unsent -= size
                if self.writable and not was_writable:
                    connection.writable_again()


class AsgiDoor:
    """The ASGI application at `/ws`."""

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby
        self._door = Door(lobby)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse before the upgrade, or hold the socket until it ends."""
        visitor = _visitor(scope)
        await receive()
        try:
            self._door.enter(visitor)
        except HubError as refusal:
            await _deny(send, self._lobby, refusal, scope)
            return
        try:
            await send({"type": "websocket.accept"})
            await self._hold(visitor, receive, send)
        except OSError:
            pass  # the peer was gone before the handshake was done
        finally:
            self._door.leave(visitor.address)

    async def _hold(self, visitor: Visitor, receive: Receive, send: Send) -> None:
        wire = AsgiWire(send)
        connection = Connection(self._lobby, wire)
        connection.opened(visitor.headers.get("authorization"), visitor.address)
        reader = asyncio.create_task(_read(connection, receive))
        writer = asyncio.create_task(wire.write(connection))
        try:
            done, _ = await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            if writer in done and isinstance(writer.exception(), TimeoutError):
                connection.close(TOO_SLOW, STUCK_SECONDS, "gave up a peer that takes nothing")
                await _say_last(send, TOO_SLOW)
        finally:
            connection.closed()
            for task in (reader, writer):
                task.cancel()
            for ended in await asyncio.gather(reader, writer, return_exceptions=True):
                if isinstance(ended, Exception) and not isinstance(ended, OSError):  # TimeoutError is one
                    log.error("a socket broke", exc_info=ended)


class Nowhere:
    """The ASGI application at every other path: no socket is there."""

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse before the upgrade."""
        await receive()
        await _deny(send, self._lobby, NotFound("There is no WebSocket here: it is at /ws."), scope)


async def _read(connection: Connection, receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            connection.closed(code=message.get("code") or GONE)
            return
        text = message.get("text")
        connection.received(message["bytes"] if text is None else text)


async def _say_last(send: Send, close: Close) -> None:
    """Leave the close to a server whose peer takes nothing: it may write without waiting, as it has to give up soon."""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(LAST_SECONDS):
            await send({"type": "websocket.close", "code": close.code, "reason": close.reason})


async def _deny(send: Send, lobby: Lobby, refusal: HubError, scope: Scope) -> None:
    refused, visitor = answer(refusal, scope["path"]), _visitor(scope)
    tell(lobby, "open", refused, visitor, scope["path"])
    headers = {**refused.headers, **(OVER_TLS if visitor.secure else {})}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "websocket.http.response.start", "status": refused.status, "headers": raw})
    await send({"type": "websocket.http.response.body", "body": refused.body})


def _visitor(scope: Scope) -> Visitor:
    headers = by_name((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    client = scope.get("client")
    return Visitor(headers, scope.get("scheme") == "wss", client[0] if client else "")
