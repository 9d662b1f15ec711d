"""The port between the client and a socket, and the socket of `websockets`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

LOST = 1006
MOST_BYTES = 2**24
"""Of one message: a host's roster may name everyone in a large session."""
GOODBYE_SECONDS = 1.0


class Ear(Protocol):
    """Who hears one socket, until it has hung up."""

    def received(self, payload: bytes) -> None:
        """A text frame, whole."""

    def lost(self, code: int, reason: str, retry_after: float = 0.0) -> None:
        """The socket has ended, or did not come to be; nothing follows. `retry_after` seconds were asked for."""


class Line(Protocol):
    """A socket that was dialled; from then on its ear is told all, beginning in a later turn of the loop."""

    def send(self, text: bytes) -> None:
        """Send a text frame, once the socket is open."""

    def close(self) -> None:
        """Close it after what was sent, without waiting."""

    async def ended(self) -> None:
        """Wait until nothing is left of it."""


Dial = Callable[[Ear], Line]
"""Opens a socket."""


class WebSocketLine:
    """A socket to `url`, ws:// or wss://."""

    def __init__(self, url: str, ear: Ear) -> None:
        self._url = url
        self._ear = ear
        self._outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()  # each wants an answer within seconds, or all go
        self._open = False
        self._task = asyncio.create_task(self._run())

    def send(self, text: bytes) -> None:
        """Send a text frame, once the socket is open."""
        self._outgoing.put_nowait(text)

    def close(self) -> None:
        """Close it after what was sent; after GOODBYE_SECONDS however that goes."""
        if not self._open:
            self._task.cancel()
            return
        self._outgoing.put_nowait(None)
        asyncio.get_running_loop().call_later(GOODBYE_SECONDS, self._task.cancel)

    async def ended(self) -> None:
        """Wait until nothing is left of it."""
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            socket = await connect(
                self._url,
                proxy=None,
                compression=None,
                open_timeout=None,  # whoever dialled knows how long to wait
                ping_interval=None,
                close_timeout=GOODBYE_SECONDS,
                max_size=MOST_BYTES,
            )
        except InvalidStatus as refusal:
            self._ear.lost(LOST, f"HTTP status {refusal.response.status_code}", _retry_after(refusal))
        except (OSError, TimeoutError, InvalidHandshake) as error:
            self._ear.lost(LOST, str(error) or type(error).__name__)
        else:
            await self._talk(socket)

    async def _talk(self, socket: ClientConnection) -> None:
        self._open = True
        writing = asyncio.create_task(self._write(socket))
        try:
            while True:
                self._ear.received(await socket.recv(decode=False))
        except ConnectionClosed as end:
            frame = end.rcvd or end.sent
            self._ear.lost(LOST if frame is None else frame.code, "" if frame is None else frame.reason)
        finally:
            writing.cancel()
            socket.transport.abort()

    async def _write(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while (text := await self._outgoing.get()) is not None:
                await socket.send(text, text=True)
            await socket.close()


def _retry_after(refusal: InvalidStatus) -> float:
    told = refusal.response.headers.get("Retry-After", "")
    return min(60.0, float(told)) if told.isdecimal() else 0.0
